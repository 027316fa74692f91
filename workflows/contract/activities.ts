import type { NodeOf, NodeKind, Plan, PlanNode, Condition } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import type { NodeError } from './failures.js';
import type { RunEnd } from '../engine/state.js';
import type { Flush, RunInput, RunRef, OpenWait } from './run.js';

/** The kinds that activities execute; the engine treats the others itself. */
export type ActivityKind = Extract<NodeKind, 'assistant' | 'agent' | 'webhook' | 'notify'>;

export interface SegmentStep {
  readonly node: NodeOf<ActivityKind>;
  readonly visit: number;
  readonly seq: number;
}

/** A line of nodes executed in order, each fed by the one before; mostly a single one. */
export interface RunSegmentInput {
  readonly run: RunRef;
  readonly steps: readonly SegmentStep[];
  readonly input: Value;
  readonly flush: Flush;
  /** Outputs above this many bytes are stored and travel as a reference. */
  readonly inlineLimitBytes: number;
  /** The run ends with the last step's output, so its record is written in the same statement. */
  readonly finishes: boolean;
}

export interface SegmentResult {
  /** One per step. */
  readonly outputs: readonly Value[];
}

/** The details of a `NodeFailed` failure: what was done before, and why the next step was not. */
export interface SegmentFailure {
  readonly outputs: readonly Value[];
  readonly error: NodeError;
}

export interface OpenWaitInput {
  readonly run: RunRef;
  readonly node: PlanNode;
  readonly wait: OpenWait;
  readonly input: Value;
  readonly flush: Flush;
}

export interface FinishRunInput {
  readonly run: RunRef;
  readonly flush: Flush;
  readonly end: RunEnd;
}

export interface MatchConditionsInput {
  readonly run: RunRef;
  readonly value: Value;
  readonly conditions: readonly Condition[];
}

/** The engine's activities. Each may be repeated at any time and then changes nothing twice. */
export interface RunActivities {
  readonly runSegment: (input: RunSegmentInput) => Promise<SegmentResult>;
  /** Records that the run waits: its approval row, the step, the status. */
  readonly openWait: (input: OpenWaitInput) => Promise<void>;
  readonly recordTransitions: (input: { readonly run: RunRef; readonly flush: Flush }) => Promise<void>;
  readonly finishRun: (input: FinishRunInput) => Promise<void>;
  readonly loadPlan: (input: { readonly run: RunRef; readonly versionId: string }) => Promise<Plan>;
  /** For each condition whether it holds, for a value too large for the workflow. */
  readonly matchConditions: (input: MatchConditionsInput) => Promise<readonly boolean[]>;
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
