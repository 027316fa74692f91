import type { Plan } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import type { RunState } from '../engine/state.js';
import type { NodeError } from './failures.js';

/** What a run is, as every activity and record of it needs to know. */
export interface RunRef {
  readonly workspaceId: string;
  readonly runId: string;
}

/** A plan travels inline while small; otherwise the worker loads the version. */
export type PlanSource = { readonly plan: Plan } | { readonly versionId: string };

export interface RunInput {
  readonly run: RunRef;
  readonly source: PlanSource;
  readonly input: Value;
  /** Absent for runs of no definition: a prompt, a free-standing approval. */
  readonly definitionId?: string;
  /** The state of the run so far, when it continues as new. */
  readonly carry?: RunCarry;
  /** Continues as new after so many history events; default 8,000. */
  readonly maxHistoryEvents?: number;
}

export interface RunCarry {
  readonly state: RunState;
  readonly pending: readonly StepRecord[];
  readonly settlements: readonly WaitSettlement[];
  readonly waits: readonly OpenWait[];
  /** Decided, but their visits have not gone on yet. */
  readonly decisions: readonly WaitSettlement[];
  /** Tokens of waits that ended, newest last: a late caller is told so. */
  readonly settled: readonly string[];
  /** The status the read model was last told. */
  readonly recorded: RunStatus;
}

/** A wait that is open: nothing runs for it; an update or its deadline moves it on. */
export interface OpenWait {
  readonly token: string;
  readonly nodeId: string;
  readonly visit: number;
  readonly kind: 'decision' | 'until';
  /** When it ends by itself, epoch milliseconds. */
  readonly deadline: number | null;
  readonly openedAt: number;
}

/** `waiting` is a run that only a person or an event can move; a delay leaves it `running`. */
export type RunStatus = 'queued' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
export type StepStatus = 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';

/** One visit of one node as the read model keeps it. Times are epoch milliseconds. */
export interface StepRecord {
  readonly nodeId: string;
  readonly visit: number;
  /** Order within the run; a later record of the same visit has a higher one. */
  readonly seq: number;
  readonly kind: string;
  readonly label: string;
  readonly status: StepStatus;
  readonly input: Value | null;
  readonly output: Value | null;
  readonly error: NodeError | null;
  /** The label of the edge taken, when it has one. */
  readonly taken: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** How a wait ended, as its approval row keeps it. */
export interface WaitSettlement {
  readonly token: string;
  readonly outcome: 'approved' | 'rejected' | 'expired' | 'cancelled';
  readonly by: string;
  readonly note: string | null;
  /** What goes on instead of the wait's own input. */
  readonly value: Value | null;
  readonly at: number;
}

/** What one activity writes besides its own work: transitions only the workflow knew of. */
export interface Flush {
  readonly steps: readonly StepRecord[];
  readonly settlements: readonly WaitSettlement[];
  /** The run's status after them, null when it has not changed; a lower `seq` never overwrites a higher one. */
  readonly status: RunStatus | null;
  readonly seq: number;
  /** The label of the last labelled way taken among these steps. */
  readonly taken: string | null;
}
