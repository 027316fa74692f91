import type { NodeOf, Plan } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import { inPlanOrder, nodeOf, sourcesOf } from './graph.js';
import { feedersOf, isSameRound, roundAt, wayInto, type Round } from './rounds.js';
import type { Arrival, RunState } from './state.js';
import { own, put, without } from './records.js';
import { courseOf, enter, markLate, setCourse, visitsIn, withdraw, type Token } from './tokens.js';

type Join = NodeOf<'join'>;

/** A join of one frame, in one of its rounds: tokens of different rounds do not meet. */
interface At {
  readonly scope: string;
  readonly join: Join;
  readonly round: Round;
}

/** How many different sources make a join fire. */
const needed = (plan: Plan, { id, config }: Join): number =>
  config.need === 'all' ? sourcesOf(plan, id).length : Math.min(config.need, sourcesOf(plan, id).length);

export const joinInput = (arrived: readonly Arrival[]): Value => ({
  parts: Object.fromEntries(arrived.map(({ nodeId, value }) => [nodeId, value])),
});

const allArrivedAt = (state: RunState, scope: string, joinId: string): readonly Arrival[] =>
  own(courseOf(state, scope).arrivals, joinId) ?? [];

function setArrived(
  state: RunState,
  { scope, join }: Pick<At, 'scope' | 'join'>,
  arrived: readonly Arrival[],
): RunState {
  const { arrivals } = courseOf(state, scope);
  const others = arrived.length === 0 ? without(arrivals, join.id) : put(arrivals, join.id, arrived);
  return setCourse(state, scope, { arrivals: others });
}

const arrivedAt = (state: RunState, { scope, join, round }: At): readonly Arrival[] =>
  allArrivedAt(state, scope, join.id).filter(({ late }) => isSameRound(late, round));

/** The oldest arrival of each source, in the sources' order: what a firing consumes. Later ones are for the next time. */
function firstOfEach(plan: Plan, arrived: readonly Arrival[], join: Join): readonly Arrival[] {
  const first = new Map(arrived.toReversed().map((each) => [each.nodeId, each]));
  return sourcesOf(plan, join.id).flatMap((source) => first.get(source) ?? []);
}

/** Takes in what comes to a join, unless the join has gone on without it; `fireIfEnough` is to follow. */
export function arrive(
  plan: Plan,
  state: RunState,
  { scope, join, token }: { readonly scope: string; readonly join: Join; readonly token: Arrival },
): RunState {
  const { nodeId, value, late } = token;
  if (late?.includes(wayInto(nodeId, join.id)) === true) return state;
  const round = roundAt(plan, join.id, late);
  const arrival = { nodeId, value, ...(round.length === 0 ? {} : { late: round }) };
  return setArrived(state, { scope, join }, [...allArrivedAt(state, scope, join.id), arrival]);
}

/** Fires a join if enough of one round has come. */
export function fireIfEnough(
  plan: Plan,
  state: RunState,
  { scope, join }: { readonly scope: string; readonly join: Join },
): RunState {
  const newest = allArrivedAt(state, scope, join.id).at(-1);
  if (newest === undefined) return state;
  const at = { scope, join, round: newest.late ?? [] };
  const came = new Set(arrivedAt(state, at).map(({ nodeId }) => nodeId));
  return came.size >= needed(plan, join) ? fire(plan, state, at) : state;
}

function fire(plan: Plan, state: RunState, at: At): RunState {
  const { scope, join, round } = at;
  const arrived = arrivedAt(state, at);
  const consumed = firstOfEach(plan, arrived, join);
  const left = settleRest(plan, consume(state, at, consumed), { ...at, missing: missingSources(plan, arrived, join) });
  const marks = round.length === 0 ? {} : { late: round };
  return enter(left, { scope, nodeId: join.id, input: joinInput(consumed), ...marks });
}

/** What could still have come is withdrawn, or marked to be ignored when it comes by a way the join did not wait for. */
function settleRest(
  plan: Plan,
  state: RunState,
  { scope, join, round, missing }: At & { readonly missing: readonly string[] },
): RunState {
  const isComing = ({ nodeId, late }: Token, source: string): boolean =>
    feedersOf(plan, source, join.id).has(nodeId) && isSameRound(roundAt(plan, join.id, late), round);
  const waysOf = (token: Token): readonly string[] =>
    missing.filter((source) => isComing(token, source)).map((source) => wayInto(source, join.id));
  if (join.config.cancelRest === true) {
    return withdraw(state, scope, (token) => sourcesOf(plan, join.id).some((source) => isComing(token, source)));
  }
  return missing.length === 0 ? state : markLate(state, scope, waysOf);
}

function consume(state: RunState, at: At, consumed: readonly Arrival[]): RunState {
  const taken = new Set(consumed);
  const rest = allArrivedAt(state, at.scope, at.join.id).filter((each) => !taken.has(each));
  return setArrived(state, at, rest);
}

function missingSources(plan: Plan, arrived: readonly Arrival[], join: Join): readonly string[] {
  const came = new Set(arrived.map(({ nodeId }) => nodeId));
  return sourcesOf(plan, join.id).filter((source) => !came.has(source));
}

interface Pending extends At {
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
  return chosen === undefined ? null : fire(plan, state, chosen);
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
  const pending = Object.keys(courseOf(state, scope).arrivals).flatMap((id) => {
    const join = nodeOf(plan, id);
    return join.kind === 'join' ? roundsAt(plan, state, { scope, join }) : [];
  });
  return inPlanOrder(plan, pending, ({ join }) => join.id);
}

function roundsAt(
  plan: Plan,
  state: RunState,
  { scope, join }: { readonly scope: string; readonly join: Join },
): readonly Pending[] {
  const all = allArrivedAt(state, scope, join.id);
  const isFirst = ({ late }: Arrival, index: number): boolean =>
    all.findIndex((each) => isSameRound(each.late, late)) === index;
  return all.filter(isFirst).map(({ late: round = [] }) => {
    const at = { scope, join, round };
    return {
      ...at,
      token: { nodeId: join.id, late: round },
      missing: missingSources(plan, arrivedAt(state, at), join),
    };
  });
}

/** Whether one of the tokens could still bring the join what it lacks. */
const expects = (plan: Plan, { join, round, missing }: Pending, tokens: readonly Token[]): boolean =>
  tokens.some(
    ({ nodeId, late }) =>
      missing.some(
        (source) => feedersOf(plan, source, join.id).has(nodeId) && late?.includes(wayInto(source, join.id)) !== true,
      ) && isSameRound(roundAt(plan, join.id, late), round),
  );
