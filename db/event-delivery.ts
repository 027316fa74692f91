import { sql } from 'kysely';
import type { RunEvent, RunRef } from '../workflows/contract/run.js';
import type { Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** An event as it was first posted, and whether the runs that waited for it have been told. */
export interface StoredEvent extends RunEvent {
  readonly rowId: string;
  readonly workspaceId: string;
  readonly isDelivered: boolean;
}

interface EventRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly name: string;
  readonly key: string | null;
  readonly event_id: string;
  readonly payload: Value;
  readonly delivered_at: Date | null;
}

const columns = ['id', 'workspace_id', 'name', 'key', 'event_id', 'payload', 'delivered_at'] as const;

const ofRow = (row: EventRow): StoredEvent => ({
  rowId: row.id,
  workspaceId: row.workspace_id,
  id: row.event_id,
  name: row.name,
  key: row.key,
  payload: row.payload,
  isDelivered: row.delivered_at !== null,
});

export async function storedEvent(
  db: Database,
  { workspaceId, name, key, id }: Pick<StoredEvent, 'workspaceId' | 'name' | 'key' | 'id'>,
): Promise<StoredEvent | null> {
  const row = await scoped(db, workspaceId)
    .select('events')
    .select([...columns])
    .where('name', '=', name)
    .where(sql`coalesce(key, '')`, '=', key ?? '')
    .where('event_id', '=', id)
    .executeTakeFirst();
  return row === undefined ? null : ofRow(row);
}

/**
 * The runs that already waited for it when it came. One that began to wait later looks for events by itself, and as far
 * back as its author wants; the second is for transactions that were under way at the same time.
 */
export async function runsWaitingFor(
  db: Database,
  { rowId, workspaceId }: Pick<StoredEvent, 'rowId' | 'workspaceId'>,
): Promise<readonly RunRef[]> {
  const { rows } = await sql<{ run_id: string }>`
    select distinct waits.run_id from events join waits
      on waits.workspace_id = events.workspace_id and waits.event_name = events.name
      and (waits.event_key is null or waits.event_key = events.key)
    where events.id = ${rowId} and events.workspace_id = ${workspaceId}
      and waits.kind = 'event' and waits.status = 'pending'
      and waits.created_at <= events.created_at + interval '1 second'
    order by waits.run_id`.execute(db);
  return rows.map(({ run_id: runId }) => ({ workspaceId, runId }));
}

export async function markDelivered(db: Database, { rowId, workspaceId }: StoredEvent): Promise<void> {
  await scoped(db, workspaceId)
    .update('events', rowId)
    .set({ delivered_at: sql<Date>`clock_timestamp()` })
    .execute();
}

/** Events that were kept so long ago that whoever kept them must have died before telling anybody. */
export async function undeliveredEvents(
  db: Database,
  olderThanMs: number,
  limit: number,
): Promise<readonly StoredEvent[]> {
  const rows = await db
    .selectFrom('events')
    .select([...columns])
    .where('delivered_at', 'is', null)
    .where('created_at', '<', sql<Date>`now() - make_interval(secs => ${olderThanMs / 1_000})`)
    .orderBy('created_at')
    .limit(limit)
    .execute();
  return rows.map(ofRow);
}
