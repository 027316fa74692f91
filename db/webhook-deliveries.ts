import { sql, type Selectable } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { DeliveryStatus } from './tables/webhooks.js';
import type { Tables } from './tables.js';

export type DeliveryRow = Omit<Selectable<Tables['webhook_deliveries']>, 'payload' | 'event_key'>;
export type AttemptRow = Selectable<Tables['webhook_attempts']>;

const columns = [
  'id',
  'endpoint_id',
  'workspace_id',
  'tenant_id',
  'event_id',
  'type',
  'run_id',
  'seq',
  'status',
  'attempts',
  'next_attempt_at',
  'last_status',
  'last_error',
  'created_at',
  'dispatched_at',
  'delivered_at',
  'ended_at',
  'redriven_from',
] as const;

export interface DeliveryFilter {
  readonly status?: DeliveryStatus | undefined;
  readonly type?: string | undefined;
  readonly run_id?: string | undefined;
}

export interface DeliveriesAsked extends DeliveryFilter {
  readonly endpointId: string;
  /** Those older than this one. */
  readonly before: string | null;
  readonly limit: number;
}

/** Newest first; ids sort by time. */
export function listDeliveries(
  db: Database,
  workspaceId: string,
  { endpointId, before, limit, ...filter }: DeliveriesAsked,
): Promise<readonly DeliveryRow[]> {
  let query = scoped(db, workspaceId)
    .select('webhook_deliveries')
    .select(columns)
    .where('endpoint_id', '=', endpointId);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (filter.type !== undefined) query = query.where('type', '=', filter.type);
  if (filter.run_id !== undefined) query = query.where('run_id', '=', filter.run_id);
  if (before !== null) query = query.where('id', '<', before);
  return query.orderBy('id', 'desc').limit(limit).execute();
}

export interface DeliveryDetail extends DeliveryRow {
  readonly payload: Json | null;
  readonly log: readonly AttemptRow[];
}

export async function findDelivery(db: Database, workspaceId: string, id: string): Promise<DeliveryDetail | undefined> {
  const row = await scoped(db, workspaceId)
    .select('webhook_deliveries')
    .select([...columns, 'payload'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const log = await db
    .selectFrom('webhook_attempts')
    .selectAll()
    .where('delivery_id', '=', id)
    .orderBy('number')
    .execute();
  return { ...row, log };
}

export interface TestDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly tenantId: string;
  readonly eventId: string;
  readonly type: string;
}

/** A delivery of no run; made again under the same id it is the same. */
export async function insertTestDelivery(
  db: Database,
  workspaceId: string,
  { id, endpointId, tenantId, eventId, type }: TestDelivery,
): Promise<void> {
  await scoped(db, workspaceId)
    .insert('webhook_deliveries', { id, endpoint_id: endpointId, tenant_id: tenantId, event_id: eventId, type })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

/** Sends the same bytes under the same id once more; made again under the same id it is the same. */
export async function redriveDelivery(
  db: Database,
  workspaceId: string,
  { of, id }: { readonly of: string; readonly id: string },
): Promise<void> {
  await sql`insert into webhook_deliveries (id, endpoint_id, workspace_id, tenant_id, event_id, type, run_id, seq,
      event_key, payload, redriven_from)
    select ${id}, endpoint_id, workspace_id, tenant_id, event_id, type, run_id, seq, event_key, payload, id
    from webhook_deliveries where id = ${of} and workspace_id = ${workspaceId}
    on conflict (id) do nothing`.execute(db);
}

/** The same for all that were given up since then and were not sent again, the oldest first. Answers how many. */
export async function redriveDead(
  db: Database,
  workspaceId: string,
  { endpointId, since, limit }: { readonly endpointId: string; readonly since: Date; readonly limit: number },
): Promise<number> {
  const result = await sql`insert into webhook_deliveries (id, endpoint_id, workspace_id, tenant_id, event_id, type,
      run_id, seq, event_key, payload, redriven_from)
    select new_webhook_delivery_id(), endpoint_id, workspace_id, tenant_id, event_id, type, run_id, seq, event_key, payload, id
    from webhook_deliveries dead
    where endpoint_id = ${endpointId} and workspace_id = ${workspaceId} and status = 'dead' and created_at >= ${since}
      and not exists (select from webhook_deliveries again where again.redriven_from = dead.id)
    order by created_at, id limit ${limit}`.execute(db);
  return Number(result.numAffectedRows ?? 0n);
}
