import { inScope, visitKey } from '../contract/ids.js';
import type { Arrival, RunState, Visit } from './state.js';

/** Where a run stands: what is due, under way, or has arrived at a join and waits there. */

/** Something under way at a node. */
export interface Token {
  readonly nodeId: string;
  readonly late?: readonly string[];
}

export const stepped = (state: RunState): RunState => ({ ...state, seq: state.seq + 1 });

export const isOpen = (state: RunState, visit: Visit): boolean => state.open[visitKey(visit)] !== undefined;

/** Reserves the next visit of a node within its frame. */
export function reserve(
  state: RunState,
  scope: string,
  nodeId: string,
): { readonly state: RunState; readonly visit: number } {
  const key = inScope(scope, nodeId);
  const visit = (state.visits[key] ?? 0) + 1;
  return { state: { ...state, seq: state.seq + 1, visits: { ...state.visits, [key]: visit } }, visit };
}

/** Makes a node's next visit due. */
export function enter(state: RunState, at: Omit<Visit, 'visit'>): RunState {
  const reserved = reserve(state, at.scope, at.nodeId);
  return { ...reserved.state, ready: [...state.ready, { ...at, visit: reserved.visit }] };
}

/** Takes a ready visit under way. */
export function start(state: RunState, visit: Visit): RunState {
  const key = visitKey(visit);
  return {
    ...state,
    seq: state.seq + 1,
    ready: state.ready.filter((each) => visitKey(each) !== key),
    open: { ...state.open, [key]: visit },
  };
}

/** Ends an open visit, and whatever runs inside it. */
export function close(state: RunState, visit: Visit): RunState {
  const key = visitKey(visit);
  return dropGroup(
    { ...state, seq: state.seq + 1, open: without(state.open, [key]), parked: without(state.parked, [key]) },
    key,
  );
}

/** Moves the token of an open visit to a later visit of the same line. */
export function advance(state: RunState, from: Visit, to: Visit): RunState {
  const late = state.open[visitKey(from)]?.late ?? [];
  const closed = close(state, from);
  return { ...closed, open: { ...closed.open, [visitKey(to)]: marked(to, late) } };
}

const marked = <T extends Token>(token: T, ways: readonly string[]): T =>
  ways.length === 0 ? token : { ...token, late: [...new Set([...(token.late ?? []), ...ways])] };

/** Marks what is under way in a frame, each token by where it is. */
export function markLate(state: RunState, scope: string, waysOf: (nodeId: string) => readonly string[]): RunState {
  const mark = (visit: Visit): Visit => (visit.scope === scope ? marked(visit, waysOf(visit.nodeId)) : visit);
  const markAll = (arrived: readonly Arrival[], joinId: string): readonly Arrival[] =>
    arrived.map((each) => marked(each, waysOf(joinId)));
  return {
    ...state,
    ready: state.ready.map(mark),
    open: mapValues(state.open, mark),
    arrivals: mapValues(state.arrivals, (arrived, key) => {
      const joinId = nodeIn(scope, key);
      return joinId === null ? arrived : markAll(arrived, joinId);
    }),
  };
}

/** Visits of one frame that are due or under way. */
export const visitsIn = (state: RunState, scope: string): readonly Visit[] =>
  [...state.ready, ...Object.values(state.open)].filter((visit) => visit.scope === scope);

/** Joins of one frame at which something waits for more. */
export const pendingJoins = (state: RunState, scope: string): readonly string[] =>
  Object.keys(state.arrivals).flatMap((key) => nodeIn(scope, key) ?? []);

/** The node that a key of `inScope` stands for in this very frame. */
function nodeIn(scope: string, key: string): string | null {
  const nodeId = scope === '' ? key : key.slice(scope.length + 1);
  return nodeId.includes('/') || inScope(scope, nodeId) !== key ? null : nodeId;
}

/** Withdraws what is due, under way or has arrived in some nodes of a frame, with all that runs inside them. */
export function withdraw(state: RunState, scope: string, isMeant: (nodeId: string) => boolean): RunState {
  const meant = (visit: Visit): boolean => visit.scope === scope && isMeant(visit.nodeId);
  const joins = pendingJoins(state, scope).filter(isMeant);
  const next: RunState = {
    ...stepped(state),
    ready: state.ready.filter((visit) => !meant(visit)),
    arrivals: without(
      state.arrivals,
      joins.map((id) => inScope(scope, id)),
    ),
  };
  return Object.values(state.open)
    .filter(meant)
    .reduce((left, visit) => close(left, visit), next);
}

/** Forgets a map or loop: its frames, and theirs. */
export function dropGroup(state: RunState, owner: string): RunState {
  if (state.groups[owner] === undefined) return state;
  return dropInside({ ...state, groups: without(state.groups, [owner]) }, `${owner}/`);
}

/** Forgets a frame with everything in it. */
export const dropFrame = (state: RunState, id: string): RunState =>
  dropInside({ ...state, frames: without(state.frames, [id]) }, `${id}/`);

/** Forgets everything whose key begins so. */
export function dropInside(state: RunState, prefix: string): RunState {
  const keyed = <T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
    without(
      record,
      Object.keys(record).filter((key) => key.startsWith(prefix)),
    );
  return {
    ...state,
    ready: state.ready.filter((visit) => !`${visit.scope}/`.startsWith(prefix)),
    open: keyed(state.open),
    parked: keyed(state.parked),
    visits: keyed(state.visits),
    arrivals: keyed(state.arrivals),
    outputs: keyed(state.outputs),
    groups: keyed(state.groups),
    frames: keyed(state.frames),
  };
}

/** The record itself when it has none of the keys. */
export function without<T>(record: Readonly<Record<string, T>>, keys: readonly string[]): Readonly<Record<string, T>> {
  const own = keys.filter((key) => Object.hasOwn(record, key));
  if (own.length === 0) return record;
  const left = { ...record };
  for (const key of own) delete left[key];
  return left;
}

const mapValues = <T>(record: Readonly<Record<string, T>>, change: (value: T, key: string) => T) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
