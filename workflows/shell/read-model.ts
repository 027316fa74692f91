import { visitKey } from '../contract/ids.js';
import type { Flush, RunCarry, RunStatus, StepRecord } from '../contract/run.js';
import type { Value } from '../definition/values.js';
import type { Visit } from '../engine/state.js';
import type { WaitBook } from './wait-book.js';

export type StepChange = Pick<StepRecord, 'status' | 'startedAt'> &
  Partial<Pick<StepRecord, 'output' | 'error' | 'taken' | 'port' | 'decidedBy' | 'endedAt'>>;

/** How many settlements one write takes when there is much to write. */
const SETTLEMENTS_A_WRITE = 5;

/** What the read model was told of a run, and what it was not told yet. */
export class ReadModel {
  /** The status it was last told. */
  recorded: RunStatus;
  private readonly pending: StepRecord[];
  private readonly waits: WaitBook;
  private response: Value | null;
  /** What it had been told before each write that may yet fail. */
  private readonly before = new WeakMap<Flush, RunStatus>();

  constructor(carry: RunCarry, waits: WaitBook) {
    this.recorded = carry.recorded;
    this.pending = [...carry.pending];
    this.response = carry.response;
    this.waits = waits;
  }

  /** The first answer to whoever waits for the run counts. */
  respond(value: Value): void {
    this.response ??= value;
  }

  /** Remembers a transition of a visit for the next write. */
  record(visit: Visit, { kind, label, seq }: Pick<StepRecord, 'kind' | 'label' | 'seq'>, change: StepChange): void {
    const { nodeId, visit: number, scope, input } = visit;
    const key = visitKey(visit);
    const at = this.pending.findIndex((each) => each.key === key);
    if (at >= 0) this.pending.splice(at, 1);
    this.pending.push({
      ...{ key, nodeId, visit: number, scope, input, kind, label, seq },
      ...{ output: null, error: null, taken: null, port: null, decidedBy: null, endedAt: null },
      ...change,
    });
  }

  isBehind(status: RunStatus): boolean {
    return this.pending.length > 0 || this.waits.hasUnwritten() || this.response !== null || status !== this.recorded;
  }

  /** Takes what it has not been told, at most `limit` steps of it. */
  take(of: { readonly status: RunStatus; readonly seq: number; readonly limit?: number }): Flush {
    const { status, seq, limit } = of;
    const steps = this.pending.splice(0, limit ?? this.pending.length);
    const { response } = this;
    const flush: Flush = {
      steps,
      settlements: this.waits.takeUnwritten(limit === undefined ? undefined : SETTLEMENTS_A_WRITE),
      status: status === this.recorded ? null : status,
      seq,
      taken: steps.findLast((step) => step.taken !== null)?.taken ?? null,
      ...(response === null ? {} : { response }),
    };
    this.before.set(flush, this.recorded);
    this.recorded = status;
    this.response = null;
    return flush;
  }

  /** Puts back what may not have been written; writing it twice changes nothing. */
  restore(flush: Flush): void {
    const { steps, settlements, response, status } = flush;
    const newer = new Set(this.pending.map(({ key }) => key));
    this.pending.unshift(...steps.filter(({ key }) => !newer.has(key)));
    this.waits.putBack(settlements);
    if (response !== undefined) this.response = response;
    if (status !== null && this.recorded === status) this.recorded = this.before.get(flush) ?? this.recorded;
  }

  /** What waits to be written, as values: what bounds the size of the next write. */
  pendingValues(): readonly Value[] {
    const ofSteps = this.pending.flatMap((step) => [step.input, step.output]);
    return [...ofSteps, ...this.waits.unwrittenValues(), this.response].filter((value) => value !== null);
  }

  carry(): Pick<RunCarry, 'pending' | 'recorded' | 'response'> {
    return { pending: this.pending, recorded: this.recorded, response: this.response };
  }
}
