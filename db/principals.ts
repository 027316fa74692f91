import { sql } from 'kysely';
import type { Database } from './client.js';
import { PLATFORM_TENANT } from './identity.js';
import type { MfaPolicy, Role } from './tables.js';

/** Who holds a credential, and where it opens what: one query for each kind. */

export interface Principal {
  readonly userId: string;
  /** The session's organisation. */
  readonly tenantId: string;
  /** The user's role in it as a whole; null: a guest of single workspaces. */
  readonly tenantRole: Role | null;
  readonly workspaceId: string;
  /** The organisation of that workspace; null when there is no such workspace. */
  readonly workspaceTenantId: string | null;
  readonly isPlatformAdmin: boolean;
  readonly isVerified: boolean;
  readonly mfaPolicy: MfaPolicy;
  /** Whether the user proved a second factor in this session. */
  readonly hasMfa: boolean;
  readonly lastSeenAt: Date | null;
  /** Held in the workspace and its ancestors; empty when the workspace is gone or the user is no member. */
  readonly roles: readonly Role[];
}

/** Everything a signed-in request needs, in one query. Without `workspaceId` the session's own workspace is meant. */
export async function findPrincipal(
  db: Database,
  asked: { readonly sessionId: string; readonly userId: string; readonly workspaceId: string | undefined },
): Promise<Principal | undefined> {
  const { rows } = await sql<Principal>`
    select * from principal_of(${asked.sessionId}, ${asked.userId}, ${asked.workspaceId ?? null}, ${PLATFORM_TENANT})`.execute(
    db,
  );
  return rows[0];
}

/** The tables whose rows are credentials that a request shows as they are; all are kept as SHA-256. */
export type CredentialTable = 'workspace_tokens' | 'org_tokens' | 'api_keys' | 'deployments';

export interface TokenHolder {
  readonly id: string;
  readonly workspaceId: string;
  readonly tenantId: string;
  readonly lastUsedAt: Date | null;
}

export const findToken = (db: Database, tokenHash: string): Promise<TokenHolder | undefined> =>
  db
    .selectFrom('workspace_tokens as t')
    .innerJoin('workspaces as w', 'w.id', 't.workspace_id')
    .select(['t.id', 't.workspace_id as workspaceId', 'w.tenant_id as tenantId', 't.last_used_at as lastUsedAt'])
    .where('t.token_hash', '=', tokenHash)
    .where('t.revoked_at', 'is', null)
    .where('w.deleted_at', 'is', null)
    .executeTakeFirst();

/** Its `workspaceId` is the one asked for when that is the organisation's, else empty. */
export const findOrgToken = (
  db: Database,
  { tokenHash, workspaceId }: { readonly tokenHash: string; readonly workspaceId: string },
): Promise<TokenHolder | undefined> =>
  db
    .selectFrom('org_tokens as t')
    .innerJoin('tenants as o', 'o.id', 't.tenant_id')
    .leftJoin('workspaces as w', (join) =>
      join.onRef('w.tenant_id', '=', 't.tenant_id').on('w.id', '=', workspaceId).on('w.deleted_at', 'is', null),
    )
    .select(['t.id', 't.tenant_id as tenantId', 't.last_used_at as lastUsedAt'])
    .select(sql<string>`coalesce(w.id, '')`.as('workspaceId'))
    .where('t.token_hash', '=', tokenHash)
    .where('t.revoked_at', 'is', null)
    .where('o.is_active', '=', true)
    .executeTakeFirst();

export interface KeyHolder extends TokenHolder {
  readonly environment: 'live' | 'test';
  readonly scopes: readonly string[];
  readonly rateLimit: number | null;
}

export const findApiKey = (db: Database, keyHash: string): Promise<KeyHolder | undefined> =>
  db
    .selectFrom('api_keys as k')
    .innerJoin('workspaces as w', 'w.id', 'k.workspace_id')
    .innerJoin('tenants as o', 'o.id', 'k.tenant_id')
    .select(['k.id', 'k.workspace_id as workspaceId', 'k.tenant_id as tenantId', 'k.last_used_at as lastUsedAt'])
    .select(['k.environment', 'k.scopes', 'k.rate_limit as rateLimit'])
    .where('k.key_hash', '=', keyHash)
    .where('k.revoked_at', 'is', null)
    .where('w.deleted_at', 'is', null)
    .where('o.is_active', '=', true)
    .executeTakeFirst();

export interface EmbedHolder extends TokenHolder {
  readonly definitionId: string;
  readonly allowedOrigins: readonly string[];
  /** `rpm_cap_per_agent` of the workspace; null where it sets none. */
  readonly rpmCap: number | null;
}

export const findDeployment = (db: Database, tokenHash: string): Promise<EmbedHolder | undefined> =>
  db
    .selectFrom('deployments as d')
    .innerJoin('workspaces as w', 'w.id', 'd.workspace_id')
    .innerJoin('tenants as o', 'o.id', 'w.tenant_id')
    .select(['d.id', 'd.workspace_id as workspaceId', 'w.tenant_id as tenantId', 'd.last_used_at as lastUsedAt'])
    .select(['d.definition_id as definitionId', 'd.allowed_origins as allowedOrigins'])
    .select(
      sql<number | null>`case jsonb_typeof(w.settings -> 'rpm_cap_per_agent') when 'number'
        then nullif(greatest(0, floor((w.settings ->> 'rpm_cap_per_agent')::numeric)), 0)::float8 end`.as('rpmCap'),
    )
    .where('d.token_hash', '=', tokenHash)
    .where('d.revoked_at', 'is', null)
    .where('w.deleted_at', 'is', null)
    .where('o.is_active', '=', true)
    .executeTakeFirst();

export interface ServiceAccountHolder {
  readonly jti: string;
  readonly account: string;
  /** null: the whole platform. */
  readonly tenantId: string | null;
  /** The organisation's first workspace; empty without one. */
  readonly workspaceId: string;
  readonly scopes: readonly string[];
}

/** A service account's token that is neither revoked nor over. */
export const findServiceAccount = (db: Database, jti: string): Promise<ServiceAccountHolder | undefined> =>
  db
    .selectFrom('service_account_tokens as t')
    .select(['t.jti', 't.account', 't.tenant_id as tenantId', 't.scopes'])
    .select(
      sql<string>`coalesce((select w.id from workspaces w where w.tenant_id = t.tenant_id and w.deleted_at is null
        order by w.parent_id is not null, w.created_at, w.id limit 1), '')`.as('workspaceId'),
    )
    .where('t.jti', '=', jti)
    .where('t.revoked_at', 'is', null)
    .where(sql<boolean>`t.expires_at > now()`)
    .where(sql<boolean>`not exists (select from tenants o where o.id = t.tenant_id and not o.is_active)`)
    .executeTakeFirst();

/** At most once a minute, whoever asks. */
export async function touchCredential(db: Database, table: CredentialTable, id: string): Promise<void> {
  await sql`update ${sql.table(table)} set last_used_at = now()
    where id = ${id} and coalesce(last_used_at < now() - interval '1 minute', true)`.execute(db);
}

export async function touchSession(db: Database, id: string): Promise<void> {
  await sql`update sessions set last_seen_at = now()
    where id = ${id} and coalesce(last_seen_at < now() - interval '1 minute', true)`.execute(db);
}
