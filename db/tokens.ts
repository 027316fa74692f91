import { sql } from 'kysely';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

export interface TokenRow {
  readonly id: string;
  readonly prefix: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

/** Live ones, newest first. */
export const listTokens = (
  db: Database,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<TokenRow[]> =>
  scoped(db, workspaceId)
    .select('workspace_tokens')
    .select(['id', 'prefix', 'created_at', 'last_used_at'])
    .where('revoked_at', 'is', null)
    .orderBy('id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();

export interface NewToken {
  readonly id: string;
  readonly workspaceId: string;
  /** Only when the workspace is this organisation's. */
  readonly tenantId?: string | undefined;
  readonly hash: string;
  readonly prefix: string;
  readonly createdBy: string;
  /** The most live tokens a workspace may have, this one included. */
  readonly atMost: number;
}

/** `full` when the workspace has all it may have, `missing` when there is no such workspace. Twins are counted one after the other. */
export function insertToken(db: Database, token: NewToken): Promise<'made' | 'full' | 'missing'> {
  return db.transaction().execute(async (trx) => {
    const workspace = await trx
      .selectFrom('workspaces')
      .select('id')
      .where('id', '=', token.workspaceId)
      .where('deleted_at', 'is', null)
      .where((eb) => (token.tenantId === undefined ? eb.lit(true) : eb('tenant_id', '=', token.tenantId)))
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (workspace === undefined) return 'missing';
    const { live } = await scoped(trx, token.workspaceId)
      .select('workspace_tokens')
      .select(sql<number>`count(*)::int`.as('live'))
      .where('revoked_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (live >= token.atMost) return 'full';
    await scoped(trx, token.workspaceId)
      .insert('workspace_tokens', {
        id: token.id,
        token_hash: token.hash,
        prefix: token.prefix,
        created_by: token.createdBy,
      })
      .execute();
    return 'made';
  });
}

/** False for an unknown, foreign or already revoked one. */
export async function revokeToken(db: Database, workspaceId: string, tokenId: string): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .update('workspace_tokens', tokenId)
    .set({ revoked_at: sql<Date>`now()` })
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
