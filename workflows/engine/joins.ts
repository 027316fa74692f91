import { inScope } from '../contract/ids.js';
import type { NodeOf, Plan } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import { feedersOf, inPlanOrder, nodeOf, sourcesOf, wayInto } from './graph.js';
import type { Arrival, RunState } from './state.js';
import { enter, markLate, pendingJoins, visitsIn, withdraw, without, type Token } from './tokens.js';

type Join = NodeOf<'join'>;

/** A join of one frame. */
interface At {
  readonly scope: string;
  readonly join: Join;
}

/** How many different sources make a join fire. */
const needed = (plan: Plan, { id, config }: Join): number =>
  config.need === 'all' ? sourcesOf(plan, id).length : Math.min(config.need, sourcesOf(plan, id).length);

export const joinInput = (arrived: readonly Arrival[]): Value => ({
  parts: Object.fromEntries(arrived.map(({ nodeId, value }) => [nodeId, value])),
});

const arrivedAt = (state: RunState, { scope, join }: At): readonly Arrival[] =>
  state.arrivals[inScope(scope, join.id)] ?? [];

/** The oldest arrival of each source, in the sources' order: what a firing consumes. Later ones are for the next time. */
function firstOfEach(plan: Plan, arrived: readonly Arrival[], join: Join): readonly Arrival[] {
  return sourcesOf(plan, join.id).flatMap((source) => arrived.find(({ nodeId }) => nodeId === source) ?? []);
}

/** Takes in what comes to a join, unless the join has gone on without it. */
export function arrive(state: RunState, at: At, arrival: Arrival): RunState {
  if (arrival.late?.includes(wayInto(arrival.nodeId, at.join.id)) === true) return state;
  return setArrived(state, at, [...arrivedAt(state, at), arrival]);
}

function setArrived(state: RunState, { scope, join }: At, arrived: readonly Arrival[]): RunState {
  const key = inScope(scope, join.id);
  const arrivals = arrived.length === 0 ? without(state.arrivals, [key]) : { ...state.arrivals, [key]: arrived };
  return { ...state, arrivals };
}

export function fireIfEnough(plan: Plan, state: RunState, at: At): RunState {
  const came = firstOfEach(plan, arrivedAt(state, at), at.join).length;
  return came > 0 && came >= needed(plan, at.join) ? fire(plan, state, at) : state;
}

/** What could still have come by the ways it did not wait for is withdrawn, or marked to be ignored when it comes. */
function fire(plan: Plan, state: RunState, at: At): RunState {
  const { scope, join } = at;
  const arrived = arrivedAt(state, at);
  const consumed = firstOfEach(plan, arrived, join);
  const kept = setArrived(
    state,
    at,
    arrived.filter((each) => !consumed.includes(each)),
  );
  const missing = missingSources(plan, arrived, join);
  const left =
    join.config.cancelRest === true
      ? withdraw(kept, scope, (id) => sourcesOf(plan, join.id).some((source) => feeds(plan, id, { source, join })))
      : markMissing(plan, kept, { scope, join, missing });
  const late = lateInAll(consumed).filter(
    (way) => !sourcesOf(plan, join.id).some((id) => wayInto(id, join.id) === way),
  );
  return enter(left, { scope, nodeId: join.id, input: joinInput(consumed), ...(late.length === 0 ? {} : { late }) });
}

function markMissing(
  plan: Plan,
  state: RunState,
  { scope, join, missing }: At & { readonly missing: readonly string[] },
): RunState {
  if (missing.length === 0) return state;
  return markLate(state, scope, (id) =>
    missing.filter((source) => feeds(plan, id, { source, join })).map((source) => wayInto(source, join.id)),
  );
}

const feeds = (
  plan: Plan,
  nodeId: string,
  { source, join }: { readonly source: string; readonly join: Join },
): boolean => feedersOf(plan, source, join.id).has(nodeId);

function missingSources(plan: Plan, arrived: readonly Arrival[], join: Join): readonly string[] {
  const came = new Set(arrived.map(({ nodeId }) => nodeId));
  return sourcesOf(plan, join.id).filter((source) => !came.has(source));
}

/** What several tokens made together is late only where all of them are: rather twice than never. */
function lateInAll([first, ...others]: readonly Token[]): readonly string[] {
  return (first?.late ?? []).filter((way) => others.every(({ late }) => late?.includes(way) === true));
}

interface Pending {
  readonly join: Join;
  readonly token: Token;
  /** Sources of which nothing has come. */
  readonly missing: readonly string[];
}

/**
 * A join that waits for more than can still come fires with what it has: a branch not taken must not hold it for ever.
 * Of joins that wait for nothing but each other the first in the plan goes, or none ever would.
 */
export function fireStranded(plan: Plan, state: RunState, scope: string): RunState | null {
  const stranded = strandedIn(plan, state, scope);
  const tokens = stranded.map(({ token }) => token);
  const chosen = stranded.find((pending) => !expects(plan, pending, tokens)) ?? stranded[0];
  return chosen === undefined ? null : fire(plan, state, { scope, join: chosen.join });
}

/** Pending joins to which nothing can come but from each other, in the plan's order. */
function strandedIn(plan: Plan, state: RunState, scope: string): readonly Pending[] {
  let waiting = pendingIn(plan, state, scope);
  if (waiting.length === 0) return [];
  let moving: readonly Token[] = visitsIn(state, scope);
  while (moving.length > 0) {
    const tokens = moving;
    const hopeful = waiting.filter((pending) => expects(plan, pending, tokens));
    waiting = waiting.filter((pending) => !hopeful.includes(pending));
    moving = hopeful.map(({ token }) => token);
  }
  return waiting;
}

function pendingIn(plan: Plan, state: RunState, scope: string): readonly Pending[] {
  const pending = pendingJoins(state, scope).flatMap((id) => {
    const join = nodeOf(plan, id);
    if (join.kind !== 'join') return [];
    const arrived = arrivedAt(state, { scope, join });
    return { join, token: { nodeId: id, late: lateInAll(arrived) }, missing: missingSources(plan, arrived, join) };
  });
  return inPlanOrder(plan, pending, ({ join }) => join.id);
}

/** Whether one of the tokens could still bring what the join lacks. */
const expects = (plan: Plan, { join, missing }: Pending, tokens: readonly Token[]): boolean =>
  tokens.some(({ nodeId, late }) =>
    missing.some(
      (source) => feeds(plan, nodeId, { source, join }) && late?.includes(wayInto(source, join.id)) !== true,
    ),
  );
