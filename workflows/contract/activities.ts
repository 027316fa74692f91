import type { NodeOf, NodeKind, Plan, PlanNode, Condition } from '../definition/plan.js';
import type { Json, Value } from '../definition/values.js';
import type { NodeError } from './failures.js';
import type { VisitPlace } from './ids.js';
import type { RunEnd } from '../engine/state.js';
import type { ChildEnd, Flush, OpenWait, ReusedStep, RunEvent, RunInput, RunRef } from './run.js';

/** The kinds that activities execute; the engine treats the others itself. */
export type ActivityKind = Extract<
  NodeKind,
  | 'assistant'
  | 'agent'
  | 'instruction_agent'
  | 'agent_turn'
  | 'llm'
  | 'knowledge'
  | 'http'
  | 'tool'
  | 'code'
  | 'email'
  | 'channel_send'
  | 'webhook'
  | 'notify'
>;

/** What the expressions and templates of a node may read; only what its `reads` name is there. */
export interface Scope {
  readonly run: { readonly id: string; readonly input: Value | null };
  readonly vars: Readonly<Record<string, Value>>;
  readonly steps: Readonly<Record<string, Value>>;
  readonly item: Value | null;
  readonly index: number | null;
  /** The user's last message. */
  readonly message: string | null;
}

export interface SegmentStep extends VisitPlace {
  readonly node: NodeOf<ActivityKind>;
  /** `visitKey`. */
  readonly key: string;
  readonly seq: number;
  /** 0, and one more for each time a person started the visit anew: attempts are then counted from the start. */
  readonly round: number;
  /** Somebody made sure that an earlier attempt's effect has not happened. */
  readonly isUndone: boolean;
  /** The result a test run pins to this node: nothing is executed. */
  readonly pinned?: Json;
  /** Of a test run: an effect is prepared and shown, not carried out. */
  readonly isStubbed?: boolean;
}

/** The wait for the user's next message that a turn opens with its own record when its agent keeps the word. */
export interface NextWait extends VisitPlace {
  readonly token: string;
  /** `visitKey`. */
  readonly key: string;
  readonly seq: number;
  /** As its step shows them. */
  readonly kind: string;
  readonly label: string;
  readonly timeoutSeconds: number | null;
  /** The turn under way, if nothing was said in it before: what the step puts out is then all its answer. */
  readonly endsTurn?: string;
}

/** A line of nodes executed in order, each fed by the one before; mostly a single one. */
export interface RunSegmentInput {
  readonly run: RunRef;
  readonly steps: readonly SegmentStep[];
  readonly input: Value;
  readonly scope: Scope;
  readonly flush: Flush;
  /** Outputs above this many bytes are stored and travel as a reference. */
  readonly inlineLimitBytes: number;
  /** The run ends with the last step's output, so its record is written in the same statement. */
  readonly finishes: boolean;
  readonly opens?: NextWait;
}

export interface SegmentResult {
  /** One per step. */
  readonly outputs: readonly Value[];
  /** Variables that the steps set, by name. */
  readonly vars?: Readonly<Record<string, Value>>;
  /** The wait it was to open is open, and the run's row says that it waits. */
  readonly hasOpened?: true;
}

/**
 * The details of a `NodeFailed` failure: what was done before, and why the next step was not. An error of type
 * `outcome_unknown` asks a person whether the effect happened.
 */
export interface SegmentFailure {
  readonly outputs: readonly Value[];
  readonly error: NodeError;
}

export interface OpenWaitInput {
  readonly run: RunRef;
  readonly node: PlanNode;
  readonly wait: OpenWait;
  readonly input: Value;
  readonly scope: Scope;
  readonly flush: Flush;
}

/** What opening a wait found. */
export interface OpenedWait {
  /** An event that had come before the run waited for it. */
  readonly event?: RunEvent;
}

export interface FinishRunInput {
  readonly run: RunRef;
  readonly flush: Flush;
  readonly end: RunEnd;
}

export interface MatchConditionsInput {
  readonly run: RunRef;
  readonly value: Value;
  readonly scope: Scope;
  readonly conditions: readonly Condition[];
  /** Those after the first that holds are not asked about. */
  readonly isFirstEnough: boolean;
}

/** What is to be worked out over values too large for the workflow, or that gives such values. */
export interface EvaluateInput {
  readonly run: RunRef;
  readonly input: Value;
  readonly scope: Scope;
  /** By name: a mapping (see `nodes/common.ts`), or a CEL expression as `{"$expr": ...}`. */
  readonly mappings: Readonly<Record<string, Json>>;
  /** Names of those whose value is a list that is to be answered item by item. */
  readonly lists?: readonly string[];
  readonly inlineLimitBytes: number;
}

export interface Evaluated {
  readonly values: Readonly<Record<string, Value>>;
  readonly lists?: Readonly<Record<string, readonly Value[]>>;
}

export interface PrepareChildInput {
  readonly run: RunRef;
  readonly key: string;
  /** Above 0 the visit was started anew: the new child goes on from where the last one failed. */
  readonly round: number;
  readonly definition: string;
  /** `latest` or a version's id. */
  readonly version: string;
  readonly input: Value;
  readonly depth: number;
  readonly startedBy: string | null;
  readonly isDetached: boolean;
}

/** A page of what a run may use again. */
export interface ReusePage {
  /** By visit key. */
  readonly steps: Readonly<Record<string, ReusedStep>>;
  /** Where the next page begins; null after the last. */
  readonly next: string | null;
}

/** The child's row is written; the same visit has the same child. */
export type PreparedChild = { readonly child: RunInput } | { readonly error: NodeError };

/** The engine's activities. Each may be repeated at any time and then changes nothing twice. */
export interface RunActivities {
  readonly runSegment: (input: RunSegmentInput) => Promise<SegmentResult>;
  /** Records that the run waits: the wait's row, the step, the status; answers an event that was there before. */
  readonly openWait: (input: OpenWaitInput) => Promise<OpenedWait>;
  /** Reminds those who may decide, or lets others decide as well; the wait's row then says so. */
  readonly alarmWait: (input: {
    readonly run: RunRef;
    readonly wait: OpenWait;
    readonly isEscalation: boolean;
  }) => Promise<void>;
  readonly recordTransitions: (input: { readonly run: RunRef; readonly flush: Flush }) => Promise<void>;
  readonly finishRun: (input: FinishRunInput) => Promise<void>;
  readonly loadPlan: (input: { readonly run: RunRef; readonly versionId: string }) => Promise<Plan>;
  /** The recorded results this run starts with, in pages: those whose visit keys come after `after`. */
  readonly loadReuse: (input: { readonly run: RunRef; readonly after: string | null }) => Promise<ReusePage>;
  /** For each condition whether it holds, for values too large for the workflow. */
  readonly matchConditions: (input: MatchConditionsInput) => Promise<readonly boolean[]>;
  readonly evaluate: (input: EvaluateInput) => Promise<Evaluated>;
  /** What is wrong with the run's output under its schema; null where it fits. */
  readonly checkOutput: (input: {
    readonly run: RunRef;
    readonly schema: Json;
    readonly output: Value;
  }) => Promise<NodeError | null>;
  readonly prepareChild: (input: PrepareChildInput) => Promise<PreparedChild>;
  /** How a run ended, by its row; null while it has not. Asked now and then of a child whose word may never come. */
  readonly loadEnd: (input: { readonly run: RunRef }) => Promise<ChildEnd | null>;
  /** Keeps a piece of a run's state that is too large to travel whole when the run continues as new. */
  readonly storeText: (input: { readonly run: RunRef; readonly text: string }) => Promise<Value>;
  readonly loadText: (input: { readonly run: RunRef; readonly value: Value }) => Promise<string>;
  /** Records that the run goes on with another version. */
  readonly recordVersion: (input: { readonly run: RunRef; readonly versionId: string }) => Promise<void>;
  /** The next time the expression fires, epoch milliseconds. */
  readonly nextCronTime: (input: {
    readonly cron: string;
    readonly timezone: string;
    readonly after: number;
  }) => Promise<number>;
}

export interface TickInput {
  readonly workspaceId: string;
  readonly scheduleId: string;
  /** The time the schedule fired for, ISO 8601 in UTC. */
  readonly scheduledAt: string;
}

export type TickDecision =
  | { readonly action: 'start'; readonly input: RunInput }
  /** Something is still running; ask again or skip. */
  | { readonly action: 'busy'; readonly reason: string }
  /** The schedule is gone, off, or this time was handled before. */
  | { readonly action: 'ignore' };

export interface ScheduleActivities {
  /** Decides what a tick does; on `start` the run's row and the history row exist already. */
  readonly beginTick: (input: TickInput) => Promise<TickDecision>;
  readonly skipTick: (input: TickInput & { readonly reason: string }) => Promise<void>;
}
