import { inScope, visitKey } from '../contract/ids.js';
import type { NodeError } from '../contract/failures.js';
import type { Plan, PlanEdge, Port } from '../definition/plan.js';
import { inline, type Value } from '../definition/values.js';
import { endFrame, failGroup, outputOf } from './frames.js';
import { edgesFrom, isKept, nodeOf } from './graph.js';
import { arrive, fireStranded, pruneSwallows } from './joins.js';
import type { RunState, Visit } from './state.js';
import { close, dropGroup, enter, stepped, tokensIn, withdraw } from './tokens.js';

const NOTHING: RunState = {
  seq: 0,
  ready: [],
  open: {},
  visits: {},
  arrivals: {},
  swallows: {},
  frames: {},
  groups: {},
  parked: {},
  sinks: [],
  vars: {},
  outputs: {},
  undo: [],
  end: null,
};

/** The state of a run that has not moved yet. */
export const begin = (plan: Plan, input: Value): RunState => enter(NOTHING, { scope: '', nodeId: plan.entry, input });

/** The first visit that is due and may start now: of one mutex only one at a time. */
export function nextReady(plan: Plan, state: RunState): Visit | undefined {
  const held = new Set(Object.values(state.open).map((visit) => nodeOf(plan, visit.nodeId).mutex));
  return state.ready.find((visit) => {
    const { mutex } = nodeOf(plan, visit.nodeId);
    return mutex === undefined || !held.has(mutex);
  });
}

export interface Completion {
  readonly visit: Visit;
  readonly output: Value;
  readonly port: Port;
  /** The edges it leaves by, chosen among those of the port. */
  readonly edges: readonly PlanEdge[];
  /** Variables it sets. */
  readonly vars?: Readonly<Record<string, Value>>;
}

/** Records one visit's output, sends it along the chosen edges, and ends its frame or the run when nothing is left to do. */
export function complete(plan: Plan, state: RunState, done: Completion): RunState {
  if (state.end !== null) return state;
  const { visit, output, port, edges } = done;
  const remembered = remember(plan, close(state, visit), done);
  if (edges.length === 0 && isRefusal(port)) return refuse(plan, remembered, visit, port);
  let next = edges.length === 0 ? sink(remembered, visit, output) : remembered;
  for (const edge of edges) next = follow(plan, next, { edge, value: output, scope: visit.scope });
  return settle(plan, next, visit.scope);
}

function remember(plan: Plan, state: RunState, { visit, output, port, vars }: Completion): RunState {
  const node = nodeOf(plan, visit.nodeId);
  const saved = node.saveAs === undefined || port === 'error' ? {} : { [node.saveAs]: output };
  const key = inScope(visit.scope, node.id);
  return {
    ...state,
    vars: { ...state.vars, ...saved, ...vars },
    outputs: isKept(plan, node.id) ? { ...state.outputs, [key]: output } : state.outputs,
    undo: node.undo === undefined || port === 'error' ? state.undo : [...state.undo, { visit, output, by: node.undo }],
  };
}

function sink(state: RunState, { scope, nodeId }: Visit, value: Value): RunState {
  const arrival = { nodeId, value };
  const frame = state.frames[scope];
  if (frame === undefined) return { ...state, sinks: [...state.sinks, arrival] };
  return { ...state, frames: { ...state.frames, [scope]: { ...frame, sinks: [...frame.sinks, arrival] } } };
}

function follow(
  plan: Plan,
  state: RunState,
  { edge, value, scope }: { readonly edge: PlanEdge; readonly value: Value; readonly scope: string },
): RunState {
  const target = nodeOf(plan, edge.to);
  if (target.kind !== 'join') return enter(state, { scope, nodeId: edge.to, input: value });
  return arrive(plan, state, { scope, join: target, arrival: { nodeId: edge.from, value } });
}

/** Fires what can only now fire, and ends the frame, or the run, when no token is left in it. */
function settle(plan: Plan, state: RunState, scope: string): RunState {
  const pruned = pruneSwallows(plan, state, scope);
  const fired = fireStranded(plan, pruned, scope);
  if (fired !== null) return settle(plan, fired, scope);
  if (tokensIn(pruned, scope).length > 0) return pruned;
  const frame = pruned.frames[scope];
  if (frame !== undefined) return endFrame(plan, pruned, { id: scope, result: outputOf(frame.sinks) });
  return { ...pruned, end: { status: 'completed', output: outputOf(pruned.sinks) } };
}

/**
 * Applies a node's error policy: a fallback value goes on, a routed error follows its edge, a parked node stays; else
 * its frame or the run fails.
 */
export function fail(
  plan: Plan,
  state: RunState,
  { visit, error }: { readonly visit: Visit; readonly error: NodeError },
): RunState {
  if (state.end !== null) return state;
  const node = nodeOf(plan, visit.nodeId);
  const { onError } = node.policy;
  const at: NodeError = { ...error, node_id: error.node_id ?? node.id };
  if (onError.action === 'park') return park(state, visit, at);
  if (onError.action === 'fallback') {
    const edges = edgesFrom(plan, node.id, 'out').slice(0, node.exits === 'all' ? undefined : 1);
    return complete(plan, state, { visit, output: inline(onError.value), port: 'out', edges });
  }
  const routes = onError.action === 'route' ? edgesFrom(plan, node.id, 'error') : [];
  if (routes.length === 0) return failFrame(plan, close(state, visit), { scope: visit.scope, error: at });
  const output = inline({ error: { ...at }, node: node.id });
  return complete(plan, state, { visit, output, port: 'error', edges: routes.slice(0, 1) });
}

/** Fails a visit whatever its policy: somebody gave it up. */
export const giveUp = (
  plan: Plan,
  state: RunState,
  { visit, error }: { readonly visit: Visit; readonly error: NodeError },
): RunState => (state.end === null ? failFrame(plan, close(state, visit), { scope: visit.scope, error }) : state);

/** What was done although nobody waits for it any more can still be undone. */
export function noteUndo(
  plan: Plan,
  state: RunState,
  { visit, output }: { readonly visit: Visit; readonly output: Value },
): RunState {
  const { undo } = nodeOf(plan, visit.nodeId);
  return undo === undefined ? state : { ...state, undo: [...state.undo, { visit, output, by: undo }] };
}

/** The visit stays open, with nothing inside it, until somebody starts it anew. */
export function park(state: RunState, visit: Visit, error: NodeError): RunState {
  const key = visitKey(visit);
  const emptied = dropGroup(stepped(state), key);
  return { ...emptied, parked: { ...emptied.parked, [key]: error } };
}

export function unpark(state: RunState, key: string): RunState {
  const { [key]: _parked, ...parked } = state.parked;
  return { ...stepped(state), parked };
}

function failFrame(plan: Plan, state: RunState, { scope, error }: { scope: string; error: NodeError }): RunState {
  const frame = state.frames[scope];
  if (frame === undefined) return { ...state, end: { status: 'failed', error } };
  const node = nodeOf(plan, frame.nodeId);
  if (node.kind === 'map' && node.config.on_item_error === 'continue') {
    return endFrame(plan, state, { id: scope, result: inline({ error: { ...error } }) });
  }
  return failGroup(state, frame.owner, error);
}

/** A refusal without a way of its own cancels the run; in a map or loop it fails the item. */
function refuse(plan: Plan, state: RunState, { scope, nodeId }: Visit, port: Port): RunState {
  const isLate = port === 'expired';
  const message = isLate ? 'Nobody decided in time.' : 'The request was refused.';
  if (scope !== '') return failFrame(plan, state, { scope, error: { type: port, message, node_id: nodeId } });
  return {
    ...state,
    end: { status: 'cancelled', error: isLate ? { type: 'expired', message, node_id: nodeId } : null },
  };
}

const isRefusal = (port: Port): boolean => port === 'rejected' || port === 'expired';

/** Ends the run at once with a value, whatever else is under way. */
export const finishNow = (state: RunState, output: Value): RunState =>
  state.end === null ? { ...stepped(state), end: { status: 'completed', output } } : state;

export const cancel = (state: RunState, error: NodeError | null): RunState =>
  state.end === null ? { ...stepped(state), end: { status: 'cancelled', error } } : state;

/** Withdraws what is under way in some nodes of a frame. */
export const cancelNodes = (
  plan: Plan,
  state: RunState,
  { scope, nodes }: { readonly scope: string; readonly nodes: readonly string[] },
): RunState =>
  settleIfIdle(
    plan,
    withdraw(state, scope, (id) => nodes.includes(id)),
    scope,
  );

const settleIfIdle = (plan: Plan, state: RunState, scope: string): RunState =>
  state.end === null ? settle(plan, state, scope) : state;
