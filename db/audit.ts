import { sql, type Insertable, type Selectable } from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

export type AuditRow = Selectable<Tables['audit_events']>;

/** The table takes nothing but inserts: a trigger refuses the rest. */
export async function insertAudit(db: Database, event: Insertable<Tables['audit_events']>): Promise<void> {
  await db.insertInto('audit_events').values(event).execute();
}

export interface AuditFilter {
  readonly action?: string | undefined;
  readonly entity_type?: string | undefined;
  readonly entity_id?: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Newest first. */
export async function listAudit(
  db: Database,
  workspaceId: string,
  filter: AuditFilter,
): Promise<{ readonly items: AuditRow[]; readonly total: number }> {
  let events = db.selectFrom('audit_events').where('workspace_id', '=', workspaceId);
  for (const column of ['action', 'entity_type', 'entity_id'] as const) {
    const value = filter[column];
    if (value !== undefined) events = events.where(column, '=', value);
  }
  const items = await events.selectAll().orderBy('id', 'desc').limit(filter.limit).offset(filter.offset).execute();
  const { total } = await events.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow();
  return { items, total };
}
