import { sql } from 'kysely';
import type { Database } from './client.js';

/** How an endpoint has been doing. Written only where it changes: most deliveries come through and leave the row alone. */

export async function noteDelivered(db: Database, endpointId: string): Promise<void> {
  await db
    .updateTable('webhook_endpoints')
    .set({ failing_since: null, dead_in_a_row: 0 })
    .where('id', '=', endpointId)
    .where((eb) => eb.or([eb('failing_since', 'is not', null), eb('dead_in_a_row', '>', 0)]))
    .execute();
}

export async function noteFailed(db: Database, endpointId: string): Promise<void> {
  await db
    .updateTable('webhook_endpoints')
    .set({ failing_since: sql<Date>`clock_timestamp()` })
    .where('id', '=', endpointId)
    .where('failing_since', 'is', null)
    .execute();
}

export interface Decline {
  readonly deadInARow: number;
  readonly failingForDays: number;
}

/** One more delivery was given up. */
export async function noteDead(db: Database, endpointId: string): Promise<Decline> {
  const { rows } = await sql<{ dead: number; days: number }>`
    update webhook_endpoints set dead_in_a_row = dead_in_a_row + 1,
      failing_since = coalesce(failing_since, clock_timestamp())
    where id = ${endpointId}
    returning dead_in_a_row as dead,
      extract(epoch from clock_timestamp() - failing_since)::float8 / 86400 as days`.execute(db);
  return { deadInARow: rows[0]?.dead ?? 0, failingForDays: rows[0]?.days ?? 0 };
}

export interface DisabledEndpoint {
  readonly id: string;
  readonly tenantId: string;
  readonly workspaceId: string | null;
  readonly url: string;
}

/**
 * Turns an endpoint off and gives up what waits for it: it can be sent again once the endpoint is on. Undefined when it
 * was off before, so that one process alone tells of it.
 */
export async function disableEndpoint(db: Database, id: string, reason: string): Promise<DisabledEndpoint | undefined> {
  const { rows } = await sql<{ tenant_id: string; workspace_id: string | null; url: string }>`
    with off as (
      update webhook_endpoints set is_active = false, disabled_reason = ${reason}, disabled_at = clock_timestamp(),
        updated_at = clock_timestamp()
      where id = ${id} and is_active and deleted_at is null returning tenant_id, workspace_id, url
    ), given_up as (
      update webhook_deliveries set status = 'dead', last_error = ${reason}, ended_at = clock_timestamp(),
        next_attempt_at = null
      where endpoint_id = ${id} and status = 'pending' and attempts = 0 and type <> 'webhook.test'
        and exists (select from off)
    )
    select tenant_id, workspace_id, url from off`.execute(db);
  const [off] = rows;
  return off === undefined ? undefined : { id, tenantId: off.tenant_id, workspaceId: off.workspace_id, url: off.url };
}

/** The addresses of who owns an organisation. */
export async function ownerAddresses(db: Database, tenantId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('tenant_members')
    .innerJoin('users', 'users.id', 'tenant_members.user_id')
    .select('users.email')
    .where('tenant_members.tenant_id', '=', tenantId)
    .where('tenant_members.role', '=', 'owner')
    .execute();
  return rows.map(({ email }) => email);
}
