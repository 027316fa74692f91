import { sql } from 'kysely';
import { createBriefCache, type BriefCache, type BriefCacheSettings } from './brief-cache.js';
import type { Database } from './client.js';
import { NO_LIMITS, parseEgressRule, type EgressLimits } from './egress.js';

/** As an administrator wrote them. */
export interface EgressLists {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Named in the settings, so that writers of other settings leave it alone. */
const stored = sql<EgressLists | null>`tenants.settings->'egress'`;

const listsOf = (kept: Partial<EgressLists> | null | undefined): EgressLists => ({
  allow: kept?.allow ?? [],
  deny: kept?.deny ?? [],
});

/** undefined when there is no such organisation. */
export async function readEgressLists(db: Database, tenantId: string): Promise<EgressLists | undefined> {
  const row = await db.selectFrom('tenants').select(stored.as('lists')).where('id', '=', tenantId).executeTakeFirst();
  return row === undefined ? undefined : listsOf(row.lists);
}

/** False when there is no such organisation. */
export async function writeEgressLists(db: Database, tenantId: string, lists: EgressLists): Promise<boolean> {
  const text = JSON.stringify(listsOf(lists));
  const { numUpdatedRows } = await db
    .updateTable('tenants')
    .set({
      settings: sql<string>`settings || jsonb_build_object('egress', ${text}::jsonb)`,
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', tenantId)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The lists of a workspace's organisation. */
export type TenantLimits = BriefCache<EgressLimits>;

/** Kept for some seconds: a change counts everywhere within that time. */
export const createTenantLimits = (db: Database, settings: BriefCacheSettings = {}): TenantLimits =>
  createBriefCache((workspaceId) => readLimits(db, workspaceId), settings);

async function readLimits(db: Database, workspaceId: string): Promise<EgressLimits> {
  const row = await db
    .selectFrom('workspaces')
    .innerJoin('tenants', 'tenants.id', 'workspaces.tenant_id')
    .select(stored.as('lists'))
    .where('workspaces.id', '=', workspaceId)
    .executeTakeFirst();
  const { allow, deny } = listsOf(row?.lists);
  if (allow.length === 0 && deny.length === 0) return NO_LIMITS;
  return { allow: allow.map(parseEgressRule), deny: deny.map(parseEgressRule) };
}
