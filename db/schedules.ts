import { sql, type Selectable, type SelectQueryBuilder } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

/** A schedule with what it runs. `chain` is null for a prompt. */
export interface Schedule extends Selectable<Tables['schedules']> {
  readonly workspace_slug: string;
  readonly chain: ScheduledChain | null;
}

export interface ScheduledChain {
  readonly id: string;
  readonly kind: string;
  readonly slug: string;
  readonly status: string;
  readonly version_id: string | null;
  readonly deleted: boolean;
}

export interface ScheduleKey {
  readonly workspaceId: string;
  readonly scheduleId: string;
}

export type NewSchedule = Pick<
  Selectable<Tables['schedules']>,
  | 'id'
  | 'workspace_id'
  | 'name'
  | 'cron_expr'
  | 'timezone'
  | 'prompt'
  | 'overlap'
  | 'enabled'
  | 'source'
  | 'next_run_at'
> & { readonly chain_id: string | null; readonly chain_input: Json };

export type ScheduleChanges = Partial<Omit<NewSchedule, 'id' | 'workspace_id' | 'source'>>;

export async function listSchedules(db: Database, workspaceId: string): Promise<readonly Schedule[]> {
  return liveSchedules(db).where('s.workspace_id', '=', workspaceId).orderBy('s.created_at').orderBy('s.id').execute();
}

export async function findSchedule(db: Database, key: ScheduleKey): Promise<Schedule | undefined> {
  return liveSchedules(db)
    .where('s.workspace_id', '=', key.workspaceId)
    .where('s.id', '=', key.scheduleId)
    .executeTakeFirst();
}

/** The schedule that a live chain's first step asks for: one a chain. */
export async function findChainSchedule(db: Database, chainId: string): Promise<Schedule | undefined> {
  return liveSchedules(db).where('s.chain_id', '=', chainId).where('s.source', '=', 'chain').executeTakeFirst();
}

export async function findChain(
  db: Database,
  by: { readonly workspaceId: string; readonly kind: string; readonly slug: string },
): Promise<ScheduledChain | undefined> {
  return db
    .selectFrom('definitions as d')
    .select(['d.id', 'd.kind', 'd.slug', 'd.status', 'd.version_id', sql<boolean>`false`.as('deleted')])
    .where('d.workspace_id', '=', by.workspaceId)
    .where('d.kind', '=', by.kind)
    .where('d.slug', '=', by.slug)
    .where('d.deleted_at', 'is', null)
    .executeTakeFirst();
}

/** Holds off others who would set the same chain's schedule. Answers whether the chain exists. */
export async function lockChain(db: Database, workspaceId: string, chainId: string): Promise<boolean> {
  const chain = await db
    .selectFrom('definitions')
    .select('id')
    .where('workspace_id', '=', workspaceId)
    .where('id', '=', chainId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return chain !== undefined;
}

/** A repeated request with the same id changes nothing. */
export async function insertSchedule(db: Database, row: NewSchedule): Promise<void> {
  await db
    .insertInto('schedules')
    .values({ ...row, chain_input: JSON.stringify(row.chain_input) })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

export async function changeSchedule(db: Database, key: ScheduleKey, changes: ScheduleChanges): Promise<boolean> {
  const { chain_input: chainInput, ...columns } = changes;
  const result = await db
    .updateTable('schedules')
    .set({
      ...columns,
      ...(chainInput === undefined ? {} : { chain_input: JSON.stringify(chainInput) }),
      revision: sql<number>`revision + 1`,
      updated_at: sql<Date>`now()`,
    })
    .where('workspace_id', '=', key.workspaceId)
    .where('id', '=', key.scheduleId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Out of sight at once; the row goes when Temporal's schedule is gone. */
export async function softDeleteSchedule(db: Database, key: ScheduleKey): Promise<boolean> {
  const result = await db
    .updateTable('schedules')
    .set({ deleted_at: sql<Date>`now()`, revision: sql<number>`revision + 1` })
    .where('workspace_id', '=', key.workspaceId)
    .where('id', '=', key.scheduleId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function setNextRun(
  db: Database,
  at: { readonly scheduleId: string; readonly revision: number; readonly nextRunAt: Date | null },
): Promise<void> {
  await db
    .updateTable('schedules')
    .set({ next_run_at: at.nextRunAt })
    .where('id', '=', at.scheduleId)
    .where('revision', '=', at.revision)
    .execute();
}

function liveSchedules(db: Database): SelectQueryBuilder<Tables & { s: Tables['schedules'] }, 's', Schedule> {
  return db
    .selectFrom('schedules as s')
    .innerJoin('workspaces as w', 'w.id', 's.workspace_id')
    .leftJoin('definitions as d', 'd.id', 's.chain_id')
    .selectAll('s')
    .select(['w.slug as workspace_slug', chainOf.as('chain')])
    .where('s.deleted_at', 'is', null)
    .where('w.deleted_at', 'is', null);
}

const chainOf = sql<ScheduledChain | null>`case when d.id is null then null else jsonb_build_object(
  'id', d.id, 'kind', d.kind, 'slug', d.slug, 'status', d.status, 'version_id', d.version_id,
  'deleted', d.deleted_at is not null) end`;
