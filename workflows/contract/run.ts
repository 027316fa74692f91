import type { Json, Value } from '../definition/values.js';
import type { Plan, Port } from '../definition/plan.js';
import type { RunState } from '../engine/state.js';
import type { NodeError } from './failures.js';
import type { VisitPlace } from './ids.js';

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
  /** Who started it, as decisions name people; they may be forbidden to decide on it. */
  readonly startedBy?: string;
  /** A conversation: it listens for its user's messages where any other run would end its path. */
  readonly isConversation?: boolean;
  /** A test run: pinned results by node id, and the effect nodes that really act. */
  readonly test?: { readonly pins: Readonly<Record<string, Json>>; readonly live: readonly string[] };
  /** Recorded results of an earlier run are to be used: loaded by `loadReuse`. */
  readonly reuses?: boolean;
  /** How many runs are above this one. */
  readonly depth?: number;
  /** The run that waits for this one to end. */
  readonly parent?: { readonly workflowId: string; readonly key: string };
  /** Priority of its work, 1 (first) to 5; 3 without it. */
  readonly priority?: number;
  /** The state of the run so far, when it continues as new. */
  readonly carry?: RunCarry;
  /** The same where it is too large to travel: its JSON text, in pieces stored by `storeText`. */
  readonly carried?: readonly Value[];
  /** Continues as new after so many history events; default 8,000. */
  readonly maxHistoryEvents?: number;
  /** And after so many messages: by default 1,500 updates, of 2,000 that Temporal takes, and 8,000 of 10,000 signals. */
  readonly maxUpdates?: number;
  readonly maxSignals?: number;
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
  /** Events that came before anything waited for them, oldest first. */
  readonly events: readonly RunEvent[];
  /** Identities of events seen, newest last. */
  readonly seenEvents: readonly string[];
  readonly isPaused: boolean;
  /** How often each visit was started anew by a person, with what was changed in its node. */
  readonly retries: Readonly<Record<string, Retry>>;
  /** What a person changed in a node's configuration, by node id: merged over it. */
  readonly patches: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  /** Runs started by subflows that have not ended, by visit key. */
  readonly children: Readonly<Record<string, RunRef>>;
  /** How such runs ended, as they said themselves. */
  readonly childEnds: Readonly<Record<string, ChildEnd>>;
  /** When visits with a deadline began, by visit key. */
  readonly began: Readonly<Record<string, number>>;
  /** How many waits of a visit that still goes on are over, by visit key: the next has a token of its own. */
  readonly waited: Readonly<Record<string, number>>;
  /** The undoing under way: of what, by its visit key, and as which visit of the node that undoes it. */
  readonly undoing: Readonly<Record<string, number>>;
  /** How many undoings have begun in all. */
  readonly undone: number;
  readonly response: Value | null;
  readonly talk: Talk;
}

export type ChildEnd =
  | { readonly status: 'completed'; readonly output: Value }
  | { readonly status: 'failed' | 'cancelled'; readonly error: NodeError };

export interface Retry {
  readonly round: number;
  /** Somebody made sure that the effect has not happened. */
  readonly isUndone: boolean;
}

/** What the workflow of a run answers. */
export interface RunResult {
  readonly status: RunStatus;
  readonly output: Value | null;
}

/** A conversation as the run keeps it. */
export interface Talk {
  /** The user's last message. */
  readonly message: string | null;
  /** It has been listened to. */
  readonly isHeard: boolean;
  /** What the run said since. */
  readonly said: readonly Said[];
  readonly trace: readonly TraceEntry[];
  /** Ids of the turns it heard, newest last: a turn that is sent again is heard once. */
  readonly turns?: readonly string[];
  /** Id of the turn under way, where its sender gave one. */
  readonly turn?: string | null;
  /** Whoever spoke was told to ask again, and has not yet. */
  readonly isOwed: boolean;
}

export interface Said {
  readonly node_id: string;
  readonly text: string;
  /** Where the text is too large to travel: the value whose text it is. */
  readonly value?: Value;
}

/** `workflow.node.route`, `workflow.tool.executed`, `workflow.subworkflow.enter`, `workflow.node.executed`. */
export interface TraceEntry {
  readonly type: string;
  readonly node_id: string;
  readonly [detail: string]: Json;
}

export interface RunEvent {
  /** The sender's; the same id is the same event. */
  readonly id: string;
  readonly name: string;
  readonly key: string | null;
  readonly payload: Value;
}

export type WaitKind =
  | 'decision'
  | 'message'
  | 'event'
  | 'until'
  /** A node whose attempts are used up, or whose effect's outcome nobody knows. */
  | 'parked';

export interface Vote {
  readonly by: string;
  readonly decision: 'approve' | 'reject';
  readonly note: string | null;
  readonly value: Value | null;
  readonly at: number;
  /** SHA-256 of what the voter was shown, as the wait's row has it. */
  readonly shownHash: string | null;
}

/** A wait that is open: nothing runs for it; an update, a signal or its deadline moves it on. */
export interface OpenWait extends VisitPlace {
  readonly token: string;
  readonly kind: WaitKind;
  /** When it ends by itself, epoch milliseconds. */
  readonly deadline: number | null;
  readonly openedAt: number;
  /** Of decisions. */
  readonly votes?: readonly Vote[];
  readonly audience?: readonly string[];
  /** Reminders and escalations still to come, by time. */
  readonly alarms?: readonly WaitAlarm[];
  /** Of events. */
  readonly event?: { readonly name: string; readonly key: string | null };
  /** Of parked nodes. */
  readonly error?: NodeError;
  /** The run is asked whether its effect happened: approve says yes. */
  readonly asksOutcome?: boolean;
  /** What the read model shows, when the workflow is who worked it out. */
  readonly prompt?: string;
}

export interface WaitAlarm {
  readonly at: number;
  /** Null reminds those who may decide already. */
  readonly audience: readonly string[] | null;
  readonly replace: boolean;
}

/** `waiting` is a run that only a person or an event can move; a delay leaves it `running`. */
export type RunStatus = 'queued' | 'running' | 'waiting' | 'paused' | 'completed' | 'failed' | 'cancelled';
export type StepStatus = 'running' | 'waiting' | 'parked' | 'completed' | 'failed' | 'cancelled';

/** Money in US dollars as configured for the model; zero where no price is known. */
export interface Cost {
  readonly usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** One visit of one node as the read model keeps it. Times are epoch milliseconds. */
export interface StepRecord {
  /** `visitKey`. */
  readonly key: string;
  readonly nodeId: string;
  readonly visit: number;
  readonly scope: string;
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
  /** The port it left by. */
  readonly port: Port | null;
  /** Who or what decided: a person's id, `timeout`, `event:ID`, `rule:EDGE`, `reused:RUN`, `pinned`. */
  readonly decidedBy: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** What it said to the user of a conversation, where that is not its output. */
  readonly said?: string;
}

/** How a wait ended, as its row keeps it. */
export interface WaitSettlement {
  readonly token: string;
  readonly outcome: 'approved' | 'rejected' | 'expired' | 'cancelled' | 'resolved';
  readonly by: string;
  readonly note: string | null;
  /** What goes on instead of the wait's own input. */
  readonly value: Value | null;
  readonly at: number;
  readonly votes?: readonly Vote[];
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
  /** The answer for callers that wait, when a `respond` node gave one. */
  readonly response?: Value;
}

/** The recorded result of a visit in an earlier run. */
export interface ReusedStep {
  readonly output: Value;
  readonly port: Port;
  readonly vars?: Readonly<Record<string, Value>>;
}
