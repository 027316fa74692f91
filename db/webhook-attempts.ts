import { sql, type Selectable } from 'kysely';
import type { DeliveryRef } from '../workflows/contract/webhooks.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { Tables } from './tables.js';

/** One delivery with what its next attempt needs, as a worker sees it. */
export interface DueDelivery {
  readonly delivery: Selectable<Tables['webhook_deliveries']> & { readonly body: string | null };
  readonly endpoint: Selectable<Tables['webhook_endpoints']>;
  /** This very attempt is on record: its answer was lost on the way to Temporal. */
  readonly isRecorded: boolean;
}

export async function findDueDelivery(
  db: Database,
  { workspaceId, deliveryId }: DeliveryRef,
  number: number,
): Promise<DueDelivery | undefined> {
  const delivery = await scoped(db, workspaceId)
    .select('webhook_deliveries')
    .selectAll()
    .select(sql<string | null>`payload::text`.as('body'))
    .where('id', '=', deliveryId)
    .executeTakeFirst();
  if (delivery === undefined) return undefined;
  const [endpoint, recorded] = await Promise.all([
    db.selectFrom('webhook_endpoints').selectAll().where('id', '=', delivery.endpoint_id).executeTakeFirstOrThrow(),
    db
      .selectFrom('webhook_attempts')
      .select('number')
      .where('delivery_id', '=', deliveryId)
      .where('number', '=', number)
      .where('duration_ms', 'is not', null)
      .executeTakeFirst(),
  ]);
  return { delivery, endpoint, isRecorded: recorded !== undefined };
}

/** Keeps the text that is sent from now on, and answers it: what was kept first stays. */
export async function keepBody(db: Database, { workspaceId, deliveryId }: DeliveryRef, body: string): Promise<string> {
  const { rows } = await sql<{ body: string }>`
    update webhook_deliveries set payload = coalesce(payload, ${body}::json)
    where id = ${deliveryId} and workspace_id = ${workspaceId} returning payload::text as body`.execute(db);
  return rows[0]?.body ?? body;
}

/** Noted before anything is sent; `leaseMs` is when this attempt is surely over. */
export async function beginAttempt(
  db: Database,
  { workspaceId, deliveryId }: DeliveryRef,
  { number, leaseMs }: { readonly number: number; readonly leaseMs: number },
): Promise<void> {
  await sql`with noted as (
      insert into webhook_attempts (delivery_id, number) values (${deliveryId}, ${number})
      on conflict (delivery_id, number) do update set at = clock_timestamp()
    )
    update webhook_deliveries set status = 'delivering', attempts = ${number},
      next_attempt_at = clock_timestamp() + make_interval(secs => ${leaseMs / 1_000})
    where id = ${deliveryId} and workspace_id = ${workspaceId}`.execute(db);
}

export interface AttemptResult {
  readonly number: number;
  readonly durationMs: number;
  /** Null: no answer came. */
  readonly status: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

export type AttemptEnd =
  { readonly kind: 'delivered' | 'dead' } | { readonly kind: 'failed'; readonly pauseMs: number };

/** Puts the attempt and what it means for the delivery on record, in one statement. */
export async function endAttempt(
  db: Database,
  { workspaceId, deliveryId }: DeliveryRef,
  { number, durationMs, status, error, response, end }: AttemptResult & { readonly end: AttemptEnd },
): Promise<void> {
  const ended = sql`ended_at = clock_timestamp(), next_attempt_at = null`;
  const change = {
    delivered: sql`status = 'delivered', delivered_at = clock_timestamp(), ${ended}`,
    dead: sql`status = 'dead', ${ended}`,
    failed: sql`status = 'pending', next_attempt_at = clock_timestamp() + make_interval(secs => ${
      end.kind === 'failed' ? end.pauseMs / 1_000 : 0
    })`,
  }[end.kind];
  // what was cancelled meanwhile stays so, unless it came through
  const isOpen = end.kind === 'delivered' ? sql`true` : sql`status = 'delivering'`;
  await sql`with noted as (
      update webhook_attempts set duration_ms = ${durationMs}, status = ${status}, error = ${error}, response = ${response}
      where delivery_id = ${deliveryId} and number = ${number}
    ), changed as (
      update webhook_deliveries set last_status = ${status}, last_error = ${error}, ${change}
      where id = ${deliveryId} and workspace_id = ${workspaceId} and ${isOpen} returning id
    )
    select pg_notify('webhook_deliveries', id) from changed where ${end.kind !== 'failed'}`.execute(db);
}

/** Ends a delivery that is not to be tried any more, without an attempt. */
export async function endDelivery(
  db: Database,
  { workspaceId, deliveryId }: DeliveryRef,
  { status, error }: { readonly status: 'dead' | 'cancelled'; readonly error: string },
): Promise<void> {
  await scoped(db, workspaceId)
    .update('webhook_deliveries', deliveryId)
    .set({ status, last_error: error, ended_at: sql<Date>`clock_timestamp()`, next_attempt_at: null })
    .where('status', 'in', ['pending', 'delivering'])
    .execute();
}
