import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Json, Value } from '../definition/values.js';
import type { RunState } from '../engine/state.js';
import type { ChildEnd, OpenWait, RunEvent, RunStatus, Said, TraceEntry, WaitSettlement } from './run.js';

export interface ResolveWait {
  readonly token: string;
  /** Of a decision. A message or a resume of another kind says `approve`. */
  readonly decision: 'approve' | 'reject';
  /** Goes on instead of the wait's own input: a decision's data, a message. */
  readonly value: Value | null;
  readonly note: string | null;
  readonly by: string;
  /** Everything the caller is, for audiences: id, e-mail, `role:developer` and the roles below it. Null: not asked. */
  readonly as?: readonly string[] | null;
  /** SHA-256 of what was shown, as the wait's row has it. */
  readonly shownHash?: string | null;
}

export interface ResolvedWait {
  /** Null while a quorum is not reached. */
  readonly settlement: WaitSettlement | null;
  readonly wait: OpenWait;
  /** The run's status just after. */
  readonly status: RunStatus;
  readonly seq: number;
}

/** What a conversation came to when it next waits or ends. */
export interface Turn {
  /** False when the run was still moving: ask again with the same id, and all of this comes again with the rest. */
  readonly isOver: boolean;
  readonly status: RunStatus;
  readonly said: readonly Said[];
  readonly trace: readonly TraceEntry[];
  readonly activeNode: string | null;
  readonly vars: Readonly<Record<string, Value>>;
}

export interface RetryNode {
  readonly nodeId: string;
  /** Merged over the node's configuration, for this visit and later ones of this run. */
  readonly patch: Readonly<Record<string, Json>> | null;
  readonly by: string;
}

export interface MoveVersion {
  readonly versionId: string;
  readonly by: string;
}

/** What moving to another version came to. */
export type Moved = { readonly moved: true } | { readonly moved: false; readonly reasons: readonly string[] };

export interface RunView {
  readonly state: RunState | null;
  readonly waits: readonly OpenWait[];
  readonly isPaused: boolean;
}

/**
 * Refused by its validator with `WaitUnknown`, `WaitSettled` or `WaitForbidden`; a token is settled once, ever. Answers
 * when the run has moved on from the wait.
 */
export const resolveWait = defineUpdate<ResolvedWait, [ResolveWait]>('resolveWait');
export interface TakeTurn {
  /** Null: only waits for the beginning. */
  readonly message: Value | null;
  readonly text: string | null;
  /** The same id is the same message: heard once, however often it is sent. */
  readonly id?: string;
}

/** Says something in a conversation and answers when it next waits or ends. */
export const takeTurn = defineUpdate<Turn, [TakeTurn]>('takeTurn');
/** Starts a parked node anew; refused with `NotParked`. */
export const retryNode = defineUpdate<{ readonly status: RunStatus; readonly seq: number }, [RetryNode]>('retryNode');
/** Nothing new starts while paused; refused with `NothingToChange` when it is so already. */
export const pauseRun = defineUpdate<
  { readonly status: RunStatus; readonly seq: number },
  [{ readonly paused: boolean; readonly by: string }]
>('pauseRun');
/** Moves the run to another version at its next safe point, if it fits. */
export const moveVersion = defineUpdate<Moved, [MoveVersion]>('moveVersion');

/** An outside event; the same id twice is one event. */
export const raiseEvent = defineSignal<[RunEvent]>('raiseEvent');

/** A run that a subflow started has ended. */
export const childEnded = defineSignal<[{ readonly key: string; readonly end: ChildEnd }]>('childEnded');

/** For engineers; users read Postgres. */
export const runView = defineQuery<RunView>('runView');
