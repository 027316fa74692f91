import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { Json } from '../../workflows/definition/values.js';

/** Written once, as text; read as what the text says. */
type JsonText = ColumnType<Json, string | null, never>;

/** What was done; see `db/audit-chain.ts`. */
export interface AuditTables {
  audit_events: {
    id: string;
    workspace_id: string | null;
    /** The organisation of the workspace, or the one acted for. */
    tenant_id: string | null;
    actor_type: string;
    actor_id: string;
    action: string;
    entity_type: string;
    entity_id: string;
    metadata: JSONColumnType<Record<string, Json>, string | undefined, never>;
    /** The caller's address. */
    ip: string | null;
    request_id: string | null;
    /** What was there, secrets left out. */
    before: JsonText;
    after: JsonText;
    chain: string;
    /** Counts without a gap from 1; entries from before there were chains end at 0. */
    seq: number;
    prev_hash: string | null;
    hash: string | null;
    created_at: Generated<Date>;
  };
  /** The last entry of each chain; `mac` seals it. */
  audit_heads: { chain: string; seq: number; hash: string; mac: string };
}
