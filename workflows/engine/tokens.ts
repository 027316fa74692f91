import { inScope, visitKey } from '../contract/ids.js';
import type { Value } from '../definition/values.js';
import type { RunState, Visit } from './state.js';

/** Where a run stands: what is due, under way, or has arrived at a join and waits there. */

export const stepped = (state: RunState): RunState => ({ ...state, seq: state.seq + 1 });

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
export function enter(state: RunState, at: { scope: string; nodeId: string; input: Value }): RunState {
  const { scope, nodeId, input } = at;
  const reserved = reserve(state, scope, nodeId);
  return { ...reserved.state, ready: [...state.ready, { nodeId, visit: reserved.visit, scope, input }] };
}

/** Takes a ready visit under way. */
export function start(state: RunState, visit: Visit): RunState {
  return {
    ...state,
    seq: state.seq + 1,
    ready: state.ready.filter((each) => each !== visit),
    open: { ...state.open, [visitKey(visit)]: visit },
  };
}

/** Ends an open visit, and whatever runs inside it. */
export function close(state: RunState, visit: Visit): RunState {
  const key = visitKey(visit);
  const { [key]: _closed, ...open } = state.open;
  const { [key]: _parked, ...parked } = state.parked;
  return dropGroup({ ...state, seq: state.seq + 1, open, parked }, key);
}

/** Moves the token of an open visit to a later visit of the same line. */
export function advance(state: RunState, from: Visit, to: Visit): RunState {
  const closed = close(state, from);
  return { ...closed, open: { ...closed.open, [visitKey(to)]: to } };
}

/** Nodes of one frame that hold a token, joins that wait for more included. */
export function tokensIn(state: RunState, scope: string): readonly string[] {
  const visits = [...state.ready, ...Object.values(state.open)].filter((visit) => visit.scope === scope);
  return [...visits.map((visit) => visit.nodeId), ...pendingJoins(state, scope)];
}

export function pendingJoins(state: RunState, scope: string): readonly string[] {
  const prefix = scope === '' ? '' : `${scope}/`;
  return Object.entries(state.arrivals).flatMap(([key, arrived]) => {
    const nodeId = key.slice(prefix.length);
    return arrived.length > 0 && key.startsWith(prefix) && !nodeId.includes('/') ? [nodeId] : [];
  });
}

/** Withdraws what is due, under way or has arrived in some nodes of a frame, with all that runs inside them. */
export function withdraw(state: RunState, scope: string, isMeant: (nodeId: string) => boolean): RunState {
  const meant = (visit: Visit): boolean => visit.scope === scope && isMeant(visit.nodeId);
  let next: RunState = {
    ...stepped(state),
    ready: state.ready.filter((visit) => !meant(visit)),
    arrivals: Object.fromEntries(
      Object.entries(state.arrivals).filter(
        ([key]) => !pendingJoins(state, scope).some((id) => isMeant(id) && inScope(scope, id) === key),
      ),
    ),
  };
  for (const visit of Object.values(state.open)) if (meant(visit)) next = close(next, visit);
  return next;
}

/** Forgets a map or loop: its frames, and theirs. */
export function dropGroup(state: RunState, owner: string): RunState {
  if (state.groups[owner] === undefined) return state;
  const { [owner]: _dropped, ...groups } = state.groups;
  const inside = Object.keys(state.frames).filter((id) => state.frames[id]?.owner === owner);
  return inside.reduce((next, id) => dropFrame(next, id), { ...state, groups });
}

/** Forgets a frame with everything in it. */
export function dropFrame(state: RunState, id: string): RunState {
  const isInside = (scope: string): boolean => scope === id || scope.startsWith(`${id}/`);
  const keyed = <T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
    Object.fromEntries(Object.entries(record).filter(([key]) => !key.startsWith(`${id}/`)));
  return {
    ...state,
    ready: state.ready.filter((visit) => !isInside(visit.scope)),
    open: keyed(state.open),
    parked: keyed(state.parked),
    visits: keyed(state.visits),
    arrivals: keyed(state.arrivals),
    swallows: keyed(state.swallows),
    outputs: keyed(state.outputs),
    groups: keyed(state.groups),
    frames: Object.fromEntries(Object.entries(state.frames).filter(([frame]) => !isInside(frame))),
  };
}
