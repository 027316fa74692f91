import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Value } from '../definition/values.js';
import type { RunState } from '../engine/state.js';
import type { OpenWait, RunStatus, WaitSettlement } from './run.js';

export interface ResolveWait {
  readonly token: string;
  readonly decision: 'approve' | 'reject';
  /** Goes on instead of the wait's own input. */
  readonly value: Value | null;
  readonly note: string | null;
  readonly by: string;
}

export interface ResolvedWait {
  readonly settlement: WaitSettlement;
  /** The run's status just after. */
  readonly status: RunStatus;
  readonly seq: number;
}

export interface RunView {
  readonly state: RunState | null;
  readonly waits: readonly OpenWait[];
}

/** Refused by its validator with `WaitUnknown` or `WaitSettled`; accepted once a token, ever. */
export const resolveWait = defineUpdate<ResolvedWait, [ResolveWait]>('resolveWait');

/** For engineers; users read Postgres. */
export const runView = defineQuery<RunView>('runView');
