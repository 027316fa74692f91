import { visitKey } from '../contract/ids.js';
import type { NodeError } from '../contract/failures.js';
import type { Plan, PlanEdge, PlanNode, Port } from '../definition/plan.js';
import { inline, type Value } from '../definition/values.js';
import { edgesFrom } from './conditions.js';
import { fireJoins, joinInput, needed } from './joins.js';
import type { Arrival, RunState, Visit } from './state.js';

/** The state of a run that has not moved yet. */
export function begin(plan: Plan, input: Value): RunState {
  const empty: RunState = { seq: 0, ready: [], open: {}, visits: {}, arrivals: {}, sinks: [], end: null };
  return enter(empty, plan.entry, input);
}

export const nodeOf = (plan: Plan, nodeId: string): PlanNode => {
  const node = plan.nodes[nodeId];
  if (node === undefined) throw new RangeError(`the plan has no node ${nodeId}`);
  return node;
};

/** Takes a ready visit under way. */
export function start(state: RunState, visit: Visit): RunState {
  return {
    ...state,
    seq: state.seq + 1,
    ready: state.ready.filter((each) => each !== visit),
    open: { ...state.open, [visitKey(visit.nodeId, visit.visit)]: visit },
  };
}

/** Reserves the next visit of a node that runs in one line behind another. */
export function reserve(state: RunState, nodeId: string): { readonly state: RunState; readonly visit: number } {
  const visit = (state.visits[nodeId] ?? 0) + 1;
  return { state: { ...state, seq: state.seq + 1, visits: { ...state.visits, [nodeId]: visit } }, visit };
}

/** Moves the token of an open visit to a later visit of the same line. */
export function advance(state: RunState, from: Visit, to: Visit): RunState {
  return { ...close(state, from), open: { ...close(state, from).open, [visitKey(to.nodeId, to.visit)]: to } };
}

export interface Completion {
  readonly visit: Visit;
  readonly output: Value;
  readonly port: Port;
  /** The edges it leaves by, chosen among those of the port. */
  readonly edges: readonly PlanEdge[];
}

/** Records one visit's output, sends it along the chosen edges, and ends the run when nothing is left to do. */
export function complete(plan: Plan, state: RunState, done: Completion): RunState {
  if (state.end !== null) return state;
  let next = close(state, done.visit);
  if (done.edges.length === 0) {
    if (isRefusal(done.port)) return { ...next, end: { status: 'cancelled', error: refusalError(done.port) } };
    next = { ...next, sinks: [...next.sinks, { nodeId: done.visit.nodeId, value: done.output }] };
  }
  for (const edge of done.edges) next = follow(plan, next, { edge, value: done.output });
  return settle(plan, next);
}

/** Applies a node's error policy: a fallback value goes on, a routed error follows its edges, else the run fails. */
export function fail(
  plan: Plan,
  state: RunState,
  failed: { readonly visit: Visit; readonly error: NodeError },
): RunState {
  if (state.end !== null) return state;
  const node = nodeOf(plan, failed.visit.nodeId);
  const { onError } = node.policy;
  if (onError.action === 'fallback') {
    const edges = edgesFrom(plan.edges, node.id, 'out');
    return complete(plan, state, { visit: failed.visit, output: inline(onError.value), port: 'out', edges });
  }
  const routes = onError.action === 'route' ? edgesFrom(plan.edges, node.id, 'error') : [];
  if (routes.length === 0) return { ...close(state, failed.visit), end: { status: 'failed', error: failed.error } };
  const output = inline({ error: { ...failed.error }, node: node.id });
  return complete(plan, state, { visit: failed.visit, output, port: 'error', edges: routes });
}

export const cancel = (state: RunState, error: NodeError | null): RunState =>
  state.end === null ? { ...state, seq: state.seq + 1, end: { status: 'cancelled', error } } : state;

const isRefusal = (port: Port): boolean => port === 'rejected' || port === 'expired';

function refusalError(port: Port): NodeError | null {
  return port === 'expired' ? { type: 'expired', message: 'Nobody decided in time.' } : null;
}

function enter(state: RunState, nodeId: string, input: Value): RunState {
  const reserved = reserve(state, nodeId);
  return { ...reserved.state, ready: [...state.ready, { nodeId, visit: reserved.visit, input }] };
}

function close(state: RunState, visit: Visit): RunState {
  const { [visitKey(visit.nodeId, visit.visit)]: _closed, ...open } = state.open;
  return { ...state, seq: state.seq + 1, open };
}

function follow(
  plan: Plan,
  state: RunState,
  { edge, value }: { readonly edge: PlanEdge; readonly value: Value },
): RunState {
  const target = nodeOf(plan, edge.to);
  if (target.kind !== 'join') return enter(state, edge.to, value);
  const arrived: readonly Arrival[] = [...(state.arrivals[edge.to] ?? []), { nodeId: edge.from, value }];
  const fires = arrived.length === needed(plan, target);
  const full = arrived.length === plan.edges.filter((each) => each.to === edge.to).length;
  const kept = { ...state, arrivals: { ...state.arrivals, [edge.to]: full ? [] : arrived } };
  return fires ? enter(kept, edge.to, joinInput(arrived)) : kept;
}

function settle(plan: Plan, state: RunState): RunState {
  const fired = fireJoins(plan, state);
  if (fired !== null) {
    const kept = { ...state, arrivals: { ...state.arrivals, [fired.nodeId]: [] } };
    return settle(plan, enter(kept, fired.nodeId, fired.input));
  }
  if (state.ready.length > 0 || Object.keys(state.open).length > 0) return state;
  return { ...state, end: { status: 'completed', output: outputOf(state.sinks) } };
}

/** One loose end gives the run's output; several give an object by node. */
function outputOf(sinks: readonly Arrival[]): Value {
  const [only] = sinks;
  if (only === undefined) return inline(null);
  return sinks.length === 1 ? only.value : joinInput(sinks);
}
