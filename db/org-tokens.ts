import { sql } from 'kysely';
import type { Database } from './client.js';

export interface OrgTokenRow {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly created_by: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

const columns = ['id', 'name', 'prefix', 'created_by', 'created_at', 'last_used_at'] as const;

/** Live ones, newest first. */
export const listOrgTokens = (
  db: Database,
  tenantId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<OrgTokenRow[]> =>
  db
    .selectFrom('org_tokens')
    .select(columns)
    .where('tenant_id', '=', tenantId)
    .where('revoked_at', 'is', null)
    .orderBy('id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();

export interface NewOrgToken {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly hash: string;
  readonly prefix: string;
  readonly createdBy: string;
  /** The most live tokens an organisation may have, this one included. */
  readonly atMost: number;
}

/** `missing` when there is no such organisation. Twins are counted one after the other. */
export function insertOrgToken(db: Database, token: NewOrgToken): Promise<OrgTokenRow | 'full' | 'missing'> {
  return db.transaction().execute(async (trx) => {
    const tenant = await trx
      .selectFrom('tenants')
      .select('id')
      .where('id', '=', token.tenantId)
      .where('is_active', '=', true)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (tenant === undefined) return 'missing';
    const { live } = await trx
      .selectFrom('org_tokens')
      .select(sql<number>`count(*)::int`.as('live'))
      .where('tenant_id', '=', token.tenantId)
      .where('revoked_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (live >= token.atMost) return 'full';
    return trx
      .insertInto('org_tokens')
      .values({
        id: token.id,
        tenant_id: token.tenantId,
        name: token.name,
        token_hash: token.hash,
        prefix: token.prefix,
        created_by: token.createdBy,
      })
      .returning(columns)
      .executeTakeFirstOrThrow();
  });
}

/** False for an unknown, foreign or already revoked one. */
export async function revokeOrgToken(db: Database, tenantId: string, id: string): Promise<boolean> {
  const row = await db
    .updateTable('org_tokens')
    .set({ revoked_at: sql<Date>`now()` })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
