import { proxyActivities } from '@temporalio/workflow';
import type { RunActivities, Scope } from '../contract/activities.js';
import type { NodeError } from '../contract/failures.js';
import { visitKey } from '../contract/ids.js';
import { records } from '../contract/timeouts.js';
import { toolsCalled } from '../definition/tools-called.js';
import { conditionHolds, ExpressionError } from '../definition/expressions.js';
import { mergeReads } from '../definition/expressions.js';
import type { Condition, PlanEdge, Port, Reads } from '../definition/plan.js';
import { jsonOf, textOf, type Value } from '../definition/values.js';
import { edgesFrom, nodeOf } from '../engine/graph.js';
import { complete, fail, noteUndo } from '../engine/reduce.js';
import type { Visit } from '../engine/state.js';
import { namesIn, NodeProblem, scopeOf } from './scope.js';
import type { RunSession } from './session.js';

const { matchConditions } = proxyActivities<RunActivities>(records);

export interface Departure {
  readonly output: Value;
  readonly startedAt: number;
  /** Default `out`. */
  readonly port?: Port;
  /** Who or what decided that it goes on, and how. */
  readonly decidedBy?: string;
  readonly vars?: Readonly<Record<string, Value>>;
  /** Already written by the activity that did the work. */
  readonly isRecorded?: boolean;
  /** Instead of choosing among the edges: the path ends here. */
  readonly endsPath?: boolean;
  /** What was said to the user, where that is not the output. */
  readonly said?: string;
}

/** Sends a visit's output along the edges whose conditions hold. */
export async function leave(session: RunSession, visit: Visit, departure: Departure): Promise<void> {
  const { output, startedAt, port = 'out', vars, decidedBy = null, isRecorded = false } = departure;
  if (!session.isOpen(visit)) return settleLate(session, visit, output);
  if (vars !== undefined) session.state = { ...session.state, vars: { ...session.state.vars, ...vars } };
  const edges = departure.endsPath === true ? [] : await chooseEdges(session, visit, { output, port });
  if (!session.isOpen(visit)) return settleLate(session, visit, output);
  const taken = edges.find((edge) => edge.label !== null)?.label ?? null;
  speak(session, visit, output);
  for (const edge of edges) session.talk.trace('workflow.node.route', edge.from, { to: edge.to, label: edge.label });
  session.left.add(visitKey(visit));
  session.state = complete(session.plan, session.state, { visit, output, port, edges });
  session.began.delete(visitKey(visit));
  if (!isRecorded || taken !== null || port !== 'out') {
    const { said } = departure;
    const spoken = said === undefined ? {} : { said };
    const ended = { status: 'completed', endedAt: Date.now() } as const;
    session.record(visit, { ...ended, output, taken, port, decidedBy, startedAt, ...spoken });
  }
}

/** The run ended, or somebody withdrew the visit, while it was being done. */
function settleLate(session: RunSession, visit: Visit, output: Value): void {
  session.state = noteUndo(session.plan, session.state, { visit, output });
}

function speak({ plan, talk }: RunSession, visit: Visit, output: Value): void {
  const node = nodeOf(plan, visit.nodeId);
  for (const tool of toolsCalled(node, jsonOf(output))) talk.trace('workflow.tool.executed', node.id, { tool });
  if (node.kind === 'loop' && node.dialectKind === 'workflow') talk.trace('workflow.subworkflow.leave', node.id);
  if (node.says !== true) return;
  const json = jsonOf(output);
  talk.say(
    json === undefined ? { node_id: node.id, text: '', value: output } : { node_id: node.id, text: textOf(json) },
  );
  talk.answer();
}

async function chooseEdges(
  session: RunSession,
  visit: Visit,
  { output, port }: { readonly output: Value; readonly port: Port },
): Promise<readonly PlanEdge[]> {
  const candidates = edgesFrom(session.plan, visit.nodeId, port);
  const conditions = candidates.map((edge) => edge.condition);
  if (conditions.every(({ type }) => type === 'always')) return firstOrAll(session, visit, candidates);
  const scope = scopeOf(session, visit, mergeReads(...conditions.map(readsOf)));
  const known = matchHere(conditions, scope, output);
  const run = session.input.run;
  const matches = known ?? (await matchConditions({ run, value: output, scope, conditions }));
  return firstOrAll(
    session,
    visit,
    candidates.filter((_, index) => matches[index] === true),
  );
}

function firstOrAll({ plan }: RunSession, { nodeId }: Visit, edges: readonly PlanEdge[]): readonly PlanEdge[] {
  return nodeOf(plan, nodeId).exits === 'all' ? edges : edges.slice(0, 1);
}

function readsOf(condition: Condition): Reads {
  switch (condition.type) {
    case 'always':
      return {};
    case 'contains':
      return condition.of === 'message' ? { message: true } : {};
    case 'equals':
      return { vars: true };
    case 'cel':
      return condition.reads ?? {};
  }
}

/** Null when only an activity can tell, as some value is stored elsewhere. */
function matchHere(conditions: readonly Condition[], scope: Scope, output: Value): readonly boolean[] | null {
  const names = namesIn(scope, output);
  if (names === null) return null;
  const matches: boolean[] = [];
  try {
    // -- reason: `input` is the first of the names
    const json = names['input'] ?? null;
    for (const condition of conditions) matches.push(conditionHolds(condition, { output: json, names }));
    return matches;
  } catch (error) {
    if (error instanceof ExpressionError) throw new NodeProblem({ type: 'condition_failed', message: error.message });
    throw error;
  }
}

/** Applies a node's error policy to a visit that failed. */
export function failVisit(
  session: RunSession,
  visit: Visit,
  { error, startedAt }: { readonly error: NodeError; readonly startedAt: number },
): void {
  if (!session.isOpen(visit)) return;
  const key = visitKey(visit);
  session.state = fail(session.plan, session.state, { visit, error });
  session.began.delete(key);
  const isParked = session.state.parked[key] !== undefined;
  if (!isParked) session.left.add(key);
  session.record(visit, {
    status: isParked ? 'parked' : 'failed',
    error,
    startedAt,
    endedAt: isParked ? null : Date.now(),
  });
}
