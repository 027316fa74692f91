import type { Plan, PlanEdge } from '../definition/plan.js';
import { edgesInto, edgesOutOf } from './graph.js';

/**
 * Edges may lead back. What goes back by an edge of a cycle belongs to the cycle's next round: a join in the cycle does
 * not wait for it, nor ignore it. An edge leads back when its target lies on every way to its source; cycles with
 * several ways in have no such edge, and their joins wait for all that can come.
 */

interface Rounds {
  /** For each edge that leads back the nodes of its cycle. */
  readonly cycles: ReadonlyMap<PlanEdge, ReadonlySet<string>>;
  /** For each node itself and all that lead to it. */
  readonly before: Map<string, ReadonlySet<string>>;
  /** By `wayInto`. This and the one above are worked out when first asked for. */
  readonly feeders: Map<string, ReadonlySet<string>>;
}

const known = new WeakMap<Plan, Rounds>();

function roundsOf(plan: Plan): Rounds {
  const rounds = known.get(plan) ?? { cycles: cyclesOf(plan), before: new Map(), feeders: new Map() };
  known.set(plan, rounds);
  return rounds;
}

/** Where what comes from one node meets a join. */
export const wayInto = (source: string, joinId: string): string => `${source}>${joinId}`;

/** The nodes from which a join can be come to by way of one of its sources in the same round, without passing it. */
export function feedersOf(plan: Plan, source: string, joinId: string): ReadonlySet<string> {
  const { feeders } = roundsOf(plan);
  const way = wayInto(source, joinId);
  const found = feeders.get(way) ?? findFeeders(plan, source, joinId);
  feeders.set(way, found);
  return found;
}

function findFeeders(plan: Plan, source: string, joinId: string): ReadonlySet<string> {
  const { cycles, before } = roundsOf(plan);
  const all = before.get(source) ?? leadingTo(plan, source, () => true);
  before.set(source, all);
  if (!all.has(joinId)) return all;
  const isOfThisRound = (edge: PlanEdge): boolean => edge.from !== joinId && cycles.get(edge)?.has(joinId) !== true;
  const isFed = edgesInto(plan, joinId).some((edge) => edge.from === source && isOfThisRound(edge));
  return isFed ? leadingTo(plan, source, isOfThisRound) : new Set();
}

/** What is left of the ways a token is late for when it goes along an edge: in the next round it is in time. */
export function lateAfter(plan: Plan, edge: PlanEdge, late: readonly string[]): readonly string[] {
  const cycle = late.length === 0 ? undefined : roundsOf(plan).cycles.get(edge);
  return cycle === undefined ? late : late.filter((way) => !cycle.has(joinOf(way)));
}

/** Of a token's marks those that matter at a node and beyond. */
export type Round = readonly string[];

/**
 * Which round a token is of, as far as joins can tell: those that went on without some tokens marked them all, and not
 * what came after. So what is left of one round never meets the next at a join on its way.
 */
export const roundAt = (plan: Plan, nodeId: string, late: Round = []): Round =>
  late.filter((way) => feedersOf(plan, sourceOf(way), joinOf(way)).has(nodeId));

export const isSameRound = (one: Round = [], other: Round = []): boolean =>
  one.length === other.length && one.every((way) => other.includes(way));

const sourceOf = (way: string): string => way.slice(0, way.indexOf('>'));
const joinOf = (way: string): string => way.slice(way.indexOf('>') + 1);

/** A node and those from which it is come to by edges that may be used. */
function leadingTo(plan: Plan, nodeId: string, mayUse: (edge: PlanEdge) => boolean): ReadonlySet<string> {
  const found = new Set([nodeId]);
  for (const id of found) {
    for (const edge of edgesInto(plan, id)) if (mayUse(edge)) found.add(edge.from);
  }
  return found;
}

function cyclesOf(plan: Plan): Rounds['cycles'] {
  const cycles = new Map<PlanEdge, ReadonlySet<string>>();
  for (const edge of edgesThatMayLeadBack(plan)) {
    if (comeToWithout(plan, edge.to).has(edge.from)) continue;
    const inside = edge.from === edge.to ? [] : leadingTo(plan, edge.from, ({ from }) => from !== edge.to);
    cycles.set(edge, new Set([edge.to, ...inside]));
  }
  return cycles;
}

const entriesOf = (plan: Plan): readonly string[] => [
  plan.entry,
  ...Object.values(plan.nodes).flatMap((node) =>
    node.kind === 'map' || node.kind === 'loop' ? [node.config.entry] : [],
  ),
];

/** The nodes that are come to without passing one of them. */
function comeToWithout(plan: Plan, barrier: string): ReadonlySet<string> {
  const found = new Set(entriesOf(plan).filter((id) => id !== barrier));
  for (const id of found) {
    for (const { to } of edgesOutOf(plan, id)) if (to !== barrier) found.add(to);
  }
  return found;
}

/** Whatever order the plan is gone through in, an edge that leads back comes to a node that is not done with yet. */
function edgesThatMayLeadBack(plan: Plan): readonly PlanEdge[] {
  const back: PlanEdge[] = [];
  const isDone = new Map<string, boolean>();
  const goThrough = (id: string): void => {
    isDone.set(id, false);
    for (const edge of edgesOutOf(plan, id)) {
      if (isDone.get(edge.to) === false) back.push(edge);
      if (!isDone.has(edge.to)) goThrough(edge.to);
    }
    isDone.set(id, true);
  };
  for (const entry of entriesOf(plan)) if (!isDone.has(entry)) goThrough(entry);
  return back;
}
