import { sql } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { RunStatus } from '../workflows/contract/run.js';
import type { Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import type { ScheduleKey } from './schedules.js';

export interface ScheduledRun {
  readonly id: string;
  readonly status: RunStatus;
  readonly definition_kind: string;
  readonly input: Value;
  readonly error: NodeError | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly scheduled_at: Date | null;
}

/** Newest first; `scheduled_at` is null for runs that a person started. */
export async function recentRuns(
  db: Database,
  { workspaceId, scheduleId, limit }: ScheduleKey & { readonly limit: number },
): Promise<readonly ScheduledRun[]> {
  return db
    .selectFrom('runs as r')
    .leftJoin('schedule_ticks as t', (join) => join.onRef('t.run_id', '=', 'r.id').on('t.schedule_id', '=', scheduleId))
    .select(['r.id', 'r.status', 'r.definition_kind', 'r.input', 'r.error', 'r.created_at'])
    .select(['r.started_at', 'r.ended_at', 't.scheduled_at'])
    .where('r.workspace_id', '=', workspaceId)
    .where('r.schedule_id', '=', scheduleId)
    .orderBy('r.id', 'desc')
    .limit(limit)
    .execute();
}

export interface SkippedTick {
  readonly scheduled_at: Date;
  readonly skipped_reason: string | null;
}

export async function recentSkips(
  db: Database,
  { scheduleId, limit }: ScheduleKey & { readonly limit: number },
): Promise<readonly SkippedTick[]> {
  return db
    .selectFrom('schedule_ticks')
    .select(['scheduled_at', 'skipped_reason'])
    .where('schedule_id', '=', scheduleId)
    .where('skipped_reason', 'is not', null)
    .orderBy('scheduled_at', 'desc')
    .limit(limit)
    .execute();
}

/** One of a schedule's last outcomes: up to three finished runs and the last skipped tick. */
export interface Outcome {
  readonly schedule_id: string;
  readonly kind: 'completed' | 'failed' | 'cancelled' | 'skipped';
  readonly at: Date;
  readonly message: string | null;
  /** The run ended well and said nothing. */
  readonly empty: boolean;
}

/** Newest first within a schedule. */
export async function lastOutcomes(db: Database, scheduleIds: readonly string[]): Promise<readonly Outcome[]> {
  if (scheduleIds.length === 0) return [];
  const { rows } = await sql<Outcome>`
    select s.id as schedule_id, o.* from unnest(${[...scheduleIds]}::text[]) as s(id) cross join lateral (
      (select status as kind, created_at as at, error ->> 'message' as message,
        status = 'completed' and not coalesce((output -> 'ref') is not null, false)
          and trim(coalesce(output #>> '{json,text}', output ->> 'json', '')) = '' as empty
      from runs where schedule_id = s.id and status in ('completed', 'failed', 'cancelled')
      order by id desc limit 3)
      union all
      (select 'skipped', created_at, skipped_reason, false
      from schedule_ticks where schedule_id = s.id and skipped_reason is not null
      order by scheduled_at desc limit 1)
    ) o order by s.id, o.at desc`.execute(db);
  return rows;
}

/** When each schedule's last run was made. */
export async function lastRunTimes(db: Database, scheduleIds: readonly string[]): Promise<ReadonlyMap<string, Date>> {
  if (scheduleIds.length === 0) return new Map();
  const { rows } = await sql<{ id: string; at: Date }>`
    select s.id, r.created_at as at from unnest(${[...scheduleIds]}::text[]) as s(id) cross join lateral
      (select created_at from runs where schedule_id = s.id order by runs.id desc limit 1) r`.execute(db);
  return new Map(rows.map(({ id, at }) => [id, at]));
}
