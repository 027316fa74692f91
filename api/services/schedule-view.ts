import type { Outcome, ScheduledRun, SkippedTick } from '../../db/schedule-history.js';
import { chainPrompt, promptOf } from '../../db/schedule-runs.js';
import type { Schedule } from '../../db/schedules.js';
import { isInline } from '../../workflows/definition/values.js';

export type LastStatus = 'success' | 'error' | 'skipped' | 'stale';

export interface ScheduleRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly name: string;
  readonly cron_expr: string;
  readonly expression: string;
  readonly timezone: string;
  readonly prompt: string;
  readonly chain: string | null;
  readonly enabled: boolean;
  readonly overlap: 'skip' | 'allow';
  readonly source: string;
  readonly next_run_at: Date | null;
  readonly last_run_at: Date | null;
  readonly run_count: number;
  readonly last_status: LastStatus | null;
  readonly last_error: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface HistoryEntry {
  readonly timestamp: Date;
  readonly duration_ms?: number;
  readonly status: 'success' | 'error' | 'skipped' | 'running';
  readonly error_detail: string | null;
  readonly request: {
    readonly schedule_id: string;
    readonly schedule_name: string;
    readonly cron_expr: string;
    readonly prompt: string;
    /** Null for a run that a person started. */
    readonly scheduled_at: Date | null;
  };
  readonly run_id: string | null;
}

/** So many empty replies in a row make a schedule `stale`. */
const STALE_AFTER = 3;

export interface Results {
  /** Newest first. */
  readonly outcomes: readonly Outcome[];
  readonly lastRunAt: Date | null;
}

export function presentSchedule(schedule: Schedule, { outcomes, lastRunAt }: Results): ScheduleRow {
  return {
    id: schedule.id,
    workspace_id: schedule.workspace_id,
    name: schedule.name,
    cron_expr: schedule.cron_expr,
    expression: schedule.cron_expr,
    timezone: schedule.timezone,
    prompt: promptOf(schedule),
    chain: schedule.chain?.slug ?? null,
    enabled: schedule.enabled,
    overlap: schedule.overlap,
    source: schedule.source,
    next_run_at: schedule.next_run_at,
    last_run_at: lastRunAt,
    run_count: schedule.run_count,
    last_status: statusOf(outcomes),
    last_error: outcomes[0]?.message ?? null,
    created_at: schedule.created_at,
    updated_at: schedule.updated_at,
  };
}

function statusOf(outcomes: readonly Outcome[]): LastStatus | null {
  const [last] = outcomes;
  if (last === undefined) return null;
  if (last.kind === 'skipped') return 'skipped';
  if (last.kind !== 'completed') return 'error';
  const recent = outcomes.slice(0, STALE_AFTER);
  return recent.length === STALE_AFTER && recent.every(({ empty }) => empty) ? 'stale' : 'success';
}

export function presentRun(run: ScheduledRun, schedule: Schedule): HistoryEntry {
  const { started_at: startedAt, ended_at: endedAt, created_at: createdAt } = run;
  const failed = run.status === 'failed' || run.status === 'cancelled';
  return {
    timestamp: createdAt,
    ...(endedAt === null ? {} : { duration_ms: endedAt.getTime() - (startedAt ?? createdAt).getTime() }),
    status: failed ? 'error' : run.status === 'completed' ? 'success' : 'running',
    error_detail: failed ? (run.error?.message ?? `the run was ${run.status}`) : null,
    request: requestOf(schedule, promptOfRun(run, schedule), run.scheduled_at),
    run_id: run.id,
  };
}

export function presentSkip(tick: SkippedTick, schedule: Schedule): HistoryEntry {
  return {
    timestamp: tick.scheduled_at,
    status: 'skipped',
    error_detail: tick.skipped_reason,
    request: requestOf(schedule, promptOf(schedule), tick.scheduled_at),
    run_id: null,
  };
}

/** What this run was given, which later changes of the schedule leave as it was. */
function promptOfRun({ definition_kind: kind, input }: ScheduledRun, schedule: Schedule): string {
  const given = isInline(input) ? input.json : null;
  if (kind === 'prompt') return typeof given === 'string' ? given : promptOf(schedule);
  return schedule.chain === null ? promptOf(schedule) : chainPrompt(schedule.chain.slug, given);
}

const requestOf = (schedule: Schedule, prompt: string, at: Date | null): HistoryEntry['request'] => ({
  schedule_id: schedule.id,
  schedule_name: schedule.name,
  cron_expr: schedule.cron_expr,
  prompt,
  scheduled_at: at,
});
