import type { Position, Standing } from '../definition/compatibility.js';
import type { Plan } from '../definition/plan.js';
import type { RunState } from './state.js';

/** Where a run of this plan stands, for the check whether another version fits it. */
export function standingOf(plan: Plan, state: RunState): Standing {
  const here = [
    ...Object.values(state.open).map(({ nodeId }) => nodeId),
    ...state.ready.map(({ nodeId }) => nodeId),
    ...Object.keys(state.arrivals).flatMap((place) =>
      (state.arrivals[place] ?? []).length > 0 ? [lastOf(place)] : [],
    ),
    ...Object.keys(state.groups).map(ownerOf),
    ...state.undo.map(({ by }) => by),
  ];
  const finished = Object.keys(state.visits).map(lastOf);
  const kept = new Set(Object.keys(state.outputs).map(lastOf));
  return {
    positions: [...new Set(here)].flatMap((id) => positionOf(plan, id)),
    forgotten: [...new Set(finished)].filter((id) => !kept.has(id)),
  };
}

export function positionOf(plan: Plan, nodeId: string): readonly Position[] {
  const node = plan.nodes[nodeId];
  return node === undefined ? [] : [{ nodeId, kind: node.kind, within: node.within }];
}

/** Of `each/1/3/gather` the node: `gather`. */
const lastOf = (place: string): string => place.slice(place.lastIndexOf('/') + 1);

/** Of the visit key `outer/1/2/each/1` the node: `each`. */
const ownerOf = (key: string): string => lastOf(key.slice(0, key.lastIndexOf('/')));
