import type { NodeError } from '../contract/failures.js';
import { visitKey } from '../contract/ids.js';
import type { PlanEdge, Port } from '../definition/plan.js';
import { toolsCalled } from '../definition/tools-called.js';
import { jsonOf, textOf, type Value } from '../definition/values.js';
import { nodeOf } from '../engine/graph.js';
import { afterFailure, complete, fail, giveUp, noteUndo } from '../engine/reduce.js';
import type { Visit } from '../engine/state.js';
import { close } from '../engine/tokens.js';
import { chooseEdges } from './edges.js';
import { failureOf, isProblem } from './failures.js';
import type { RunSession } from './session.js';

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

/** Sends a visit's output along the edges whose conditions hold. Throws `NodeProblem`. */
export async function leave(session: RunSession, visit: Visit, departure: Departure): Promise<void> {
  const { output, port = 'out', vars } = departure;
  if (!session.isOpen(visit)) return settleLate(session, visit, departure);
  if (vars !== undefined) session.state = { ...session.state, vars: { ...session.state.vars, ...vars } };
  const edges = departure.endsPath === true ? [] : await chooseEdges(session, visit, { output, port });
  if (!session.isOpen(visit)) return settleLate(session, visit, departure);
  const taken = labelOf(edges);
  speak(session, visit, output);
  traceRoutes(session, edges);
  session.left.add(visitKey(visit));
  session.state = complete(session.plan, session.state, { visit, output, port, edges });
  if (departure.isRecorded !== true || taken !== null || port !== 'out')
    recordLeft(session, visit, { ...departure, taken });
}

function recordLeft(session: RunSession, visit: Visit, departure: Departure & { readonly taken: string | null }): void {
  const { output, taken, port = 'out', decidedBy = null, startedAt, said } = departure;
  const spoken = said === undefined ? {} : { said };
  const endedAt = Date.now();
  session.record(visit, { status: 'completed', output, taken, port, decidedBy, startedAt, endedAt, ...spoken });
}

const labelOf = (edges: readonly PlanEdge[]): string | null => edges.find((edge) => edge.label !== null)?.label ?? null;

function traceRoutes(session: RunSession, edges: readonly PlanEdge[]): void {
  for (const edge of edges) session.talk.trace('workflow.node.route', edge.from, { to: edge.to, label: edge.label });
}

/** The run ended, or somebody withdrew the visit, while it was being done: it can still be undone. */
function settleLate(session: RunSession, visit: Visit, { output, isRecorded = false }: Departure): void {
  session.state = noteUndo(session.plan, session.state, { visit, output });
  if (isRecorded) dropVisit(session, visit);
}

/** All is said about a visit. */
export function dropVisit(session: RunSession, visit: Visit): void {
  session.left.add(visitKey(visit));
  session.state = close(session.state, visit);
}

function speak({ plan, talk }: RunSession, visit: Visit, output: Value): void {
  const node = nodeOf(plan, visit.nodeId);
  const json = jsonOf(output);
  for (const tool of toolsCalled(node, json)) talk.trace('workflow.tool.executed', node.id, { tool });
  if (node.kind === 'loop' && node.dialectKind === 'workflow') talk.trace('workflow.subworkflow.leave', node.id);
  if (node.says !== true) return;
  const { id: node_id } = node;
  talk.say(json === undefined ? { node_id, text: '', value: output } : { node_id, text: textOf(json) });
  talk.answer();
}

export interface VisitFailure {
  readonly error: NodeError;
  readonly startedAt: number;
}

/** Applies a node's error policy to a visit that failed. */
export async function failVisit(session: RunSession, visit: Visit, failure: VisitFailure): Promise<void> {
  if (!session.isOpen(visit)) return;
  const { error, startedAt } = failure;
  const after = afterFailure(session.plan, { visit, error });
  const edges = after === null ? [] : await wayOn(session, visit, after);
  if (!session.isOpen(visit)) return;
  if ('error' in edges) return failForGood(session, visit, { ...edges, startedAt });
  session.state = fail(session.plan, session.state, { visit, error, edges });
  const isParked = session.isParked(visit);
  if (!isParked) session.left.add(visitKey(visit));
  traceRoutes(session, edges);
  session.record(visit, {
    status: isParked ? 'parked' : 'failed',
    error,
    startedAt,
    endedAt: isParked ? null : Date.now(),
    ...(after === null || edges.length === 0 ? {} : { port: after.port, taken: labelOf(edges) }),
  });
}

/** Fails a visit whatever its policy. */
export function failForGood(
  session: RunSession,
  visit: Visit,
  { error, startedAt, decidedBy = null }: VisitFailure & { readonly decidedBy?: string | null },
): void {
  if (session.isOpen(visit)) session.state = giveUp(session.plan, session.state, { visit, error });
  session.left.add(visitKey(visit));
  session.record(visit, { status: 'failed', error, startedAt, endedAt: Date.now(), decidedBy });
}

/** Where a failure's way on cannot be found either, that is what it fails with. */
async function wayOn(
  session: RunSession,
  visit: Visit,
  after: { readonly port: Port; readonly output: Value },
): Promise<readonly PlanEdge[] | { readonly error: NodeError }> {
  try {
    return await chooseEdges(session, visit, after);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return failureOf(error);
  }
}

/** Somebody else's doing ended it: a join that went on, a cancelled node, an item that failed, the run's end. */
export function recordWithdrawn(session: RunSession, visit: Visit): void {
  const at = Date.now();
  session.record(visit, { status: 'cancelled', startedAt: at, endedAt: at, decidedBy: 'system:withdrawn' });
  endWait(session, visit, { outcome: 'cancelled', by: 'system:withdrawn' });
  dropVisit(session, visit);
}

/** Settles what a visit waits for without anybody's decision. */
export function endWait(
  session: RunSession,
  visit: Visit,
  end: { readonly outcome: 'cancelled' | 'expired'; readonly by: string },
): void {
  const token = session.waits.of(visit)?.token;
  if (token === undefined) return;
  if (session.waits.find(token) !== undefined)
    session.waits.settle({ token, ...end, note: null, value: null, at: Date.now() });
  session.waits.close(token);
}
