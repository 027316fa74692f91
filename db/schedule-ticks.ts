import { sql, type Selectable } from 'kysely';
import type { TickInput } from '../workflows/contract/activities.js';
import type { Database } from './client.js';
import { derivedId, newSeed } from './ids.js';
import type { Tables } from './tables.js';

export type Tick = Selectable<Tables['schedule_ticks']>;

/** The same tick is the same run, ever; the id sorts by the time it was due. */
export const tickRunId = ({ scheduleId, scheduledAt }: TickInput): string =>
  derivedId('run', newSeed(Date.parse(scheduledAt)).slice(0, 10) + `${scheduleId}/${scheduledAt}`);

export async function findTick(db: Database, tick: TickInput): Promise<Tick | undefined> {
  return db
    .selectFrom('schedule_ticks')
    .selectAll()
    .where('schedule_id', '=', tick.scheduleId)
    .where('scheduled_at', '=', new Date(tick.scheduledAt))
    .executeTakeFirst();
}

/** Notes that the tick is being handled, so that it is not taken for a late one while it waits. */
export async function openTick(db: Database, tick: TickInput): Promise<void> {
  await db
    .insertInto('schedule_ticks')
    .values({ schedule_id: tick.scheduleId, scheduled_at: new Date(tick.scheduledAt) })
    .onConflict((conflict) => conflict.columns(['schedule_id', 'scheduled_at']).doNothing())
    .execute();
}

/** Ends a tick that neither started nor was skipped; answers whether this call did. */
export async function settleTick(
  db: Database,
  tick: TickInput,
  as: { readonly run_id: string } | { readonly skipped_reason: string },
): Promise<boolean> {
  const result = await db
    .updateTable('schedule_ticks')
    .set(as)
    .where('schedule_id', '=', tick.scheduleId)
    .where('scheduled_at', '=', new Date(tick.scheduledAt))
    .where('run_id', 'is', null)
    .where('skipped_reason', 'is', null)
    .executeTakeFirst();
  const settled = result.numUpdatedRows > 0n;
  if (settled) await countRun(db, tick.scheduleId);
  return settled;
}

export async function countRun(db: Database, scheduleId: string): Promise<void> {
  await db
    .updateTable('schedules')
    .set({ run_count: sql<number>`run_count + 1` })
    .where('id', '=', scheduleId)
    .execute();
}

/** Ticks of one workspace are decided one after another, so that two cannot both find it free. Answers its limit. */
export async function lockWorkspace(db: Database, workspaceId: string): Promise<number | undefined> {
  const workspace = await db
    .selectFrom('workspaces')
    .select('max_concurrent_tasks')
    .where('id', '=', workspaceId)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return workspace?.max_concurrent_tasks;
}

export interface OpenRuns {
  /** Runs that schedules of the workspace started and that work or are about to. */
  readonly active: number;
  /** Runs of this schedule that are not over; `waiting` and `paused` ones are not active. */
  readonly own: number;
  readonly ownWaiting: number;
  readonly ownRunId: string | null;
}

export async function openRuns(
  db: Database,
  of: { readonly workspaceId: string; readonly scheduleId: string },
): Promise<OpenRuns> {
  const own = sql`schedule_id = ${of.scheduleId}`;
  return db
    .selectFrom('runs')
    .select([
      sql<number>`(count(*) filter (where status in ('queued', 'running')))::int`.as('active'),
      sql<number>`(count(*) filter (where ${own}))::int`.as('own'),
      sql<number>`(count(*) filter (where ${own} and status in ('waiting', 'paused')))::int`.as('ownWaiting'),
      sql<string | null>`max(id) filter (where ${own})`.as('ownRunId'),
    ])
    .where('workspace_id', '=', of.workspaceId)
    .where('schedule_id', 'is not', null)
    .where(sql<boolean>`status in ('queued', 'running', 'waiting', 'paused')`)
    .executeTakeFirstOrThrow();
}
