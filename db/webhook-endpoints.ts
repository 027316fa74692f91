import { sql, type Selectable } from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

export type EndpointRow = Selectable<Tables['webhook_endpoints']>;

/** Who looks: the endpoints of the workspace, and those of the whole organisation. */
export interface EndpointsOf {
  readonly tenantId: string;
  readonly workspaceId: string;
}

const liveOf = (db: Database, { tenantId, workspaceId }: EndpointsOf) =>
  db
    .selectFrom('webhook_endpoints')
    .where('tenant_id', '=', tenantId)
    .where((eb) => eb.or([eb('workspace_id', 'is', null), eb('workspace_id', '=', workspaceId)]))
    .where('deleted_at', 'is', null);

/** Newest first. */
export async function listEndpoints(
  db: Database,
  of: EndpointsOf,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly EndpointRow[]; readonly total: number }> {
  const items = await liveOf(db, of).selectAll().orderBy('id', 'desc').limit(page.limit).offset(page.offset).execute();
  const { total } = await liveOf(db, of)
    .select(sql<number>`count(*)::int`.as('total'))
    .executeTakeFirstOrThrow();
  return { items, total };
}

export const findEndpoint = (db: Database, of: EndpointsOf, id: string): Promise<EndpointRow | undefined> =>
  liveOf(db, of).selectAll().where('id', '=', id).executeTakeFirst();

export interface NewEndpoint {
  readonly id: string;
  readonly tenantId: string;
  readonly workspaceId: string | null;
  readonly url: string;
  readonly description: string;
  readonly eventTypes: readonly string[];
  readonly definitionIds: readonly string[];
  readonly includeChildren: boolean;
  readonly includeTests: boolean;
  readonly timeoutSeconds: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly secretSealed: string;
  readonly source: 'api' | 'tenant_settings';
  readonly createdBy: string;
}

/** Undefined when the organisation has as many as it may. */
export async function insertEndpoint(
  db: Database,
  endpoint: NewEndpoint,
  atMost: number,
): Promise<EndpointRow | undefined> {
  return db.transaction().execute(async (trx) => {
    // two at once count one after the other
    await trx.selectFrom('tenants').select('id').where('id', '=', endpoint.tenantId).forUpdate().execute();
    const { total } = await trx
      .selectFrom('webhook_endpoints')
      .select(sql<number>`count(*)::int`.as('total'))
      .where('tenant_id', '=', endpoint.tenantId)
      .where('deleted_at', 'is', null)
      .executeTakeFirstOrThrow();
    return total >= atMost ? undefined : writeEndpoint(trx, endpoint);
  });
}

export const writeEndpoint = (db: Database, endpoint: NewEndpoint): Promise<EndpointRow> =>
  db
    .insertInto('webhook_endpoints')
    .values({
      id: endpoint.id,
      tenant_id: endpoint.tenantId,
      workspace_id: endpoint.workspaceId,
      url: endpoint.url,
      description: endpoint.description,
      event_types: [...endpoint.eventTypes],
      definition_ids: [...endpoint.definitionIds],
      include_children: endpoint.includeChildren,
      include_tests: endpoint.includeTests,
      timeout_seconds: endpoint.timeoutSeconds,
      headers: JSON.stringify(endpoint.headers),
      secret_sealed: endpoint.secretSealed,
      source: endpoint.source,
      created_by: endpoint.createdBy,
    })
    .returningAll()
    .executeTakeFirstOrThrow();

export interface EndpointChange {
  readonly url?: string | undefined;
  readonly description?: string | undefined;
  readonly event_types?: readonly string[] | undefined;
  readonly definition_ids?: readonly string[] | undefined;
  readonly include_children?: boolean | undefined;
  readonly include_tests?: boolean | undefined;
  readonly is_active?: boolean | undefined;
  readonly timeout_seconds?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Turned on it begins anew, whatever it was turned off for. */
export function changeEndpoint(db: Database, id: string, change: EndpointChange): Promise<EndpointRow | undefined> {
  const { event_types: types, definition_ids: definitions, headers, is_active: isActive, ...plain } = change;
  const anew = { disabled_reason: null, disabled_at: null, failing_since: null, dead_in_a_row: 0 };
  return db
    .updateTable('webhook_endpoints')
    .set({
      ...plain,
      ...(types === undefined ? {} : { event_types: [...types] }),
      ...(definitions === undefined ? {} : { definition_ids: [...definitions] }),
      ...(headers === undefined ? {} : { headers: JSON.stringify(headers) }),
      ...(isActive === undefined ? {} : { is_active: isActive }),
      ...(isActive === true ? anew : {}),
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
}

/** The endpoint is gone for good, and what waited for it with it. */
export async function deleteEndpoint(db: Database, id: string): Promise<void> {
  await sql`with gone as (
      update webhook_endpoints set deleted_at = now(), is_active = false, updated_at = now()
      where id = ${id} and deleted_at is null returning id
    )
    update webhook_deliveries set status = 'cancelled', last_error = 'The endpoint was deleted.',
      ended_at = clock_timestamp(), next_attempt_at = null
    where endpoint_id in (select id from gone) and status = 'pending'`.execute(db);
}

export interface NewSecret {
  readonly secretSealed: string;
  /** Absent: the one before stops signing at once. */
  readonly previous?: { readonly sealed: string; readonly seconds: number } | undefined;
}

export function replaceSecret(
  db: Database,
  id: string,
  { secretSealed, previous }: NewSecret,
): Promise<EndpointRow | undefined> {
  return db
    .updateTable('webhook_endpoints')
    .set({
      secret_sealed: secretSealed,
      previous_secret_sealed: previous?.sealed ?? null,
      previous_expires_at:
        previous === undefined ? null : sql<Date>`now() + make_interval(secs => ${previous.seconds})`,
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
}

/** The one that `settings.webhook_url` stands for. */
export const settingEndpoint = (db: Database, tenantId: string): Promise<EndpointRow | undefined> =>
  db
    .selectFrom('webhook_endpoints')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('source', '=', 'tenant_settings')
    .where('deleted_at', 'is', null)
    .executeTakeFirst();

/** Which of these are no definitions of the organisation, or of the one workspace. */
export async function unknownDefinitions(
  db: Database,
  { tenantId, workspaceId }: { readonly tenantId: string; readonly workspaceId: string | null },
  ids: readonly string[],
): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const known = await db
    .selectFrom('definitions')
    .innerJoin('workspaces', 'workspaces.id', 'definitions.workspace_id')
    .select('definitions.id')
    .where('workspaces.tenant_id', '=', tenantId)
    .where('definitions.id', 'in', [...ids])
    .where('definitions.deleted_at', 'is', null)
    .$if(workspaceId !== null, (query) => query.where('workspaces.id', '=', workspaceId))
    .execute();
  const names = new Set(known.map(({ id }) => id));
  return ids.filter((id) => !names.has(id));
}

/** An owner or administrator of the organisation: an endpoint of all its workspaces is theirs. */
export async function isTenantAdmin(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<boolean> {
  const row = await db
    .selectFrom('tenant_members')
    .select('role')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return row?.role === 'owner' || row?.role === 'admin';
}
