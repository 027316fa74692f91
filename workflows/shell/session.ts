import { visitKey, waitToken } from '../contract/ids.js';
import type { Flush, OpenWait, RunCarry, RunInput, RunStatus, StepRecord, WaitSettlement } from '../contract/run.js';
import type { Plan, PlanNode } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import { begin, nodeOf } from '../engine/reduce.js';
import type { RunState, Visit } from '../engine/state.js';

const REMEMBERED_TOKENS = 1_000;

/** What one execution of the `run` workflow knows: the engine's state and what the read model was not told yet. */
export class RunSession {
  readonly input: RunInput;
  readonly plan: Plan;
  state: RunState;
  /** Visits being worked on; one that waits for a person or a clock is not. */
  busy = 0;
  /** Set before continue-as-new: nothing new starts, waits let go. */
  draining = false;
  recorded: RunStatus;
  private readonly pending: StepRecord[];
  private readonly settlements: WaitSettlement[];
  private readonly waits: Map<string, OpenWait>;
  private readonly settled: string[];
  private readonly decisions: Map<string, WaitSettlement>;
  /** Waits whose visit is parked; whoever settles one makes its visit busy again. */
  private readonly parked = new Set<string>();

  constructor(input: RunInput, plan: Plan) {
    const carry = input.carry ?? newCarry(plan, input);
    this.input = input;
    this.plan = plan;
    this.state = carry.state;
    this.pending = [...carry.pending];
    this.settlements = [...carry.settlements];
    this.waits = new Map(carry.waits.map((wait) => [wait.token, wait]));
    this.decisions = new Map(carry.decisions.map((decision) => [decision.token, decision]));
    this.settled = [...carry.settled];
    this.recorded = carry.recorded;
  }

  node(visit: Visit): PlanNode {
    return nodeOf(this.plan, visit.nodeId);
  }

  /** `waiting` when only people can move the run. */
  status(): RunStatus {
    if (this.state.end !== null) return this.state.end.status;
    const open = Object.keys(this.state.open).length + this.state.ready.length;
    const undecided = this.undecided().filter((wait) => wait.kind === 'decision').length;
    return undecided > 0 && undecided === open ? 'waiting' : 'running';
  }

  /** The wait of this visit: the one carried over, or a new one. */
  openWait(visit: Visit, kind: OpenWait['kind'], deadline: number | null): { wait: OpenWait; isNew: boolean } {
    const token = waitToken(this.input.run.runId, visit.nodeId, visit.visit);
    const carried = this.waits.get(token);
    if (carried !== undefined) return { wait: carried, isNew: false };
    const { nodeId, visit: number } = visit;
    const wait: OpenWait = { token, nodeId, visit: number, kind, deadline, openedAt: Date.now() };
    this.waits.set(token, wait);
    return { wait, isNew: true };
  }

  /** Gives a wait its deadline once that is known. */
  rearm(wait: OpenWait, deadline: number): OpenWait {
    const armed = { ...wait, deadline };
    this.waits.set(wait.token, armed);
    return armed;
  }

  /** The wait of this token while it can still be decided. */
  findWait(token: string): OpenWait | undefined {
    return this.decisions.has(token) ? undefined : this.waits.get(token);
  }

  isSettled(token: string): boolean {
    return this.settled.includes(token);
  }

  decisionOn(token: string): WaitSettlement | undefined {
    return this.decisions.get(token);
  }

  /** Nothing works on the visit until its wait is settled or `unpark`ed. */
  park(token: string): void {
    this.parked.add(token);
    this.busy -= 1;
  }

  unpark(token: string): void {
    if (this.parked.delete(token)) this.busy += 1;
  }

  /** Decides a wait; the outcome reaches the read model with the next write. */
  settle(settlement: WaitSettlement): void {
    const { token } = settlement;
    this.unpark(token);
    this.decisions.set(token, settlement);
    this.settled.push(token);
    this.settled.splice(0, Math.max(0, this.settled.length - REMEMBERED_TOKENS));
    if (this.waits.get(token)?.kind === 'decision') this.settlements.push(settlement);
  }

  /** Forgets a wait whose visit goes on. */
  closeWait(token: string): void {
    this.waits.delete(token);
    this.decisions.delete(token);
  }

  /** Ends what is still open when the run ends without it. */
  abandonWaits(): void {
    for (const { token } of this.undecided()) {
      this.settle({ token, outcome: 'cancelled', by: 'system:run-ended', note: null, value: null, at: Date.now() });
    }
  }

  private undecided(): readonly OpenWait[] {
    return [...this.waits.values()].filter((wait) => !this.decisions.has(wait.token));
  }

  /** Remembers a transition of a visit for the next write. */
  record(
    visit: Visit,
    record: Pick<StepRecord, 'status' | 'startedAt'> &
      Partial<Pick<StepRecord, 'output' | 'error' | 'taken' | 'endedAt'>>,
  ): void {
    const node = this.node(visit);
    const { nodeId, visit: number, input } = visit;
    const at = this.pending.findIndex((each) => visitKey(each.nodeId, each.visit) === visitKey(nodeId, number));
    if (at >= 0) this.pending.splice(at, 1);
    this.pending.push({
      nodeId,
      visit: number,
      input,
      seq: this.state.seq,
      kind: node.dialectKind,
      label: node.label,
      output: null,
      error: null,
      taken: null,
      endedAt: null,
      ...record,
    });
  }

  /** Whether the read model is behind. */
  isDirty(): boolean {
    return this.pending.length > 0 || this.settlements.length > 0 || this.status() !== this.recorded;
  }

  /** Takes what the read model has not been told, at most `limit` steps of it. */
  takeFlush(status: RunStatus, limit = Number.POSITIVE_INFINITY): Flush {
    const changed = status !== this.recorded;
    this.recorded = status;
    const steps = this.pending.splice(0, limit);
    return {
      steps,
      settlements: this.settlements.splice(0),
      status: changed ? status : null,
      seq: this.state.seq,
      taken: steps.findLast((step) => step.taken !== null)?.taken ?? null,
    };
  }

  /** Puts back what a cancelled activity may not have written; writing it twice changes nothing. */
  restore({ steps, settlements }: Flush): void {
    this.pending.unshift(...steps);
    this.settlements.unshift(...settlements);
  }

  /** Steps that wait to be written, as values: what bounds the size of the next write. */
  pendingValues(): readonly (Value | null)[] {
    return this.pending.flatMap((step) => [step.input, step.output]);
  }

  carry(): RunCarry {
    return {
      state: this.state,
      pending: this.pending,
      settlements: this.settlements,
      waits: [...this.waits.values()],
      decisions: [...this.decisions.values()],
      settled: this.settled,
      recorded: this.recorded,
    };
  }
}

const newCarry = (plan: Plan, { input }: RunInput): RunCarry => ({
  state: begin(plan, input),
  pending: [],
  settlements: [],
  waits: [],
  decisions: [],
  settled: [],
  recorded: 'queued',
});
