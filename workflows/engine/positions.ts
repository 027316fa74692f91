import type { Position, Standing } from '../definition/compatibility.js';
import type { Plan } from '../definition/plan.js';
import { nodeOf } from './graph.js';
import type { RunState } from './state.js';

/** Where a run stands: its tokens, what may be undone, and the results it did not keep. */
export function standingOf(plan: Plan, state: RunState): Standing {
  const visits = [...state.ready, ...Object.values(state.open)].map((visit) => visit.nodeId);
  const courses = [state, ...Object.values(state.frames)];
  const joins = courses.flatMap(({ arrivals }) => Object.keys(arrivals));
  const undoing = state.undo.map((entry) => entry.by);
  const here = new Set([...visits, ...joins, ...undoing]);
  const kept = new Set(Object.keys(state.outputs).map(lastPart));
  const visited = [...new Set(courses.flatMap(({ visits }) => Object.keys(visits)).map(lastPart))];
  return {
    positions: [...here].map((id) => positionOf(plan, id)),
    forgotten: visited.filter((id) => !kept.has(id) && !here.has(id)),
  };
}

function positionOf(plan: Plan, nodeId: string): Position {
  const { kind, within } = nodeOf(plan, nodeId);
  return { nodeId, kind, within };
}

const lastPart = (key: string): string => key.split('/').at(-1) ?? key;
