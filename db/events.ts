import { sql } from 'kysely';
import type { RunEvent, RunRef } from '../workflows/contract/run.js';
import type { Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { newId } from './ids.js';
import { scoped } from './scoped.js';
import { jsonText } from './values.js';

/**
 * Events from outside. Whoever posts one stores it and then looks for waits; whoever waits writes its row and then looks
 * for events: whichever comes second finds the other.
 */

export interface NewEvent extends RunEvent {
  readonly workspaceId: string;
}

/** Keeps an event; the same sender's id under the same name and key is the same event. Answers whether it is new. */
export async function storeEvent(db: Database, { workspaceId, id, name, key, payload }: NewEvent): Promise<boolean> {
  const row = { id: newId('evt'), name, key, event_id: id, payload: jsonText(payload) };
  const result = await scoped(db, workspaceId)
    .insert('events', row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** The runs that wait for such an event now; a wait without a key takes every key. */
export async function openEventWaits(
  db: Database,
  { workspaceId, name, key }: { readonly workspaceId: string; readonly name: string; readonly key: string | null },
): Promise<readonly RunRef[]> {
  const rows = await scoped(db, workspaceId)
    .select('waits')
    .select('run_id')
    .distinct()
    .where('kind', '=', 'event')
    .where('status', '=', 'pending')
    .where('event_name', '=', name)
    .where((where) => where.or([where('event_key', 'is', null), where('event_key', '=', key)]))
    .execute();
  return rows.map(({ run_id: runId }) => ({ workspaceId, runId }));
}

/**
 * The oldest stored event that an open wait fits and that this run has not had, and notes on the wait's row that it has
 * it now: asked again, the answer is the same. Null when there is none, or the wait is settled.
 */
export async function takeStoredEvent(
  db: Database,
  run: RunRef,
  { token, acceptEarlierSeconds }: { readonly token: string; readonly acceptEarlierSeconds: number },
): Promise<RunEvent | null> {
  const { rows } = await sql<{ id: string; name: string; key: string | null; payload: Value }>`
    with wanted as (
      select waits.id, waits.workspace_id, waits.run_id, waits.event_name, waits.event_key, waits.decided_by,
        runs.created_at - make_interval(secs => ${acceptEarlierSeconds}) as since
      from waits join runs on runs.id = waits.run_id
      where waits.id = ${token} and waits.run_id = ${run.runId} and waits.workspace_id = ${run.workspaceId}
        and waits.kind = 'event' and waits.status = 'pending'
    ), found as (
      select wanted.id as token, events.event_id as id, events.name, events.key, events.payload
      from wanted join events on events.workspace_id = wanted.workspace_id and events.name = wanted.event_name
        and (wanted.event_key is null or events.key = wanted.event_key)
      where case when wanted.decided_by is null
        then events.created_at >= wanted.since and not exists (
          select 1 from waits had where had.run_id = wanted.run_id and had.event_name = events.name
            and had.decided_by = 'event:' || events.event_id)
        else 'event:' || events.event_id = wanted.decided_by end
      order by events.created_at, events.id limit 1
    ), noted as (
      update waits set decided_by = 'event:' || found.id
      from found where waits.id = found.token and waits.status = 'pending'
    )
    select id, name, key, payload from found`.execute(db);
  return rows[0] ?? null;
}

const KEPT_DAYS = 7;

/**
 * Forgets events older than a week, save those that an open run of that time may yet come to wait for. Answers how many
 * went, at most `limit` at a time.
 */
export async function purgeEvents(db: Database, limit = 1_000): Promise<number> {
  const old = sql`now() - make_interval(days => ${KEPT_DAYS})`;
  const result = await sql`
    with open as (
      select workspace_id, version_id, null::jsonb as plan, min(created_at) as since from runs
      where status in ('queued', 'running', 'waiting', 'paused') and created_at < ${old} and version_id is not null
      group by workspace_id, version_id
      union all
      select workspace_id, null, plan, created_at from runs
      where status in ('queued', 'running', 'waiting', 'paused') and created_at < ${old} and version_id is null
    ), needed as (
      select open.workspace_id, node #>> '{config,name}' as name, min(open.since) as since
      from open left join versions on versions.id = open.version_id,
        jsonb_path_query(coalesce(open.plan, versions.plan), '$.nodes.* ? (@.kind == "wait_event")') as node
      group by 1, 2
    )
    delete from events where id in (
      select events.id from events where events.created_at < ${old} and not exists (
        select 1 from needed where needed.workspace_id = events.workspace_id and needed.name = events.name
          and needed.since <= events.created_at)
      limit ${limit})`.execute(db);
  return Number(result.numAffectedRows ?? 0n);
}
