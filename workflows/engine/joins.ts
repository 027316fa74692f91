import { inScope } from '../contract/ids.js';
import type { NodeOf, Plan } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import { nodeOf, reachable, sourcesOf } from './graph.js';
import type { Arrival, RunState } from './state.js';
import { enter, pendingJoins, tokensIn, withdraw } from './tokens.js';

type Join = NodeOf<'join'>;

/** How many different sources make a join fire. */
const needed = (plan: Plan, { id, config }: Join): number =>
  config.need === 'all' ? sourcesOf(plan, id).length : Math.min(config.need, sourcesOf(plan, id).length);

export const joinInput = (arrived: readonly Arrival[]): Value => ({
  parts: Object.fromEntries(arrived.map(({ nodeId, value }) => [nodeId, value])),
});

/** The oldest arrival of each source: what a firing consumes. Later ones of the same source are for the next time. */
function firstOfEach(arrived: readonly Arrival[]): readonly Arrival[] {
  return arrived.filter((each, index) => arrived.findIndex(({ nodeId }) => nodeId === each.nodeId) === index);
}

/** Takes in what comes to a join, and fires it when enough has come. */
export function arrive(plan: Plan, state: RunState, at: { scope: string; join: Join; arrival: Arrival }): RunState {
  const { scope, join, arrival } = at;
  const key = inScope(scope, join.id);
  const swallows = state.swallows[key] ?? [];
  if (swallows.includes(arrival.nodeId)) return setSwallows(state, key, without(swallows, arrival.nodeId));
  const arrived = [...(state.arrivals[key] ?? []), arrival];
  const next = { ...state, arrivals: { ...state.arrivals, [key]: arrived } };
  return firstOfEach(arrived).length >= needed(plan, join) ? fire(plan, next, { scope, join }) : next;
}

function fire(plan: Plan, state: RunState, { scope, join }: { scope: string; join: Join }): RunState {
  const key = inScope(scope, join.id);
  const arrived = state.arrivals[key] ?? [];
  const consumed = firstOfEach(arrived);
  const rest = arrived.filter((each) => !consumed.includes(each));
  const kept = { ...state, arrivals: setOrDrop(state.arrivals, key, rest) };
  const came = new Set(consumed.map(({ nodeId }) => nodeId));
  const missing = sourcesOf(plan, join.id).filter((source) => !came.has(source));
  const input = joinInput(consumed);
  if (join.config.cancelRest === true) {
    const upstream = upstreamOf(plan, kept, { scope, joinId: join.id });
    return enter(
      withdraw(kept, scope, (id) => upstream.has(id)),
      { scope, nodeId: join.id, input },
    );
  }
  const coming = reachable(plan, tokensIn(kept, scope), join.id);
  const late = missing.filter((source) => coming.has(source));
  return enter(setSwallows(kept, key, late), { scope, nodeId: join.id, input });
}

/** The nodes holding tokens that could still come to the join. */
function upstreamOf(plan: Plan, state: RunState, { scope, joinId }: { scope: string; joinId: string }) {
  const sources = new Set(sourcesOf(plan, joinId));
  const holders = tokensIn(state, scope).filter((id) => id !== joinId);
  return new Set(holders.filter((id) => [...reachable(plan, [id], joinId)].some((each) => sources.has(each))));
}

/**
 * A join that waits for more than can still come fires with what it has: a branch not taken must not hold it for ever.
 * Joins that wait for each other with no token left elsewhere: the first goes, or none ever would.
 */
export function fireStranded(plan: Plan, state: RunState, scope: string): RunState | null {
  const waiting = pendingJoins(state, scope);
  if (waiting.length === 0) return null;
  const tokens = tokensIn(state, scope);
  const stranded = waiting.find((id) => {
    const arrived = new Set((state.arrivals[inScope(scope, id)] ?? []).map(({ nodeId }) => nodeId));
    const coming = reachable(
      plan,
      tokens.filter((each) => each !== id),
      id,
    );
    return !sourcesOf(plan, id).some((source) => !arrived.has(source) && coming.has(source));
  });
  const isStill = tokens.length === waiting.length;
  const chosen = stranded ?? (isStill ? waiting[0] : undefined);
  if (chosen === undefined) return null;
  const join = nodeOf(plan, chosen);
  return join.kind === 'join' ? fire(plan, state, { scope, join }) : null;
}

/** A source that can no longer come is no longer ignored: what comes from it later is of another round. */
export function pruneSwallows(plan: Plan, state: RunState, scope: string): RunState {
  let next = state;
  for (const [key, sources] of Object.entries(state.swallows)) {
    const id = scope === '' ? key : key.slice(scope.length + 1);
    if (inScope(scope, id) !== key || plan.nodes[id] === undefined) continue;
    const coming = reachable(plan, tokensIn(state, scope), id);
    const left = sources.filter((source) => coming.has(source));
    if (left.length < sources.length) next = setSwallows(next, key, left);
  }
  return next;
}

const setSwallows = (state: RunState, key: string, sources: readonly string[]): RunState => ({
  ...state,
  swallows: setOrDrop(state.swallows, key, sources),
});

const without = (list: readonly string[], item: string): readonly string[] => list.filter((each) => each !== item);

function setOrDrop<T>(
  record: Readonly<Record<string, readonly T[]>>,
  key: string,
  list: readonly T[],
): Readonly<Record<string, readonly T[]>> {
  if (list.length > 0) return { ...record, [key]: list };
  const { [key]: _dropped, ...rest } = record;
  return rest;
}
