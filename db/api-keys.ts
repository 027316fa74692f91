import { sql } from 'kysely';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly environment: 'live' | 'test';
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly rate_limit: number | null;
  readonly created_by: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
  readonly revoked_at: Date | null;
}

const columns = [
  'id',
  'name',
  'environment',
  'prefix',
  'scopes',
  'rate_limit',
  'created_by',
  'created_at',
  'last_used_at',
  'revoked_at',
] as const;

/** Whose keys: those of one workspace and, with `createdBy`, only that person's. */
export interface KeyOwner {
  readonly workspaceId: string;
  readonly createdBy: string | undefined;
}

/** Newest first, revoked ones too. */
export async function listApiKeys(
  db: Database,
  { workspaceId, createdBy }: KeyOwner,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: ApiKeyRow[]; readonly total: number }> {
  const mine = () =>
    scoped(db, workspaceId)
      .select('api_keys')
      .where((eb) => (createdBy === undefined ? eb.lit(true) : eb('created_by', '=', createdBy)));
  const items = await mine().select(columns).orderBy('id', 'desc').limit(page.limit).offset(page.offset).execute();
  const { total } = await mine()
    .select(sql<number>`count(*)::int`.as('total'))
    .executeTakeFirstOrThrow();
  return { items, total };
}

export interface NewApiKey {
  readonly id: string;
  readonly tenantId: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly environment: 'live' | 'test';
  readonly hash: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly rateLimit: number | null;
  readonly createdBy: string;
  /** The most live keys a workspace may have, this one included. */
  readonly atMost: number;
}

/** `taken` when a live key has the name. Twins are counted one after the other. */
export function insertApiKey(db: Database, key: NewApiKey): Promise<ApiKeyRow | 'full' | 'missing' | 'taken'> {
  return db.transaction().execute(async (trx) => {
    const workspace = await trx
      .selectFrom('workspaces')
      .select('id')
      .where('id', '=', key.workspaceId)
      .where('tenant_id', '=', key.tenantId)
      .where('deleted_at', 'is', null)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (workspace === undefined) return 'missing';
    const { live } = await scoped(trx, key.workspaceId)
      .select('api_keys')
      .select(sql<number>`count(*)::int`.as('live'))
      .where('revoked_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (live >= key.atMost) return 'full';
    const row = await scoped(trx, key.workspaceId)
      .insert('api_keys', {
        id: key.id,
        tenant_id: key.tenantId,
        name: key.name,
        environment: key.environment,
        key_hash: key.hash,
        prefix: key.prefix,
        scopes: [...key.scopes],
        rate_limit: key.rateLimit,
        created_by: key.createdBy,
      })
      .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).where('revoked_at', 'is', null).doNothing())
      .returning(columns)
      .executeTakeFirst();
    return row ?? 'taken';
  });
}

const ofOwner = (createdBy: string | undefined) =>
  createdBy === undefined ? sql<boolean>`true` : sql<boolean>`created_by = ${createdBy}`;

/** undefined for an unknown, foreign or revoked one. */
export const updateApiKey = (
  db: Database,
  { workspaceId, createdBy }: KeyOwner,
  change: {
    readonly id: string;
    readonly name?: string | undefined;
    readonly scopes?: readonly string[] | undefined;
    readonly rateLimit?: number | null | undefined;
  },
): Promise<ApiKeyRow | undefined> =>
  scoped(db, workspaceId)
    .update('api_keys', change.id)
    .set({
      id: change.id, // so that a change of nothing is a statement too
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.scopes === undefined ? {} : { scopes: [...change.scopes] }),
      ...(change.rateLimit === undefined ? {} : { rate_limit: change.rateLimit }),
    })
    .where('revoked_at', 'is', null)
    .where(ofOwner(createdBy))
    .returning(columns)
    .executeTakeFirst();

/** False for an unknown, foreign or already revoked one. */
export async function revokeApiKey(db: Database, { workspaceId, createdBy }: KeyOwner, id: string): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .update('api_keys', id)
    .set({ revoked_at: sql<Date>`now()` })
    .where('revoked_at', 'is', null)
    .where(ofOwner(createdBy))
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** The workspaces in which somebody has live keys. */
export async function workspacesWithKeysOf(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('api_keys')
    .select('workspace_id')
    .distinct()
    .where('tenant_id', '=', tenantId)
    .where('created_by', '=', userId)
    .where('revoked_at', 'is', null)
    .execute();
  return rows.map((row) => row.workspace_id);
}

/** Revokes those of somebody's keys that may more than `allowed`. */
export async function revokeKeysBeyond(
  db: Database,
  {
    workspaceId,
    userId,
    allowed,
  }: { readonly workspaceId: string; readonly userId: string; readonly allowed: readonly string[] },
): Promise<void> {
  await db
    .updateTable('api_keys')
    .set({ revoked_at: sql<Date>`now()` })
    .where('workspace_id', '=', workspaceId)
    .where('created_by', '=', userId)
    .where('revoked_at', 'is', null)
    .where(sql<boolean>`(not scopes <@ ${[...allowed]}::text[] or ${allowed.length === 0}::boolean)`)
    .execute();
}
