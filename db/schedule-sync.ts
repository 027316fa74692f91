import { sql, type Selectable } from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

/** Schedules whose Temporal side is out of date, deleted ones among them, in no order: one that fails holds nobody up. */
export async function unsyncedSchedules(db: Database, limit: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('schedules')
    .select('id')
    .where((where) => where.or([isBehind, where('resync_at', '<', sql<Date>`now()`)]))
    .orderBy(sql`random()`)
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * The schedule as it is now, if its Temporal side is out of date. Until the transaction ends nobody else brings it up to
 * date, so that an older state never lands after a newer one; the row itself stays free.
 */
export async function holdForSync(db: Database, id: string): Promise<Selectable<Tables['schedules']> | undefined> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${id}, 0))`.execute(db);
  return db
    .selectFrom('schedules')
    .selectAll()
    .where('id', '=', id)
    .where((where) => where.or([isBehind, where('resync_at', '<', sql<Date>`now()`)]))
    .executeTakeFirst();
}

export async function markSynced(
  db: Database,
  to: { readonly id: string; readonly revision: number; readonly nextRunAt: Date | null; readonly resyncAt: Date },
): Promise<void> {
  await db
    .updateTable('schedules')
    .set({ synced_revision: to.revision, next_run_at: to.nextRunAt, resync_at: to.resyncAt })
    .where('id', '=', to.id)
    .where('revision', '=', to.revision)
    .execute();
}

/** Ticks go with it; runs stay. */
export async function eraseSchedule(db: Database, id: string): Promise<void> {
  await db.deleteFrom('schedules').where('id', '=', id).where('deleted_at', 'is not', null).execute();
}

const isBehind = sql<boolean>`revision <> synced_revision`;
