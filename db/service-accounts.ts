import { sql, type Insertable, type Selectable } from 'kysely';
import type { Database } from './client.js';
import { sha256Hex } from './crypto.js';
import type { Tables } from './tables.js';

export type ServiceAccountTokenRow = Selectable<Tables['service_account_tokens']>;

/** What makes two requests ask for the same token. */
export interface TokenIdentity {
  readonly account: string;
  readonly tenantId: string | null;
  /** Sorted. */
  readonly scopes: readonly string[];
  readonly fingerprint: string | null;
}

/** Runs `work` while nobody else issues the same token. */
export const whileIssuing = <T>(
  db: Database,
  identity: TokenIdentity,
  work: (trx: Database) => Promise<T>,
): Promise<T> =>
  db.transaction().execute(async (trx) => {
    const key = `service-account ${JSON.stringify(identity)}`;
    await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(trx);
    return work(trx);
  });

/** The newest live one. */
export const findSameToken = (
  db: Database,
  { account, tenantId, scopes, fingerprint }: TokenIdentity,
): Promise<ServiceAccountTokenRow | undefined> =>
  db
    .selectFrom('service_account_tokens')
    .selectAll()
    .where('account', '=', account)
    .where(sql<boolean>`tenant_id is not distinct from ${tenantId}`)
    .where(sql<boolean>`fingerprint is not distinct from ${fingerprint}`)
    .where(sql<boolean>`scopes = ${[...scopes]}::text[]`)
    .where('revoked_at', 'is', null)
    .where(sql<boolean>`expires_at > now()`)
    .orderBy('issued_at', 'desc')
    .executeTakeFirst();

export async function insertServiceAccountToken(
  db: Database,
  token: Insertable<Tables['service_account_tokens']>,
): Promise<void> {
  await db.insertInto('service_account_tokens').values(token).execute();
}

/** One that is neither revoked nor over, of an organisation that is not shut. */
export const findLiveToken = (db: Database, jti: string): Promise<ServiceAccountTokenRow | undefined> =>
  db
    .selectFrom('service_account_tokens as t')
    .leftJoin('tenants as o', 'o.id', 't.tenant_id')
    .selectAll('t')
    .where('t.jti', '=', jti)
    .where('t.revoked_at', 'is', null)
    .where(sql<boolean>`t.expires_at > now()`)
    .where(sql<boolean>`coalesce(o.is_active, true)`)
    .executeTakeFirst();

/** Whose tokens are looked at: one organisation's, or everybody's; with or without those of the whole platform. */
export interface TokenReach {
  readonly tenantId: string | null;
  readonly includeGlobal: boolean;
}

export interface ServiceAccountTokenFilter {
  readonly account?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly status: 'active' | 'revoked' | 'all';
  readonly limit: number;
  readonly offset: number;
}

/** Newest first. A token that is over is neither active nor revoked. */
export async function listServiceAccountTokens(
  db: Database,
  reach: TokenReach,
  filter: ServiceAccountTokenFilter,
): Promise<{ readonly items: readonly ServiceAccountTokenRow[]; readonly total: number }> {
  let found = db
    .selectFrom('service_account_tokens')
    .where((eb) =>
      eb.or([
        reach.tenantId === null ? eb('tenant_id', 'is not', null) : eb('tenant_id', '=', reach.tenantId),
        ...(reach.includeGlobal ? [eb('tenant_id', 'is', null)] : []),
      ]),
    );
  if (filter.account !== undefined) found = found.where('account', '=', filter.account);
  if (filter.fingerprint !== undefined) found = found.where('fingerprint', '=', filter.fingerprint);
  if (filter.status === 'revoked') found = found.where('revoked_at', 'is not', null);
  if (filter.status === 'active') {
    found = found.where('revoked_at', 'is', null).where(sql<boolean>`expires_at > now()`);
  }
  const items = await found
    .selectAll()
    .orderBy('issued_at', 'desc')
    .orderBy('jti', 'desc')
    .limit(filter.limit)
    .offset(filter.offset)
    .execute();
  const { total } = await found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow();
  return { items, total };
}

/** Without `tenantId` of whichever organisation. Nothing happens to an unknown, foreign or already revoked one. */
export async function revokeServiceAccountToken(
  db: Database,
  { jti, tenantId, reason }: { readonly jti: string; readonly tenantId: string | null; readonly reason: string },
): Promise<void> {
  await db
    .updateTable('service_account_tokens')
    .set({ revoked_at: sql<Date>`now()`, revoked_reason: reason })
    .where('jti', '=', jti)
    .where((eb) => (tenantId === null ? eb.lit(true) : eb('tenant_id', '=', tenantId)))
    .where('revoked_at', 'is', null)
    .execute();
}

/** False when the nonce was used before. */
export async function useNonce(
  db: Database,
  { nonce, seconds }: { readonly nonce: string; readonly seconds: number },
): Promise<boolean> {
  const row = await db
    .insertInto('service_account_nonces')
    .values({ nonce_hash: sha256Hex(nonce), expires_at: sql<Date>`now() + make_interval(secs => ${seconds})` })
    .onConflict((conflict) => conflict.column('nonce_hash').doNothing())
    .returning('nonce_hash')
    .executeTakeFirst();
  return row !== undefined;
}
