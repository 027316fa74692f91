import { sql, type RawBuilder } from 'kysely';
import type { RunOrigin } from '../../db/tables.js';
import type { WaitView } from '../../db/waits.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { Cost, RunStatus, StepStatus } from '../../workflows/contract/run.js';
import type { Port } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';

/** Runs and steps as the API answers them. */

export const runStatuses = ['queued', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled'] as const;
export const stepStatuses = ['running', 'waiting', 'parked', 'completed', 'failed', 'cancelled'] as const;
export const openStepStatuses = ['running', 'waiting', 'parked'] as const satisfies readonly StepStatus[];

export const hasEnded = (status: RunStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

export interface RunItem {
  readonly id: string;
  readonly definition_id: string | null;
  readonly definition_kind: string;
  readonly definition_name: string | null;
  /** The version's number; null for a run of no version. */
  readonly version: number | null;
  readonly version_id: string | null;
  readonly status: RunStatus;
  readonly trigger: string;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly error: NodeError | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly duration_ms: number | null;
  readonly cost: Cost;
  readonly parent_run_id: string | null;
  readonly origin: RunOrigin | null;
  /** How much of its event log this shows: an event of a stream with no higher `seq` says nothing new. */
  readonly event_seq: number;
}

export interface ChildRun {
  readonly run_id: string;
  readonly node_id: string | null;
  readonly status: RunStatus;
}

export interface RunDetail extends RunItem {
  readonly input: Json;
  readonly output: Json;
  readonly response: Json;
  readonly cancel_requested_at: Date | null;
  /** Steps still under way after a cancel was asked for. */
  readonly stopping: readonly StepItem[];
  /** The newest. */
  readonly children: readonly ChildRun[];
  /** The newest, in order. */
  readonly steps: readonly StepDetail[];
  readonly steps_total: number;
  /** Those that are open. */
  readonly waits: readonly WaitView[];
}

export interface StepItem {
  readonly key: string;
  readonly node_id: string;
  readonly kind: string;
  readonly label: string;
  readonly scope: string;
  readonly visit: number;
  readonly seq: number;
  readonly attempt: number;
  readonly status: StepStatus;
  readonly error: NodeError | null;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly duration_ms: number | null;
  readonly cost: Cost | null;
  readonly decided_by: string | null;
  readonly port: Port | null;
  readonly taken: string | null;
}

export interface StepDetail extends StepItem {
  readonly input: Json;
  readonly output: Json;
}

export const durationOf = (from: Date | null, to: Date | null): number | null =>
  from === null || to === null ? null : Math.max(0, to.getTime() - from.getTime());

/** Over rows of `run_steps`. */
export const costOf = (rows: RawBuilder<unknown>): RawBuilder<Cost> => sql<Cost>`(
  select json_build_object(
    'usd', coalesce(sum((cost->>'usd')::float8), 0),
    'input_tokens', coalesce(sum((cost->>'input_tokens')::bigint), 0),
    'output_tokens', coalesce(sum((cost->>'output_tokens')::bigint), 0))
  ${rows})`;
