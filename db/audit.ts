import { sql, type Selectable, type SelectQueryBuilder } from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

export type AuditRow = Selectable<Tables['audit_events']>;

export interface AuditFilter {
  readonly action?: string | undefined;
  readonly entity_type?: string | undefined;
  readonly entity_id?: string | undefined;
  readonly actor_id?: string | undefined;
  /** From this time on. */
  readonly since?: Date | undefined;
  /** Before this time. */
  readonly until?: Date | undefined;
}

export interface AuditPageAsked extends AuditFilter {
  readonly limit: number;
  readonly offset: number;
}

/** Newest first. */
export async function listAudit(
  db: Database,
  workspaceId: string,
  asked: AuditPageAsked,
): Promise<{ readonly items: AuditRow[]; readonly total: number }> {
  const events = chosen(db, workspaceId, asked);
  const items = await events.selectAll().orderBy('seq', 'desc').limit(asked.limit).offset(asked.offset).execute();
  const { total } = await events.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow();
  return { items, total };
}

const PAGE = 500;
const BEFORE_ALL = -2_147_483_648;

/** Oldest first, a page at a time. */
export async function* readAudit(
  db: Database,
  workspaceId: string,
  filter: AuditFilter,
): AsyncIterable<readonly AuditRow[]> {
  let after = BEFORE_ALL;
  for (;;) {
    const rows = await chosen(db, workspaceId, filter)
      .selectAll()
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last.seq;
  }
}

function chosen(
  db: Database,
  workspaceId: string,
  { since, until, ...equal }: AuditFilter,
): SelectQueryBuilder<Tables, 'audit_events', Record<never, never>> {
  let events = db.selectFrom('audit_events').where('workspace_id', '=', workspaceId);
  for (const column of ['action', 'entity_type', 'entity_id', 'actor_id'] as const) {
    const value = equal[column];
    if (value !== undefined) events = events.where(column, '=', value);
  }
  if (since !== undefined) events = events.where('created_at', '>=', since);
  return until === undefined ? events : events.where('created_at', '<', until);
}
