import { condition, workflowInfo } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import type { ChildEnd, Flush, Retry, ReusedStep, RunCarry, RunInput, RunRef, RunStatus } from '../contract/run.js';
import type { Plan, PlanNode } from '../definition/plan.js';
import { inline, jsonOf, textOf, type Json, type Value } from '../definition/values.js';
import { nodeOf } from '../engine/graph.js';
import { begin, nextReady } from '../engine/reduce.js';
import type { RunState, Visit } from '../engine/state.js';
import { Conversation } from './conversation.js';
import { ReadModel, type StepChange } from './read-model.js';
import { inlineLimitFor } from './size.js';
import { WaitBook } from './wait-book.js';

const MAX_HISTORY_EVENTS = 8_000;
/** Of the 50 MiB that Temporal takes. */
const MAX_HISTORY_BYTES = 30 * 1024 * 1024;
const MAX_UPDATES = 1_500;
const MAX_SIGNALS = 8_000;

/** What one execution of the `run` workflow knows: the engine's state and all that stands around it. */
export class RunSession {
  input: RunInput;
  plan: Plan;
  state: RunState;
  /** Set before continue-as-new: nothing new starts, waits let go. */
  draining = false;
  /** It only waits for those who ask something of it. */
  isPacked = false;
  isPaused: boolean;
  /** How many wish to move the run to another version: nothing new starts until they are done. */
  moving = 0;
  /** One of them is at it. */
  isBeingMoved = false;
  /** Somebody says something in the conversation and waits for what comes of it. */
  isSpokenTo = false;
  /** Visits launched whose execution has not come to its end. */
  flying = 0;
  /** The visit that each visit's token has moved on to within its line, by key. */
  readonly moved = new Map<string, Visit>();
  /** Visits of which all is said, while their executions come to their end. */
  readonly left = new Set<string>();
  readonly waits: WaitBook;
  readonly readModel: ReadModel;
  readonly talk: Conversation;
  readonly retries: Map<string, Retry>;
  readonly patches: Map<string, Readonly<Record<string, Json>>>;
  readonly children: Map<string, RunRef>;
  readonly childEnds: Map<string, ChildEnd>;
  readonly began: Map<string, number>;
  /** As which visit of its undoing node each visit is being undone, by its key. */
  readonly undoing: Map<string, number>;
  undone: number;
  /** Visits that somebody is undoing in this execution, by key. */
  readonly beingUndone = new Set<string>();
  /** Tokens of waits whose rows were written before their visits began to wait. */
  readonly opened = new Set<string>();
  /** Recorded results of an earlier run, by visit key. */
  reuse: Readonly<Record<string, ReusedStep>> = {};
  /** Where the whole of it is stored, when it is to continue as new and too large to travel. */
  stored: readonly Value[] | null = null;
  /** Messages of this execution. */
  updates = 0;
  signals = 0;
  /** What executions wait for that only somebody or something else can bring about. */
  private readonly idles = new Set<() => boolean>();
  private atRest: () => void = () => undefined;

  constructor(input: RunInput, plan: Plan, carried: RunCarry | null) {
    const carry = carried ?? newCarry(plan, input);
    this.input = input;
    this.plan = plan;
    this.state = carry.state;
    this.isPaused = carry.isPaused;
    this.waits = new WaitBook(input.run.runId, carry);
    this.readModel = new ReadModel(carry, this.waits);
    this.talk = new Conversation(carry.talk);
    this.retries = new Map(Object.entries(carry.retries));
    this.patches = new Map(Object.entries(carry.patches));
    this.children = new Map(Object.entries(carry.children));
    this.childEnds = new Map(Object.entries(carry.childEnds));
    this.began = new Map(Object.entries(carry.began));
    this.undoing = new Map(Object.entries(carry.undoing));
    this.undone = carry.undone;
  }

  /** The node of a visit as it is to be executed: what a person changed in this run included. */
  node(visit: Visit): PlanNode {
    const node = nodeOf(this.plan, visit.nodeId);
    const patch = this.patches.get(visit.nodeId);
    // -- reason: a patch is checked against the kind's schema before it is sent
    return patch === undefined ? node : ({ ...node, config: { ...node.config, ...patch } } as PlanNode);
  }

  isOpen(visit: Visit): boolean {
    return this.state.end === null && this.state.open[visitKey(visit)] !== undefined;
  }

  isParked(visit: Visit): boolean {
    return this.state.parked[visitKey(visit)] !== undefined;
  }

  /** Where the token of a visit has come to. */
  tokenOf(visit: Visit): Visit {
    let at = visit;
    for (let next = this.moved.get(visitKey(at)); next !== undefined; next = this.moved.get(visitKey(at))) at = next;
    return at;
  }

  /** How often a visit was started anew, the maps and loops around it included. */
  roundOf(visit: Visit): number {
    return (this.retries.get(visitKey(visit))?.round ?? 0) + this.roundAround(visit);
  }

  /** That part of it tells the waits of a visit from those before the map or loop around it was started anew. */
  roundAround({ scope }: Pick<Visit, 'scope'>): number {
    if (this.retries.size === 0) return 0;
    let rounds = 0;
    for (let frame = this.state.frames[scope]; frame !== undefined; frame = this.state.frames[frame.scope])
      rounds += this.retries.get(frame.owner)?.round ?? 0;
    return rounds;
  }

  /** Whether it is a visit that undoes another: the compensation moves it. */
  isUndoing(visit: Visit): boolean {
    if (this.undoing.size === 0) return false;
    return this.state.undo.some(({ visit: undone, by }) => {
      const number =
        by === visit.nodeId && undone.scope === visit.scope ? this.undoing.get(visitKey(undone)) : undefined;
      return number === visit.visit;
    });
  }

  /** Forgets what was kept of a visit while it went on. */
  forget(visit: Visit): void {
    const key = visitKey(visit);
    this.began.delete(key);
    this.retries.delete(key);
    this.waits.forget(key);
  }

  /** Visits being worked on: one that waits for a person, an event, a clock or its own body is not. */
  get busy(): number {
    let idle = 0;
    for (const isDue of this.idles) if (!isDue()) idle += 1;
    return this.flying - idle;
  }

  /** Waits, using nothing, until it is due, the deadline has come, or the run continues as new. */
  async idle(isDue: () => boolean, deadline: number | null): Promise<void> {
    const wakes = (): boolean => isDue() || this.letsGo();
    if (wakes()) return;
    this.idles.add(wakes);
    this.atRest();
    try {
      if (deadline === null) await condition(wakes);
      else await condition(wakes, Math.max(1, deadline - Date.now()));
    } finally {
      this.idles.delete(wakes);
    }
  }

  /** Until an execution begins to idle. */
  rests(): Promise<void> {
    return new Promise((resolve) => (this.atRest = resolve));
  }

  /** Once the run has ended nothing else watches how full its history is. */
  letsGo(): boolean {
    if (this.state.end !== null && this.isFull()) this.draining = true;
    return this.draining;
  }

  /** Time to go on in a new execution. To come to its end a run may take a good deal more of its history. */
  isFull(): boolean {
    const { continueAsNewSuggested, historyLength, historySize } = workflowInfo();
    const { maxHistoryEvents = MAX_HISTORY_EVENTS, maxUpdates = MAX_UPDATES, maxSignals = MAX_SIGNALS } = this.input;
    const isTalkedTo = (more: number): boolean =>
      this.updates >= maxUpdates * more || this.signals >= maxSignals * more;
    if (this.state.end === null) return continueAsNewSuggested || historyLength > maxHistoryEvents || isTalkedTo(1);
    return historyLength > 3 * maxHistoryEvents || historySize > MAX_HISTORY_BYTES || isTalkedTo(1.2);
  }

  mayStart(): boolean {
    return !this.draining && !this.isPaused && this.moving === 0;
  }

  /** Whether the run is going somewhere by itself: something is worked on, or due and free to start. */
  isMoving(): boolean {
    if (this.state.end !== null) return false;
    return this.busy > 0 || (this.mayStart() && nextReady(this.plan, this.state) !== undefined);
  }

  /** Waits beside an execution that itself idles or works. */
  async watch(isDue: () => boolean, deadline: number): Promise<void> {
    await condition(() => isDue() || this.draining, Math.max(1, deadline - Date.now()));
  }

  /** `waiting` when only people or events can move the run. */
  status(): RunStatus {
    if (this.state.end !== null) return this.state.end.status;
    if (this.isPaused) return 'paused';
    const asking = this.waits.undecided().filter((wait) => wait.kind !== 'until').length;
    const isDue = nextReady(this.plan, this.state) !== undefined;
    return asking > 0 && !isDue && asking === this.openVisits() ? 'waiting' : 'running';
  }

  /** Without those that only hold others: a map and a loop their body, a compensation its undoings. */
  private openVisits(): number {
    const isHolder = (key: string, nodeId: string): boolean =>
      this.state.groups[key] !== undefined || (this.undoing.size > 0 && this.plan.nodes[nodeId]?.kind === 'compensate');
    return Object.entries(this.state.open).filter(([key, { nodeId }]) => !isHolder(key, nodeId)).length;
  }

  /** Values above this many bytes are to travel as references, so that the run's whole state stays small. */
  inlineLimit(): number {
    return inlineLimitFor(this.state, Math.max(1, this.busy));
  }

  /** Ends what is still open when the run ends without it. */
  abandonWaits(): void {
    for (const { token } of this.waits.undecided()) {
      this.waits.settle({
        ...{ token, outcome: 'cancelled', by: 'system:run-ended', note: null, value: null },
        at: Date.now(),
      });
    }
  }

  /** Remembers a transition of a visit for the next write. */
  record(visit: Visit, change: StepChange): void {
    const { dialectKind: kind, label } = nodeOf(this.plan, visit.nodeId);
    this.readModel.record(visit, { kind, label, seq: this.state.seq }, change);
  }

  /** Whether the read model is behind. */
  isDirty(): boolean {
    return this.readModel.isBehind(this.status());
  }

  takeFlush(status: RunStatus, limit?: number): Flush {
    return this.readModel.take({ status, seq: this.state.seq, ...(limit === undefined ? {} : { limit }) });
  }

  carry(): RunCarry {
    return {
      state: this.state,
      isPaused: this.isPaused,
      retries: Object.fromEntries(this.retries),
      patches: Object.fromEntries(this.patches),
      children: Object.fromEntries(this.children),
      childEnds: Object.fromEntries(this.childEnds),
      began: Object.fromEntries(this.began),
      undoing: Object.fromEntries(this.undoing),
      undone: this.undone,
      talk: this.talk.carry(),
      ...this.readModel.carry(),
      ...this.waits.carry(),
    };
  }
}

const newCarry = (plan: Plan, input: RunInput): RunCarry => ({
  state: { ...begin(plan, input.input), vars: firstVars(input) },
  recorded: 'queued',
  isPaused: false,
  response: null,
  talk: { message: firstMessage(input), isHeard: false, said: [], trace: [], isOwed: false },
  ...{ pending: [], settlements: [], waits: [], decisions: [], settled: [], events: [], seenEvents: [] },
  ...{ retries: {}, patches: {}, children: {}, childEnds: {}, began: {}, waited: {}, undoing: {}, undone: 0 },
});

/** A conversation may begin with a message; what any other run is given is its message. */
function firstMessage({ input, isConversation }: RunInput): string | null {
  const json = jsonOf(input) ?? null;
  const message = json !== null && typeof json === 'object' && 'message' in json ? json.message : undefined;
  if (typeof message === 'string') return message;
  return isConversation === true ? null : textOf(json);
}

/** What a conversation is given, beside the message, are its variables. */
function firstVars({ input, isConversation }: RunInput): Readonly<Record<string, Value>> {
  const json = jsonOf(input) ?? null;
  if (isConversation !== true || json === null || typeof json !== 'object' || Array.isArray(json)) return {};
  const given = Object.entries(json).filter(([name]) => name !== 'message');
  return Object.fromEntries(given.map(([name, value]: readonly [string, Json]) => [name, inline(value)]));
}
