import { sql, type RawBuilder } from 'kysely';
import type { RunRef, RunStatus } from '../workflows/contract/run.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

type NewLogEvent = { readonly type: string; readonly data: Readonly<Record<string, Json>> };

export const appendRunEvent = (db: Database, runId: string, event: NewLogEvent): Promise<void> =>
  appendRunEvents(db, runId, [event]);

/** Adds to the log of a run what no row of the read model shows, such as the words of a model as they come. */
export async function appendRunEvents(db: Database, runId: string, events: readonly NewLogEvent[]): Promise<void> {
  await sql`
    select append_run_event(${runId}, event->>'type', event->'data')
    from jsonb_array_elements(${JSON.stringify(events)}::jsonb) as event`.execute(db);
}

export interface LoggedEvent {
  readonly run_id: string;
  readonly seq: number;
  readonly type: string;
  readonly data: Readonly<Record<string, Json>>;
  readonly at: Date;
}

export interface RunHead {
  readonly status: RunStatus;
  /** `seq` of the newest event. */
  readonly event_seq: number;
}

export const runHead = (db: Database, { workspaceId, runId }: RunRef): Promise<RunHead | undefined> =>
  scoped(db, workspaceId).select('runs').select(['status', 'event_seq']).where('id', '=', runId).executeTakeFirst();

/** In order and without a gap: whoever writes an event holds the run's row until it commits. */
export const runEventsAfter = (
  db: Database,
  { workspaceId, runId }: RunRef,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<readonly LoggedEvent[]> =>
  scoped(db, workspaceId)
    .select('run_events')
    .select(['run_id', 'seq', 'type', 'data', 'at'])
    .where('run_id', '=', runId)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();

/** A place in the log of all runs: everything up to and with it has been read. Numbers of 64 bits, as text. */
export interface LogPosition {
  readonly xid: string;
  readonly id: string;
}

export const isBefore = (a: LogPosition, b: LogPosition): boolean =>
  a.xid === b.xid ? BigInt(a.id) < BigInt(b.id) : BigInt(a.xid) < BigInt(b.xid);

/** What is wanted of a workspace's log; what fits any of them is in. */
export interface LogFilter {
  readonly runs: boolean;
  readonly waits: boolean;
  readonly calls: boolean;
  readonly callIds: readonly string[];
  readonly runIds: readonly string[];
  readonly definitionIds: readonly string[];
}

export type PlacedEvent = LoggedEvent & { readonly position: LogPosition };

export interface LogPage {
  readonly events: readonly PlacedEvent[];
  /** Where to read on. */
  readonly next: LogPosition;
  /** There is more: right now, or as soon as transactions under way have ended. */
  readonly more: 'now' | 'soon' | 'later';
}

/**
 * The log of a workspace in an order in which nothing appears late: of rows whose transaction is not older than every
 * one still under way, none is given out yet.
 */
export async function workspaceEventsAfter(
  db: Database,
  workspaceId: string,
  read: { readonly after: LogPosition; readonly filter: LogFilter; readonly limit: number },
): Promise<LogPage> {
  const { after, filter, limit } = read;
  const { rows } = await sql<PageRow>`
    select safe.horizon, unsafe.exists as has_unsafe, event.*
    from (select pg_snapshot_xmin(pg_current_snapshot()) as horizon) safe
    cross join lateral (select exists (
      select from run_events where workspace_id = ${workspaceId} and xid >= pg_snapshot_xmin(pg_current_snapshot())
        and (${matching(filter)}))) unsafe
    left join lateral (
      select run_id, seq, type, data, at, xid, id from run_events
      where workspace_id = ${workspaceId} and (xid, id) > (${after.xid}::xid8, ${after.id}::bigint)
        and xid < pg_snapshot_xmin(pg_current_snapshot()) and (${matching(filter)})
      order by xid, id limit ${limit}
    ) event on true
    order by event.xid, event.id`.execute(db);
  const events = rows.flatMap((row) => (isEvent(row) ? [toEvent(row)] : []));
  const last = events.at(-1)?.position;
  const [first] = rows;
  if (last !== undefined && events.length === limit) return { events, next: last, more: 'now' };
  // all below the horizon has been read: the next read starts there
  const horizon = first?.horizon ?? after.xid;
  const next = BigInt(horizon) > BigInt(after.xid) ? { xid: horizon, id: '0' } : after;
  return { events, next, more: first?.has_unsafe ? 'soon' : 'later' };
}

type EventRow = LoggedEvent & { readonly xid: string; readonly id: string };
type PageRow = { readonly horizon: string; readonly has_unsafe: boolean } & (EventRow | { readonly id: null });

const isEvent = (row: PageRow): row is PageRow & EventRow => row.id !== null;

const toEvent = ({ run_id, seq, type, data, at, xid, id }: EventRow) => ({
  run_id,
  seq,
  type,
  data,
  at,
  position: { xid, id },
});

function matching({ runs, waits, calls, callIds, runIds, definitionIds }: LogFilter): RawBuilder<unknown> {
  const parts = [sql`false`];
  if (runs) parts.push(sql`type = 'run'`);
  if (waits) parts.push(sql`type in ('wait', 'vote')`);
  if (calls) parts.push(sql`type = 'call'`);
  if (callIds.length > 0) parts.push(sql`(type = 'call' and run_id = any(${callIds}))`);
  if (runIds.length > 0) parts.push(sql`run_id = any(${runIds})`);
  if (definitionIds.length > 0) parts.push(sql`(type = 'run' and data->>'definition_id' = any(${definitionIds}))`);
  return sql.join(parts, sql` or `);
}

/** Where the log of all runs is now. */
export async function logPosition(db: Database): Promise<LogPosition> {
  const { rows } = await sql<{ readonly xid: string }>`
    select pg_snapshot_xmin(pg_current_snapshot()) as xid`.execute(db);
  return { xid: rows[0]?.xid ?? '0', id: '0' };
}

/** False for a position of another database, such as one that was restored from a backup since. */
export async function isReached(db: Database, { xid }: LogPosition): Promise<boolean> {
  const { rows } = await sql<{ readonly reached: boolean }>`
    select ${xid}::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) as reached`.execute(db);
  return rows[0]?.reached ?? false;
}
