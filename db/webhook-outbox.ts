import { sql } from 'kysely';
import type { DeliveryRef } from '../workflows/contract/webhooks.js';
import type { Database } from './client.js';

/** A delivery whose workflow is to be started. */
export interface Dispatch extends DeliveryRef {
  readonly timeoutSeconds: number;
}

interface DispatchRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly timeout_seconds: number;
}

const toDispatch = (row: DispatchRow): Dispatch => ({
  deliveryId: row.id,
  workspaceId: row.workspace_id,
  timeoutSeconds: row.timeout_seconds,
});

/**
 * Takes deliveries that nobody has started, the oldest of each endpoint, as long as the endpoint has fewer than
 * `openPerEndpoint` under way: what waits behind a slow or broken receiver waits here, where it costs nothing, and never
 * before others. Whoever takes one starts it; should it die, `claimLost` finds the delivery.
 */
export async function claimWaiting(
  db: Database,
  { limit, openPerEndpoint }: { readonly limit: number; readonly openPerEndpoint: number },
): Promise<readonly Dispatch[]> {
  const isWaiting = sql`status = 'pending' and dispatched_at is null`;
  const { rows } = await sql<DispatchRow>`
    with recursive waiting as (
      (select endpoint_id from webhook_deliveries where ${isWaiting} order by endpoint_id limit 1)
      union all
      select (select d.endpoint_id from webhook_deliveries d
        where ${isWaiting} and d.endpoint_id > waiting.endpoint_id order by d.endpoint_id limit 1)
      from waiting where waiting.endpoint_id is not null
    ), chosen as (
      select mine.id from waiting cross join lateral (
        select id from webhook_deliveries
        where endpoint_id = waiting.endpoint_id and ${isWaiting} order by created_at, id
        limit greatest(0, ${openPerEndpoint} - (select count(*) from webhook_deliveries
          where endpoint_id = waiting.endpoint_id and status in ('pending', 'delivering') and dispatched_at is not null))
        for update skip locked
      ) mine limit ${limit}
    )
    update webhook_deliveries d set dispatched_at = clock_timestamp()
    from chosen, webhook_endpoints e where d.id = chosen.id and e.id = d.endpoint_id
    returning d.id, d.workspace_id, e.timeout_seconds`.execute(db);
  return rows.map(toDispatch);
}

/**
 * Deliveries that were taken long ago and that no worker has touched, or whose attempt is long over time: their workflow
 * was never started, or was ended by force. One that is still open refuses the second start.
 */
export async function claimLost(
  db: Database,
  {
    limit,
    untouchedMs,
    overdueMs,
  }: { readonly limit: number; readonly untouchedMs: number; readonly overdueMs: number },
): Promise<readonly Dispatch[]> {
  const ago = (ms: number) => sql`clock_timestamp() - make_interval(secs => ${ms / 1_000})`;
  const { rows } = await sql<DispatchRow>`
    with chosen as (
      select id from webhook_deliveries
      where status in ('pending', 'delivering') and dispatched_at is not null
        and ((attempts = 0 and dispatched_at < ${ago(untouchedMs)})
          or (attempts > 0 and next_attempt_at < ${ago(overdueMs)} and dispatched_at < ${ago(overdueMs)}))
      order by dispatched_at limit ${limit} for update skip locked
    )
    update webhook_deliveries d set dispatched_at = clock_timestamp()
    from chosen, webhook_endpoints e where d.id = chosen.id and e.id = d.endpoint_id
    returning d.id, d.workspace_id, e.timeout_seconds`.execute(db);
  return rows.map(toDispatch);
}

/** Lays back what could not be started. */
export async function releaseClaims(db: Database, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`update webhook_deliveries set dispatched_at = null
    where id = any(${[...ids]}::text[]) and status = 'pending' and attempts = 0`.execute(db);
}

const KEPT_DAYS = 30;

/** Forgets deliveries that ended more than 30 days ago, and secrets whose overlap is over. Answers how many went. */
export async function purgeWebhooks(db: Database, limit = 1_000): Promise<number> {
  const result = await sql`delete from webhook_deliveries where id in (
    select id from webhook_deliveries where ended_at < now() - make_interval(days => ${KEPT_DAYS}) limit ${limit})`.execute(
    db,
  );
  await sql`update webhook_endpoints set previous_secret_sealed = null, previous_expires_at = null
    where previous_expires_at < now()`.execute(db);
  return Number(result.numAffectedRows ?? 0n);
}
