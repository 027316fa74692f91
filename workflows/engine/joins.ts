import type { NodeOf, Plan } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import type { Arrival, RunState } from './state.js';

/** How many arrivals make a join fire. */
export const needed = (plan: Plan, join: NodeOf<'join'>): number =>
  join.config.need === 'all' ? plan.edges.filter((edge) => edge.to === join.id).length : join.config.need;

export const joinInput = (arrived: readonly Arrival[]): Value => ({
  parts: Object.fromEntries(arrived.map(({ nodeId, value }) => [nodeId, value])),
});

/**
 * A join that waits for more than can still come fires with what it has: a branch not taken must not hold it for ever.
 * A join that has fired already (n of m) swallows the rest.
 */
export function fireJoins(plan: Plan, state: RunState): { readonly nodeId: string; readonly input: Value } | null {
  const short = Object.entries(state.arrivals).filter(([nodeId, arrived]) => {
    const join = plan.nodes[nodeId];
    return join?.kind === 'join' && arrived.length > 0 && arrived.length < needed(plan, join);
  });
  const stranded = short.find(([nodeId]) => !isReachable(plan, state, nodeId));
  const still = state.ready.length === 0 && Object.keys(state.open).length === 0;
  // Joins that wait for each other with no token left elsewhere: the first goes, or none ever would.
  const fired = stranded ?? (still ? short[0] : undefined);
  return fired === undefined ? null : { nodeId: fired[0], input: joinInput(fired[1]) };
}

/** Whether any token of the run can still come to the node. */
function isReachable(plan: Plan, state: RunState, target: string): boolean {
  const tokens = [...state.ready, ...Object.values(state.open)].map((visit) => visit.nodeId);
  const pendingJoins = Object.keys(state.arrivals).filter(
    (id) => id !== target && (state.arrivals[id] ?? []).length > 0,
  );
  const seen = new Set<string>();
  const queue = [...tokens, ...pendingJoins];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    for (const edge of plan.edges) {
      if (edge.from !== id) continue;
      if (edge.to === target) return true;
      if (!seen.has(edge.to)) queue.push(edge.to);
      seen.add(edge.to);
    }
  }
  return false;
}
