import { proxyActivities } from '@temporalio/workflow';
import type { RunActivities, Scope } from '../contract/activities.js';
import { records } from '../contract/timeouts.js';
import { conditionHolds, ExpressionError, mergeReads } from '../definition/expressions.js';
import type { Condition, PlanEdge, Port, Reads } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import { edgesFrom, nodeOf } from '../engine/graph.js';
import type { Visit } from '../engine/state.js';
import { namesIn, NodeProblem, scopeOf } from './scope.js';
import type { RunSession } from './session.js';

const { matchConditions } = proxyActivities<RunActivities>(records);

export interface Leaving {
  readonly output: Value;
  readonly port: Port;
}

/** The edges of a port whose conditions hold: all of them, or the first. Throws `NodeProblem`. */
export async function chooseEdges(
  session: RunSession,
  visit: Visit,
  { output, port }: Leaving,
): Promise<readonly PlanEdge[]> {
  const candidates = edgesFrom(session.plan, visit.nodeId, port);
  const conditions = candidates.map((edge) => edge.condition);
  const isFirstEnough = nodeOf(session.plan, visit.nodeId).exits !== 'all';
  const first = (edges: readonly PlanEdge[]): readonly PlanEdge[] => (isFirstEnough ? edges.slice(0, 1) : edges);
  if (conditions.every(({ type }) => type === 'always')) return first(candidates);
  const scope = scopeAfter(session, visit, { output, port, conditions });
  const known = matchHere(conditions, { scope, output, isFirstEnough });
  const { run } = session.input;
  const matches = known ?? (await matchConditions({ run, value: output, scope, conditions, isFirstEnough }));
  return first(candidates.filter((_, index) => matches[index] === true));
}

/** What conditions read; what the node itself has just left is there already. */
function scopeAfter(
  session: RunSession,
  visit: Visit,
  { output, port, conditions }: Leaving & { readonly conditions: readonly Condition[] },
): Scope {
  const reads = readsOfAll(conditions);
  const scope = scopeOf(session, visit, reads);
  const { id, saveAs } = nodeOf(session.plan, visit.nodeId);
  const name = id.startsWith(reads.prefix ?? '') ? id.slice((reads.prefix ?? '').length) : id;
  return {
    ...scope,
    vars:
      saveAs === undefined || port === 'error' || reads.vars !== true
        ? scope.vars
        : { ...scope.vars, [saveAs]: output },
    steps: Object.hasOwn(scope.steps, name) ? { ...scope.steps, [name]: output } : scope.steps,
  };
}

/** The edges of one node come from one document, so that they name other nodes in one way. */
function readsOfAll(conditions: readonly Condition[]): Reads {
  const all = conditions.map(readsOf);
  const prefix = all.find((reads) => reads.prefix !== undefined)?.prefix;
  return { ...mergeReads(...all), ...(prefix === undefined ? {} : { prefix }) };
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

interface Matching {
  readonly scope: Scope;
  readonly output: Value;
  readonly isFirstEnough: boolean;
}

/** Null when only an activity can tell, as some value is stored elsewhere. */
function matchHere(
  conditions: readonly Condition[],
  { scope, output, isFirstEnough }: Matching,
): readonly boolean[] | null {
  const names = namesIn(scope, output);
  if (names === null) return null;
  const json = names['input'] ?? null;
  const matches: boolean[] = [];
  try {
    for (const condition of conditions) {
      const isAsked = !isFirstEnough || !matches.includes(true);
      matches.push(isAsked && conditionHolds(condition, { output: json, names }));
    }
    return matches;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new NodeProblem({ type: 'expression_failed', message: `condition: ${error.message}` });
  }
}
