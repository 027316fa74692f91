import type { Plan } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { begin, complete, nextReady } from '../../workflows/engine/reduce.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import { start } from '../../workflows/engine/tokens.js';
import { chooseEdges, happening, inOrder, play } from './driver.js';

export const input = inline('in');
export const error = { type: 'http_status', message: 'no' };

/** Plays a plan whose nodes say their own names; answers the order they began in, and the end. */
export function run(plan: Plan, says: (nodeId: string) => string = (nodeId) => nodeId) {
  const next = (_state: RunState, visit: Visit) =>
    happening({ plan }, visit, { type: 'output', output: inline(says(visit.nodeId)) });
  const { state, happenings } = play({ plan, input, next, pick: inOrder });
  const order = happenings.flatMap((what) => (what.type === 'start' ? [what.visit.nodeId] : []));
  return { state, order };
}

/** Begins all that is due. */
export function started(plan: Plan, state: RunState): RunState {
  const due = nextReady(plan, state);
  return due === undefined ? state : started(plan, start(state, due));
}

export function visitOf(state: RunState, nodeId: string): Visit {
  const visit = Object.values(state.open).find((each) => each.nodeId === nodeId);
  if (visit === undefined) throw new Error(`${nodeId} is not under way`);
  return visit;
}

/** Completes a node that is under way, as `node` or `node says something`, and begins what is due then. */
export function done(plan: Plan, state: RunState, node: string): RunState {
  const [nodeId = '', output = nodeId] = node.split(' says ');
  const visit = visitOf(state, nodeId);
  const result = { output: inline(output), port: 'out' } as const;
  return started(plan, complete(plan, state, { visit, ...result, edges: chooseEdges({ plan }, visit, result) }));
}

export const opened = (plan: Plan): RunState => started(plan, begin(plan, input));
export const under = (state: RunState): readonly string[] => Object.values(state.open).map(({ nodeId }) => nodeId);
