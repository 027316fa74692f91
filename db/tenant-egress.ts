import { sql } from 'kysely';
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

export interface TenantLimits {
  /** The lists of the workspace's organisation. */
  readonly of: (workspaceId: string) => Promise<EgressLimits>;
  /** The next question is answered from the database. */
  readonly clear: () => void;
}

const FRESH_MS = 5_000;
const MOST_KEPT = 10_000;

interface Kept {
  readonly until: number;
  readonly limits: Promise<EgressLimits>;
}

/** Kept for some seconds: a change counts everywhere within that time. */
export function createTenantLimits(db: Database, { freshMs = FRESH_MS, now = Date.now } = {}): TenantLimits {
  const kept = new Map<string, Kept>();
  return {
    of: (workspaceId) => {
      const known = kept.get(workspaceId);
      if (known !== undefined && known.until > now()) return known.limits;
      if (kept.size >= MOST_KEPT) kept.clear();
      const limits = readLimits(db, workspaceId);
      kept.set(workspaceId, { until: now() + freshMs, limits });
      limits.catch(() => kept.delete(workspaceId));
      return limits;
    },
    clear: () => kept.clear(),
  };
}

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
