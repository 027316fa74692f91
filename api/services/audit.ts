import { listAudit, readAudit, type AuditFilter, type AuditPageAsked, type AuditRow } from '../../db/audit.js';
import { createAuditChain } from '../../db/audit-chain.js';
import { createAuditSeal } from '../../db/audit-seal.js';
import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import type { Json } from '../../workflows/definition/values.js';
import { currentOrigin } from './audit-origin.js';
import { auditText, type ExportFormat } from './audit-export.js';

export interface AuditEntry {
  readonly workspaceId: string | null;
  /** Of what belongs to no workspace; absent: the workspace's. */
  readonly tenantId?: string | null;
  readonly actorType: string;
  readonly actorId: string;
  readonly action: string;
  readonly entityType: string;
  readonly entityId: string;
  /** Never a secret, a token or a body. */
  readonly metadata?: Readonly<Record<string, Json>>;
  /** What was there, secrets left out; absent or null: nothing. */
  readonly before?: Json;
  readonly after?: Json;
  /** The caller's address; absent: that of the request under way. */
  readonly ip?: string | undefined;
  /** null: the request under way, if there is one. */
  readonly requestId: string | null;
}

export interface AuditPage {
  readonly items: (AuditRow & { readonly actor: string })[];
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
}

export interface AuditService {
  /** Resolves when the entry stands at the end of its chain. */
  readonly record: (entry: AuditEntry) => Promise<void>;
  /** Newest first. */
  readonly list: (workspaceId: string, asked: AuditPageAsked) => Promise<AuditPage>;
  /** Everything in the order it happened, in pieces of text. */
  readonly export: (workspaceId: string, filter: AuditFilter, format: ExportFormat) => AsyncIterable<string>;
}

export interface AuditDeps {
  readonly db: Database;
  readonly masterKey: Buffer;
}

export function createAuditService({ db, masterKey }: AuditDeps): AuditService {
  const append = createAuditChain({ db, seal: createAuditSeal(masterKey) });
  return {
    record: (entry) =>
      append({
        id: newId('aud'),
        workspace_id: entry.workspaceId,
        tenant_id: entry.tenantId,
        actor_type: entry.actorType,
        actor_id: entry.actorId,
        action: entry.action,
        entity_type: entry.entityType,
        entity_id: entry.entityId,
        metadata: entry.metadata ?? {},
        ip: entry.ip ?? currentOrigin()?.ip ?? null,
        request_id: entry.requestId ?? currentOrigin()?.requestId ?? null,
        before: textOf(entry.before),
        after: textOf(entry.after),
      }),
    list: async (workspaceId, asked) => {
      const { items, total } = await listAudit(db, workspaceId, asked);
      const { limit, offset } = asked;
      return { items: items.map((item) => ({ ...item, actor: item.actor_id })), total, limit, offset };
    },
    export: (workspaceId, filter, format) => auditText(readAudit(db, workspaceId, filter), format),
  };
}

const textOf = (value: Json | undefined): string | null =>
  value === undefined || value === null ? null : JSON.stringify(value);
