import { inScope, visitKey } from '../contract/ids.js';
import type { NodeError } from '../contract/failures.js';
import type { NodeOf, Plan, PlanEdge, Port } from '../definition/plan.js';
import { inline, type Value } from '../definition/values.js';
import { endFrame, failGroup, outputOf } from './frames.js';
import { edgesFrom, isKept, nodeOf } from './graph.js';
import { arrive, fireIfEnough, fireStranded } from './joins.js';
import { put, without } from './records.js';
import { lateAfter } from './rounds.js';
import type { RunState, Visit } from './state.js';
import {
  close,
  courseOf,
  dropGroup,
  dropInside,
  enter,
  isIdle,
  isOpen,
  setCourse,
  stepped,
  withdraw,
} from './tokens.js';

const NOTHING: RunState = {
  seq: 0,
  ready: [],
  open: {},
  visits: {},
  arrivals: {},
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
  if (state.end !== null) return undefined;
  const mutexOf = ({ nodeId }: Visit) => nodeOf(plan, nodeId).mutex;
  const holders = Object.values(state.open).filter((visit) => mutexOf(visit) !== undefined);
  return state.ready.find((visit) => {
    const mutex = mutexOf(visit);
    return mutex === undefined || !holders.some((holder) => mutexOf(holder) === mutex && !isAround(holder, visit));
  });
}

/** A map or loop that holds a mutex holds it for its body. */
const isAround = (holder: Visit, { scope }: Visit): boolean => scope.startsWith(`${visitKey(holder)}/`);

export interface Completion {
  readonly visit: Visit;
  readonly output: Value;
  readonly port: Port;
  /** The edges it leaves by, chosen among those of the port. */
  readonly edges: readonly PlanEdge[];
  /** Variables it sets. */
  readonly vars?: Readonly<Record<string, Value>>;
}

/**
 * Records one visit's output, sends it along the chosen edges, and ends its frame or the run when nothing is left to do.
 * What was withdrawn before it was done changes nothing.
 */
export function complete(plan: Plan, state: RunState, done: Completion): RunState {
  const visit = state.open[visitKey(done.visit)];
  if (state.end !== null || visit === undefined) return state;
  const { output, port, edges } = done;
  const remembered = remember(plan, close(state, visit), { ...done, visit });
  if (edges.length === 0 && isRefusal(port)) return refuse(remembered, { plan, visit, port });
  const sent = edges.length === 0 ? sink(remembered, visit, output) : send(plan, remembered, { ...done, visit });
  return settle(plan, sent, visit.scope);
}

function remember(plan: Plan, state: RunState, { visit, output, port, vars }: Completion): RunState {
  const node = nodeOf(plan, visit.nodeId);
  const saved = node.saveAs === undefined || port === 'error' ? {} : { [node.saveAs]: output };
  const key = inScope(visit.scope, node.id);
  return {
    ...state,
    vars: { ...state.vars, ...saved, ...vars },
    outputs: isKept(plan, node.id) ? put(state.outputs, key, output) : state.outputs,
    undo: node.undo === undefined || port === 'error' ? state.undo : [...state.undo, { visit, output, by: node.undo }],
  };
}

const sink = (state: RunState, { scope, nodeId }: Visit, value: Value): RunState =>
  setCourse(state, scope, { sinks: [...courseOf(state, scope).sinks, { nodeId, value }] });

/** All tokens are on their way before a join decides what it goes on without. */
function send(plan: Plan, state: RunState, { visit, output, edges }: Completion): RunState {
  const { scope, nodeId } = visit;
  const joins = new Map<string, NodeOf<'join'>>();
  let next = state;
  for (const edge of edges) {
    const target = nodeOf(plan, edge.to);
    const late = lateAfter(plan, edge, visit.late ?? []);
    const marks = late.length === 0 ? {} : { late };
    if (target.kind !== 'join') next = enter(next, { scope, nodeId: target.id, input: output, ...marks });
    // Two edges to the same join bring it the same thing: it comes once.
    else if (!joins.has(target.id))
      next = arrive(plan, next, { scope, join: target, token: { nodeId, value: output, ...marks } });
    if (target.kind === 'join') joins.set(target.id, target);
  }
  return [...joins.values()].reduce((fired, join) => fireIfEnough(plan, fired, { scope, join }), next);
}

/** Fires what can only now fire, and ends the frame, or the run, when no token is left in it. */
function settle(plan: Plan, state: RunState, scope: string): RunState {
  const fired = fireStranded(plan, state, scope);
  if (fired !== null) return settle(plan, fired, scope);
  if (!isIdle(state, scope)) return state;
  const frame = state.frames[scope];
  if (frame !== undefined) return endFrame(plan, state, { id: scope, result: outputOf(plan, frame.sinks) });
  return { ...state, end: { status: 'completed', output: outputOf(plan, state.sinks) } };
}

export interface Failure {
  readonly visit: Visit;
  readonly error: NodeError;
}

const located = ({ visit, error }: Failure): NodeError => ({ ...error, node_id: error.node_id ?? visit.nodeId });

/** With what, and by which port, a failed visit goes on under its node's policy; null when it does not. */
export function afterFailure(
  plan: Plan,
  { visit, error }: Failure,
): { readonly port: Port; readonly output: Value } | null {
  const node = nodeOf(plan, visit.nodeId);
  const { onError } = node.policy;
  if (onError.action === 'fallback') return { port: 'out', output: inline(onError.value) };
  if (onError.action !== 'route' || edgesFrom(plan, node.id, 'error').length === 0) return null;
  return { port: 'error', output: inline({ error: { ...located({ visit, error }) }, node: node.id }) };
}

/**
 * Applies a node's error policy: a fallback value goes on, a routed error follows its edge, a parked node stays; else
 * its frame or the run fails. `edges`: those of `afterFailure`'s port whose conditions hold; without it all of them do.
 */
export function fail(
  plan: Plan,
  state: RunState,
  { visit, error, edges }: Failure & { readonly edges?: readonly PlanEdge[] },
): RunState {
  if (state.end !== null) return state;
  const node = nodeOf(plan, visit.nodeId);
  if (node.policy.onError.action === 'park') return park(state, visit, located({ visit, error }));
  const after = afterFailure(plan, { visit, error });
  const holding = after === null ? [] : (edges ?? edgesFrom(plan, node.id, after.port));
  const chosen = node.exits === 'all' ? holding : holding.slice(0, 1);
  if (after === null || (after.port === 'error' && chosen.length === 0)) return giveUp(plan, state, { visit, error });
  return complete(plan, state, { visit, ...after, edges: chosen });
}

/** Fails a visit whatever its policy: somebody gave it up. */
export function giveUp(plan: Plan, state: RunState, { visit, error }: Failure): RunState {
  if (state.end !== null || !isOpen(state, visit)) return state;
  return failFrame(plan, close(state, visit), { scope: visit.scope, error: located({ visit, error }) });
}

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
  if (!isOpen(state, visit)) return state;
  const key = visitKey(visit);
  const emptied = dropGroup(stepped(state), key);
  return { ...emptied, parked: put(emptied.parked, key, error) };
}

export const unpark = (state: RunState, key: string): RunState => ({
  ...stepped(state),
  parked: without(state.parked, key),
});

function failFrame(plan: Plan, state: RunState, { scope, error }: { scope: string; error: NodeError }): RunState {
  const frame = state.frames[scope];
  if (frame === undefined) return { ...state, end: { status: 'failed', error } };
  const node = nodeOf(plan, frame.nodeId);
  if (node.kind === 'map' && node.config.on_item_error === 'continue') {
    return endFrame(plan, dropInside(state, scope), { id: scope, result: inline({ error: { ...error } }) });
  }
  return failGroup(state, frame.owner, error);
}

/** A refusal without a way of its own cancels the run; in a map or loop it fails the item. */
function refuse(
  state: RunState,
  { plan, visit: { scope, nodeId }, port }: { readonly plan: Plan; readonly visit: Visit; readonly port: Port },
): RunState {
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
export function cancelNodes(
  plan: Plan,
  state: RunState,
  { scope, nodes }: { readonly scope: string; readonly nodes: readonly string[] },
): RunState {
  if (state.end !== null) return state;
  return settle(
    plan,
    withdraw(state, scope, ({ nodeId }) => nodes.includes(nodeId)),
    scope,
  );
}
