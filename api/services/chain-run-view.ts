import type { Selectable } from 'kysely';
import type { Tables } from '../../db/tables.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { RunStatus } from '../../workflows/contract/run.js';
import { isBranchNode } from '../../workflows/definition/chain-plan.js';
import type { Json, Value } from '../../workflows/definition/values.js';

export type ChainRunStatus = 'queued' | 'running' | 'awaiting_human' | 'completed' | 'failed' | 'cancelled';

export interface ChainRunView {
  readonly id: string;
  readonly run_id: string;
  readonly status: ChainRunStatus;
  readonly trigger: string;
  readonly branch_taken: string | null;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly created_at: Date;
  readonly duration_ms: number | null;
}

export interface ChainStepTrace {
  readonly kind: string;
  readonly label: string;
  readonly status: string;
  readonly attempt: number;
  readonly input: Json;
  readonly output: Json;
  readonly error: NodeError | null;
  readonly branch_taken: string | null;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly duration_ms: number | null;
}

export interface ChainRunDetail extends ChainRunView {
  readonly input: Json;
  readonly output: Json;
  readonly error: NodeError | null;
  readonly primary_trace: readonly ChainStepTrace[];
  readonly branch_trace: readonly ChainStepTrace[];
  /** What the run waits for, while it does. */
  readonly waiting_for: {
    readonly approval_id: string;
    readonly prompt: string;
    readonly assignee: string | null;
    readonly expires_at: Date | null;
  } | null;
}

/** This surface has no word for a paused run: it is neither over nor anybody's to decide. */
const words = { waiting: 'awaiting_human', paused: 'running' } as const;

export const statusOf = (status: RunStatus): ChainRunStatus =>
  status === 'waiting' || status === 'paused' ? words[status] : status;

const durationOf = (from: Date | null, to: Date | null): number | null =>
  from === null || to === null ? null : to.getTime() - from.getTime();

interface RunRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly trigger: string;
  readonly branch_taken: string | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
}

export const presentRun = (row: RunRow): ChainRunView => ({
  id: row.id,
  run_id: row.id,
  status: statusOf(row.status),
  trigger: row.trigger,
  branch_taken: row.branch_taken,
  created_at: row.created_at,
  started_at: row.started_at,
  ended_at: row.ended_at,
  duration_ms: durationOf(row.started_at, row.ended_at),
});

type StepRow = Selectable<Tables['run_steps']>;

/** The steps of the main line and those of the branches, in the order they were taken up. */
export async function presentTraces(
  steps: readonly StepRow[],
  value: (stored: Value | null) => Promise<Json>,
): Promise<Pick<ChainRunDetail, 'primary_trace' | 'branch_trace'>> {
  const traces = await Promise.all(steps.map(async (step) => ({ step, trace: await presentStep(step, value) })));
  const ofBranch = (isBranch: boolean): readonly ChainStepTrace[] =>
    traces.filter(({ step }) => isBranchNode(step.node_id) === isBranch).map(({ trace }) => trace);
  return { primary_trace: ofBranch(false), branch_trace: ofBranch(true) };
}

const presentStep = async (step: StepRow, value: (stored: Value | null) => Promise<Json>): Promise<ChainStepTrace> => ({
  kind: step.kind,
  label: step.label,
  status: step.status === 'waiting' && step.kind === 'human' ? 'awaiting_human' : step.status,
  attempt: step.attempt,
  input: await value(step.input),
  output: await value(step.output),
  error: step.error,
  branch_taken: step.taken,
  started_at: step.started_at,
  ended_at: step.ended_at,
  duration_ms: durationOf(step.started_at, step.ended_at),
});
