import { condition } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import type {
  ChildEnd,
  Flush,
  Retry,
  ReusedStep,
  RunCarry,
  RunInput,
  RunRef,
  RunStatus,
  StepRecord,
} from '../contract/run.js';
import type { Plan, PlanNode } from '../definition/plan.js';
import { inline, jsonOf, textOf, type Json, type Value } from '../definition/values.js';
import { nodeOf } from '../engine/graph.js';
import { begin } from '../engine/reduce.js';
import type { RunState, Visit } from '../engine/state.js';
import { Conversation } from './conversation.js';
import { inlineLimitFor } from './size.js';
import { WaitBook } from './wait-book.js';

/** What one execution of the `run` workflow knows: the engine's state and what the read model was not told yet. */
export class RunSession {
  input: RunInput;
  plan: Plan;
  state: RunState;
  /** Set before continue-as-new: nothing new starts, waits let go. */
  draining = false;
  isPaused: boolean;
  /** Somebody moves the run to another version: nothing new starts until that is done. */
  moving = 0;
  recorded: RunStatus;
  /** Visits launched whose execution has not come to its end. */
  flying = 0;
  /** Where the token of a line's first visit has come to, by their keys. */
  readonly moved = new Map<string, string>();
  /** Visits that went on or failed, while their executions come to their end. */
  readonly left = new Set<string>();
  readonly waits: WaitBook;
  readonly talk: Conversation;
  readonly retries: Map<string, Retry>;
  readonly patches: Map<string, Readonly<Record<string, Json>>>;
  readonly children: Map<string, RunRef>;
  readonly childEnds: Map<string, ChildEnd>;
  readonly began: Map<string, number>;
  /** Recorded results of an earlier run, by visit key. */
  reuse: Readonly<Record<string, ReusedStep>> = {};
  private response: Value | null;
  private readonly pending: StepRecord[];
  /** What executions wait for that only somebody or something else can bring about. */
  private readonly idles = new Set<() => boolean>();

  constructor(input: RunInput, plan: Plan) {
    const carry = input.carry ?? newCarry(plan, input);
    this.input = input;
    this.plan = plan;
    this.state = carry.state;
    this.pending = [...carry.pending];
    this.recorded = carry.recorded;
    this.isPaused = carry.isPaused;
    this.waits = new WaitBook(input.run.runId, carry);
    this.talk = new Conversation(carry.talk);
    this.retries = new Map(Object.entries(carry.retries));
    this.patches = new Map(Object.entries(carry.patches));
    this.children = new Map(Object.entries(carry.children));
    this.childEnds = new Map(Object.entries(carry.childEnds));
    this.began = new Map(Object.entries(carry.began));
    this.response = carry.response;
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

  /** Visits being worked on: one that waits for a person, an event, a clock or its own body is not. */
  get busy(): number {
    let idle = 0;
    for (const isDue of this.idles) if (!isDue()) idle += 1;
    return this.flying - idle;
  }

  /** Waits, using nothing, until it is due, the deadline has come, or the run continues as new. */
  async idle(isDue: () => boolean, deadline: number | null): Promise<void> {
    const wakes = (): boolean => isDue() || this.draining;
    if (wakes()) return;
    this.idles.add(wakes);
    try {
      if (deadline === null) await condition(wakes);
      else await condition(wakes, Math.max(1, deadline - Date.now()));
    } finally {
      this.idles.delete(wakes);
    }
  }

  /** Whether the run is going somewhere by itself: something is worked on, or due and free to start. */
  isMoving(): boolean {
    if (this.state.end !== null) return false;
    return this.busy > 0 || (this.state.ready.length > 0 && !this.isPaused && this.moving === 0);
  }

  /** Until the run and those it waits for wait for somebody, it has ended, or continues as new. */
  async quiet(): Promise<void> {
    const hasEnded = (): boolean => this.state.end !== null;
    await condition(() => hasEnded() || this.draining || (!this.isMoving() && this.children.size === 0));
  }

  /** Waits beside an execution that itself idles or works. */
  async watch(isDue: () => boolean, deadline: number): Promise<void> {
    await condition(() => isDue() || this.draining, Math.max(1, deadline - Date.now()));
  }

  /** `waiting` when only people or events can move the run. */
  status(): RunStatus {
    if (this.state.end !== null) return this.state.end.status;
    if (this.isPaused) return 'paused';
    const undecided = this.waits.undecided().filter((wait) => wait.kind !== 'until').length;
    const open = Object.keys(this.state.open).filter((key) => this.state.groups[key] === undefined).length;
    return undecided > 0 && undecided === open + this.state.ready.length ? 'waiting' : 'running';
  }

  /** Values above this many bytes are to travel as references, so that the run's whole state stays small. */
  inlineLimit(): number {
    return inlineLimitFor(this.state);
  }

  respond(value: Value): void {
    this.response ??= value;
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
  record(
    visit: Visit,
    record: Pick<StepRecord, 'status' | 'startedAt'> &
      Partial<Pick<StepRecord, 'output' | 'error' | 'taken' | 'port' | 'decidedBy' | 'endedAt' | 'said'>>,
  ): void {
    const { dialectKind: kind, label } = nodeOf(this.plan, visit.nodeId);
    const { nodeId, visit: number, scope, input } = visit;
    const key = visitKey(visit);
    const at = this.pending.findIndex((each) => each.key === key);
    const { said } = at < 0 ? {} : (this.pending.splice(at, 1)[0] ?? {});
    this.pending.push({
      ...(said === undefined ? {} : { said }),
      ...{ key, nodeId, visit: number, scope, input, kind, label },
      seq: this.state.seq,
      ...{ output: null, error: null, taken: null, port: null, decidedBy: null, endedAt: null },
      ...record,
    });
  }

  /** Whether the read model is behind. */
  isDirty(): boolean {
    return (
      this.pending.length > 0 || this.waits.hasUnwritten() || this.response !== null || this.status() !== this.recorded
    );
  }

  /** Takes what the read model has not been told, at most `limit` steps of it. */
  takeFlush(status: RunStatus, limit = Number.POSITIVE_INFINITY): Flush {
    const changed = status !== this.recorded;
    this.recorded = status;
    const steps = this.pending.splice(0, limit);
    const { response } = this;
    this.response = null;
    return {
      steps,
      settlements: this.waits.takeUnwritten(),
      status: changed ? status : null,
      seq: this.state.seq,
      taken: steps.findLast((step) => step.taken !== null)?.taken ?? null,
      ...(response === null ? {} : { response }),
    };
  }

  /** Puts back what a cancelled activity may not have written; writing it twice changes nothing. */
  restore({ steps, settlements, response }: Flush): void {
    this.pending.unshift(...steps);
    this.waits.putBack(settlements);
    if (response !== undefined) this.response ??= response;
  }

  /** Steps that wait to be written, as values: what bounds the size of the next write. */
  pendingValues(): readonly (Value | null)[] {
    return this.pending.flatMap((step) => [step.input, step.output]);
  }

  carry(): RunCarry {
    return {
      state: this.state,
      pending: this.pending,
      recorded: this.recorded,
      isPaused: this.isPaused,
      retries: Object.fromEntries(this.retries),
      patches: Object.fromEntries(this.patches),
      children: Object.fromEntries(this.children),
      childEnds: Object.fromEntries(this.childEnds),
      began: Object.fromEntries(this.began),
      response: this.response,
      talk: this.talk.carry(),
      ...this.waits.carry(),
    };
  }
}

const newCarry = (plan: Plan, input: RunInput): RunCarry => ({
  state: { ...begin(plan, input.input), vars: firstVars(input) },
  recorded: 'queued',
  isPaused: false,
  response: null,
  talk: { message: firstMessage(input), isHeard: false, said: [], trace: [] },
  ...{ pending: [], settlements: [], waits: [], decisions: [], settled: [], events: [], seenEvents: [] },
  ...{ retries: {}, patches: {}, children: {}, childEnds: {}, began: {} },
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
