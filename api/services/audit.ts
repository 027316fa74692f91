import { insertAudit, listAudit, type AuditFilter, type AuditRow } from '../../db/audit.js';
import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import type { Json } from '../../workflows/definition/values.js';

export interface AuditEntry {
  readonly workspaceId: string | null;
  readonly actorType: string;
  readonly actorId: string;
  readonly action: string;
  readonly entityType: string;
  readonly entityId: string;
  /** Never a secret, a token or a body. */
  readonly metadata?: Readonly<Record<string, Json>>;
  /** The caller's address. */
  readonly ip?: string | undefined;
  readonly requestId: string | null;
}

export interface AuditPage {
  readonly items: (AuditRow & { readonly actor: string })[];
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
}

export interface AuditService {
  readonly record: (entry: AuditEntry) => Promise<void>;
  /** Newest first. */
  readonly list: (workspaceId: string, filter: AuditFilter) => Promise<AuditPage>;
}

export const createAuditService = ({ db }: { readonly db: Database }): AuditService => ({
  record: (entry) =>
    insertAudit(db, {
      id: newId('aud'),
      workspace_id: entry.workspaceId,
      actor_type: entry.actorType,
      actor_id: entry.actorId,
      action: entry.action,
      entity_type: entry.entityType,
      entity_id: entry.entityId,
      metadata: JSON.stringify(entry.metadata ?? {}),
      request_id: entry.requestId,
    }),
  list: async (workspaceId, filter) => {
    const { items, total } = await listAudit(db, workspaceId, filter);
    return {
      items: items.map((item) => ({ ...item, actor: item.actor_id })),
      total,
      limit: filter.limit,
      offset: filter.offset,
    };
  },
});
