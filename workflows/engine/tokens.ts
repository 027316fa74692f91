import { inScope, visitKey } from '../contract/ids.js';
import { mapped, own, put, without, withoutInside } from './records.js';
import type { Arrival, Course, RunState, Visit } from './state.js';

/** Where a run stands: what is due, under way, or has arrived at a join and waits there. */

/** Something under way at a node. */
export interface Token {
  readonly nodeId: string;
  readonly late?: readonly string[];
}

export const stepped = (state: RunState): RunState => ({ ...state, seq: state.seq + 1 });

export const isOpen = (state: RunState, visit: Visit): boolean => state.open[visitKey(visit)] !== undefined;

const isSame = (one: Visit, other: Visit): boolean =>
  one.visit === other.visit && one.nodeId === other.nodeId && one.scope === other.scope;

/** How far a frame, or the root, has come. */
export const courseOf = (state: RunState, scope: string): Course => state.frames[scope] ?? state;

export function setCourse(state: RunState, scope: string, change: Partial<Course>): RunState {
  const frame = state.frames[scope];
  if (frame === undefined) return { ...state, ...change };
  return { ...state, frames: put(state.frames, scope, { ...frame, ...change }) };
}

/** Reserves the next visit of a node within its frame; what undoes something of a frame that is gone counts at the root. */
export function reserve(
  state: RunState,
  scope: string,
  nodeId: string,
): { readonly state: RunState; readonly visit: number } {
  const { visits } = courseOf(state, scope);
  const key = state.frames[scope] === undefined ? inScope(scope, nodeId) : nodeId;
  const visit = (own(visits, key) ?? 0) + 1;
  return { state: setCourse(stepped(state), scope, { visits: put(visits, key, visit) }), visit };
}

/** Makes a node's next visit due. */
export function enter(state: RunState, at: Omit<Visit, 'visit'>): RunState {
  const reserved = reserve(state, at.scope, at.nodeId);
  return { ...reserved.state, ready: [...state.ready, { ...at, visit: reserved.visit }] };
}

/** Takes a ready visit under way. */
export function start(state: RunState, visit: Visit): RunState {
  const at = state.ready.findIndex((each) => isSame(each, visit));
  const ready = at === -1 ? state.ready : state.ready.toSpliced(at, 1);
  return { ...stepped(state), ready, open: put(state.open, visitKey(visit), visit) };
}

/** Ends an open visit, and whatever runs inside it. */
export function close(state: RunState, visit: Visit): RunState {
  const key = visitKey(visit);
  const closed = { ...stepped(state), open: without(state.open, key), parked: without(state.parked, key) };
  return dropGroup(closed, key);
}

/** Moves the token of an open visit to a later visit of the same line. */
export function advance(state: RunState, from: Visit, to: Visit): RunState {
  const late = state.open[visitKey(from)]?.late ?? [];
  const closed = close(state, from);
  return { ...closed, open: put(closed.open, visitKey(to), marked(to, late)) };
}

const marked = <T extends Token>(token: T, ways: readonly string[]): T =>
  ways.length === 0 ? token : { ...token, late: [...new Set([...(token.late ?? []), ...ways])] };

/** Marks what is under way in a frame. */
export function markLate(state: RunState, scope: string, waysOf: (token: Token) => readonly string[]): RunState {
  const mark = (visit: Visit): Visit => (visit.scope === scope ? marked(visit, waysOf(visit)) : visit);
  const markAll = (arrived: readonly Arrival[], joinId: string) =>
    arrived.map((each) => marked(each, waysOf(tokenAt(joinId, each))));
  const next = { ...state, ready: state.ready.map(mark), open: mapped(state.open, mark) };
  return setCourse(next, scope, { arrivals: mapped(courseOf(state, scope).arrivals, markAll) });
}

/** What has arrived at a join is there, not where it came from. */
const tokenAt = (nodeId: string, { late }: Arrival): Token => ({ nodeId, ...(late === undefined ? {} : { late }) });

/** Visits of one frame that are due or under way. */
export const visitsIn = (state: RunState, scope: string): readonly Visit[] => [
  ...state.ready.filter((visit) => visit.scope === scope),
  ...Object.values(state.open).filter((visit) => visit.scope === scope),
];

/** Whether nothing more can happen in a frame. */
export const isIdle = (state: RunState, scope: string): boolean =>
  !state.ready.some((visit) => visit.scope === scope) &&
  !Object.values(state.open).some((visit) => visit.scope === scope) &&
  Object.keys(courseOf(state, scope).arrivals).length === 0;

/** Withdraws what is due, under way or has arrived in a frame, with all that runs inside it. */
export function withdraw(state: RunState, scope: string, isMeant: (token: Token) => boolean): RunState {
  const stays = (visit: Visit): boolean => visit.scope !== scope || !isMeant(visit);
  const left = (arrived: readonly Arrival[], joinId: string) => {
    const staying = arrived.filter((each) => !isMeant(tokenAt(joinId, each)));
    return staying.length === 0 ? undefined : staying;
  };
  const next = setCourse(stepped(state), scope, { arrivals: mapped(courseOf(state, scope).arrivals, left) });
  return Object.values(state.open)
    .filter((visit) => !stays(visit))
    .reduce(close, { ...next, ready: state.ready.filter(stays) });
}

/** Forgets a map or loop: its frames, and theirs. */
export const dropGroup = (state: RunState, owner: string): RunState =>
  state.groups[owner] === undefined ? state : dropInside({ ...state, groups: without(state.groups, owner) }, owner);

/** Forgets everything inside a map or loop, or inside a frame, but not itself. */
export function dropInside(state: RunState, id: string): RunState {
  const prefix = `${id}/`;
  return {
    ...state,
    ready: state.ready.filter(({ scope }) => scope !== id && !scope.startsWith(prefix)),
    open: withoutInside(state.open, prefix),
    parked: withoutInside(state.parked, prefix),
    outputs: withoutInside(state.outputs, prefix),
    groups: withoutInside(state.groups, prefix),
    frames: withoutInside(state.frames, prefix),
  };
}
