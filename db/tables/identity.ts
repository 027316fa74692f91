import type { Generated, JSONColumnType } from 'kysely';
import type { Json } from '../../workflows/definition/values.js';
import type { Created } from './columns.js';

export type Role = 'owner' | 'admin' | 'developer' | 'editor' | 'viewer';

/** Who there is and what they may. */
export interface IdentityTables {
  tenants: { id: string; name: string; created_at: Created };
  workspaces: {
    id: string;
    tenant_id: string;
    parent_id: string | null;
    slug: string;
    name: string;
    settings: JSONColumnType<Record<string, Json>, string | undefined, string>;
    max_concurrent_tasks: Generated<number>;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  users: {
    id: string;
    tenant_id: string;
    email: string;
    name: string;
    password_hash: string;
    is_platform_admin: Generated<boolean>;
    failed_logins: Generated<number>;
    locked_until: Date | null;
    created_at: Created;
  };
  memberships: { user_id: string; workspace_id: string; role: Role; created_at: Created };
  sessions: {
    id: string;
    user_id: string;
    workspace_id: string;
    /** SHA-256 of the live refresh token. */
    token_hash: string;
    /** SHA-256 of the one before: its second use is theft and ends the session. */
    previous_hash: string | null;
    created_at: Created;
    rotated_at: Created;
    expires_at: Date;
    revoked_at: Date | null;
  };
  workspace_tokens: {
    id: string;
    workspace_id: string;
    token_hash: string;
    prefix: string;
    created_by: string;
    created_at: Created;
    last_used_at: Date | null;
    revoked_at: Date | null;
  };
  secrets: { workspace_id: string; name: string; ciphertext: string; created_at: Created; updated_at: Created };
  audit_events: {
    id: string;
    workspace_id: string | null;
    actor_type: string;
    actor_id: string;
    action: string;
    entity_type: string;
    entity_id: string;
    metadata: JSONColumnType<Record<string, Json>, string | undefined, never>;
    request_id: string | null;
    created_at: Created;
  };
  idempotency_keys: {
    scope: string;
    route: string;
    key: string;
    seed: string;
    body_hash: string;
    status: number | null;
    reply: string | null;
    created_at: Created;
    claimed_until: Date;
  };
}
