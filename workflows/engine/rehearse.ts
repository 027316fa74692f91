import type { NodeError } from '../contract/failures.js';
import { visitKey } from '../contract/ids.js';
import { conditionHolds, ExpressionError, mergeReads } from '../definition/expressions.js';
import { executionClass, type Plan, type PlanEdge, type PlanNode, type Port } from '../definition/plan.js';
import { inline, jsonOf, textOf, type Value } from '../definition/values.js';
import { edgesFrom, nodeOf } from './graph.js';
import { afterFailure, begin, complete, fail, giveUp, nextReady } from './reduce.js';
import { settingOf, type RecordedStep, type Recording, type Rehearsal } from './rehearsal.js';
import { computed, type Outcome } from './rehearse-nodes.js';
import { idsRead, outputSeenFrom, rehearsalNames } from './rehearse-names.js';
import type { RunState, Visit } from './state.js';
import { start } from './tokens.js';

/** Where a candidate first does something else than the recorded run. */
export interface Difference {
  /** The node. */
  readonly at: string;
  /**
   * `other_path`: it goes, or ends, elsewhere; `missing_input`: it reads what the run did not have; `not_recorded`: it asks a new node
   * whose answer nobody knows; `fails`: it fails where the run did not.
   */
  readonly kind: 'other_path' | 'missing_input' | 'not_recorded' | 'fails';
  readonly recorded: string | null;
  readonly candidate: string | null;
  readonly message: string;
}

/** Runs a plan with the recorded results of a run, and no effects: null when it takes the same path. */
export function rehearse(plan: Plan, recording: Recording): Difference | null {
  const rehearsal: Rehearsal = {
    plan,
    recording,
    steps: new Map(recording.steps.map((step) => [step.key, step])),
    order: new Map(recording.steps.map((step, index) => [step.key, index])),
    state: begin(plan, recording.input),
    visited: new Set(),
    from: new Map(),
    message: messageOf(recording),
    isHeard: false,
  };
  try {
    const most = FREE_TURNS + TURNS_A_STEP * recording.steps.length;
    for (let turn = 0; turn < most; turn += 1) {
      if (rehearsal.state.end !== null || !step(rehearsal)) return ending(rehearsal);
    }
    throw new Different({ ...nowhere(plan.entry, 'fails'), message: 'The candidate does not come to an end.' });
  } catch (error) {
    if (error instanceof Different) return error.difference;
    if (error instanceof Stopped) return null;
    throw error;
  }
}

/** A candidate that takes more turns than that goes round in a circle. */
const FREE_TURNS = 1_000;
const TURNS_A_STEP = 4;

/** Ends the rehearsal. */
class Different extends Error {
  readonly difference: Difference;
  constructor(difference: Difference) {
    super(difference.message);
    this.difference = difference;
  }
}

const nowhere = (at: string, kind: Difference['kind']) => ({ at, kind, recorded: null, candidate: null });

const messageOf = ({ input, isConversation }: Recording): string | null =>
  isConversation ? null : textOf(jsonOf(input) ?? null);

/** Takes up what is due, else ends the open visit that ended first; false when nothing can move. */
function step(rehearsal: Rehearsal): boolean {
  const { plan, state } = rehearsal;
  const due = nextReady(plan, state);
  if (due !== undefined) {
    arrive(rehearsal, due);
    rehearsal.state = start(state, due);
    settle(rehearsal, due, false);
    return true;
  }
  const open = Object.values(state.open).toSorted((a, b) => endOf(rehearsal, a) - endOf(rehearsal, b));
  return open.some((visit) => settle(rehearsal, visit, true));
}

const endOf = ({ order }: Rehearsal, visit: Visit): number => order.get(visitKey(visit)) ?? Infinity;

/** The recorded run must have come here too, unless the node is new and needs nobody's answer. */
function arrive(rehearsal: Rehearsal, visit: Visit): void {
  const { plan, recording, steps, from } = rehearsal;
  const key = visitKey(visit);
  rehearsal.visited.add(key);
  const node = nodeOf(plan, visit.nodeId);
  refuseMissing(rehearsal, visit, node);
  if (steps.has(key)) return;
  const isNew = recording.plan.nodes[node.id] === undefined;
  if (!isNew || !isFree(node)) part(rehearsal, { at: from.get(key) ?? plan.entry, node, isNew });
}

/** The candidate goes where the recording has nothing. */
function part(
  rehearsal: Rehearsal,
  to: { readonly at: string; readonly node: PlanNode; readonly isNew: boolean },
): never {
  const { at, node, isNew } = to;
  const recorded = nextRecorded(rehearsal, at)?.nodeId ?? null;
  // a run that was stopped had no chance to come here
  if (recorded === null && rehearsal.recording.status === 'cancelled') throw new Stopped();
  const went = recorded === null ? 'ended there' : `went to "${recorded}"`;
  const message = isNew
    ? `The candidate comes to "${node.id}", which is new: the recording does not say what comes of it.`
    : `After "${at}" the recorded run ${went}; the candidate goes to "${node.id}".`;
  throw new Different({ at, kind: isNew ? 'not_recorded' : 'other_path', recorded, candidate: node.id, message });
}

/** Nobody outside is asked and nothing is done. */
const isFree = (node: PlanNode): boolean =>
  executionClass(node) === 'inline' || ['map', 'loop', 'delay', 'until', 'compensate'].includes(node.kind);

/** The first recorded visit right behind this node that the candidate has not come to. */
function nextRecorded({ recording, visited }: Rehearsal, at: string): RecordedStep | undefined {
  const left = recording.steps.filter(({ key }) => !visited.has(key));
  const behind = new Set(recording.plan.edges.filter(({ from }) => from === at).map(({ to }) => to));
  return left.find(({ nodeId }) => behind.has(nodeId));
}

/** A result that only the candidate reads here, and that the run did not have by then. */
function refuseMissing({ plan, recording, state }: Rehearsal, visit: Visit, node: PlanNode): void {
  const before = new Set(idsRead(recording.plan, recording.plan.nodes[node.id]?.reads ?? {}));
  const missing = idsRead(plan, node.reads ?? {}).find(
    (id) => !before.has(id) && outputSeenFrom(state, visit.scope, id) === undefined,
  );
  if (missing === undefined || node.reads?.steps?.includes('*') === true) return;
  const message = `"${node.id}" reads steps.${missing}, which the run had no result of by then.`;
  throw new Different({ at: node.id, kind: 'missing_input', recorded: null, candidate: node.id, message });
}

/** The recording says no more: as far as it goes the paths are the same. */
class Stopped extends Error {}

/** Brings an open visit to its end, if that is known; `late` when nothing else is due. */
function settle(rehearsal: Rehearsal, visit: Visit, late: boolean): boolean {
  const node = nodeOf(rehearsal.plan, visit.nodeId);
  try {
    const outcome = computed(rehearsal, visit, node) ?? (late ? recordedOutcome(rehearsal, visit) : null);
    if (outcome === null) return false;
    apply(rehearsal, visit, outcome);
    return true;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return failWith(rehearsal, visit, { type: 'expression_failed', message: error.message });
  }
}

function recordedOutcome(rehearsal: Rehearsal, visit: Visit): Outcome | null {
  const known = rehearsal.steps.get(visitKey(visit));
  if (known === undefined || known.status === 'cancelled') return null;
  if (known.status === 'failed') return { error: known.error ?? { type: 'unknown', message: 'It failed.' } };
  const output = known.output ?? inline(null);
  return { output, port: known.port ?? 'out', ...(known.vars === null ? {} : { vars: known.vars }) };
}

function apply(rehearsal: Rehearsal, visit: Visit, outcome: Outcome): void {
  if ('state' in outcome) return move(rehearsal, visit, outcome.state);
  if ('error' in outcome) return applyFailure(rehearsal, visit, outcome.error);
  const { output, port = 'out', vars = {}, endsPath = false } = outcome;
  if (nodeOf(rehearsal.plan, visit.nodeId).kind === 'listen') rehearsal.message = textOf(jsonOf(output) ?? null);
  rehearsal.state = { ...rehearsal.state, vars: { ...rehearsal.state.vars, ...vars } };
  const edges = endsPath ? [] : chooseEdges(rehearsal, visit, { output, port });
  move(rehearsal, visit, complete(rehearsal.plan, rehearsal.state, { visit, output, port, edges }));
}

/** A recorded failure is final: whoever waited to try a parked node again gave it up. */
function applyFailure(rehearsal: Rehearsal, visit: Visit, error: NodeError): void {
  const { plan, state } = rehearsal;
  const after = afterFailure(plan, { visit, error });
  if (after === null) return move(rehearsal, visit, giveUp(plan, state, { visit, error }));
  const edges = chooseEdges(rehearsal, visit, after);
  move(rehearsal, visit, fail(plan, state, { visit, error, edges }));
}

/** Notes from where each new visit was come to. */
function move(rehearsal: Rehearsal, visit: Visit, next: RunState): void {
  const before = new Set(rehearsal.state.ready.map(visitKey));
  for (const each of next.ready) if (!before.has(visitKey(each))) rehearsal.from.set(visitKey(each), visit.nodeId);
  rehearsal.state = next;
}

function chooseEdges(
  rehearsal: Rehearsal,
  visit: Visit,
  { output, port }: { readonly output: Value; readonly port: Port },
): readonly PlanEdge[] {
  const { plan } = rehearsal;
  const candidates = edgesFrom(plan, visit.nodeId, port);
  const reads = mergeReads(
    ...candidates.map(({ condition }) => (condition.type === 'cel' ? (condition.reads ?? {}) : {})),
  );
  const names = rehearsalNames(settingOf(rehearsal), visit, { reads, input: output });
  const json = jsonOf(output) ?? null;
  const matching = candidates.filter(({ condition }) => conditionHolds(condition, { output: json, names }));
  return nodeOf(plan, visit.nodeId).exits === 'all' ? matching : matching.slice(0, 1);
}

/** An expression of the candidate fails: what that comes to its policy says; if the run fails by it, that is the news. */
function failWith(rehearsal: Rehearsal, visit: Visit, error: NodeError): boolean {
  applyFailure(rehearsal, visit, error);
  if (rehearsal.state.end?.status !== 'failed' || rehearsal.steps.get(visitKey(visit))?.status === 'failed')
    return true;
  const message = `The candidate fails at "${visit.nodeId}": ${error.message}`;
  throw new Different({ ...nowhere(visit.nodeId, 'fails'), candidate: visit.nodeId, message });
}

/** Whether both came to the same nodes and ended alike. */
function ending(rehearsal: Rehearsal): Difference | null {
  if (rehearsal.recording.status === 'cancelled') return null;
  const missed = missedNode(rehearsal);
  if (missed === null) return otherEnd(rehearsal);
  const message = `The recorded run also came to "${missed}"; the candidate ends without it.`;
  return { at: missed, kind: 'other_path', recorded: missed, candidate: null, message };
}

function otherEnd({ recording, plan, state: { end } }: Rehearsal): Difference | null {
  const { status: recorded } = recording;
  const candidate = end?.status ?? null;
  if (candidate === recorded) return null;
  const ends = candidate === null ? 'does not end' : `ends ${candidate}`;
  const message = `The recorded run ended ${recorded}; the candidate ${ends}.`;
  const isFailure = end?.status === 'failed';
  const at = isFailure ? end.error.node_id : undefined;
  return { at: at ?? plan.entry, kind: isFailure ? 'fails' : 'other_path', recorded, candidate, message };
}

/** Undoing is the engine's own doing, and a node that asks nobody may be left out. */
function missedNode({ recording, plan, visited }: Rehearsal): string | null {
  const undoing = new Set(Object.values(recording.plan.nodes).flatMap(({ undo }) => undo ?? []));
  const missed = recording.steps.find(({ key, nodeId }) => {
    if (visited.has(key) || undoing.has(nodeId)) return false;
    const old = recording.plan.nodes[nodeId];
    return plan.nodes[nodeId] !== undefined || (old !== undefined && !isFree(old));
  });
  return missed?.nodeId ?? null;
}
