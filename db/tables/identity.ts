import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { Json } from '../../workflows/definition/values.js';
import type { Created } from './columns.js';

export type Role = 'owner' | 'admin' | 'developer' | 'editor' | 'viewer';
export type MfaPolicy = 'off' | 'sensitive' | 'always';

/** A hint and no more: what the proxy in front makes of an address. */
export interface Location {
  readonly city: string | null;
  readonly region: string | null;
  /** ISO 3166-1, two letters. */
  readonly country: string | null;
}

/** Who there is and what they may. */
export interface IdentityTables {
  tenants: {
    id: string;
    name: string;
    slug: string;
    plan: Generated<string>;
    is_active: Generated<boolean>;
    settings: JSONColumnType<Record<string, Json>, string | undefined, string>;
    /** When members must have proved a second factor. */
    mfa_policy: Generated<MfaPolicy>;
    created_at: Created;
    updated_at: Created;
  };
  tenant_members: { tenant_id: string; user_id: string; role: Role; created_at: Created };
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
    /** When it was given what new workspaces begin with. */
    starters_at: Date | null;
  };
  users: {
    id: string;
    tenant_id: string;
    email: string;
    name: string;
    password_hash: string;
    is_platform_admin: Generated<boolean>;
    email_verified_at: Date | null;
    disabled_at: Date | null;
    /** The TOTP secret, sealed; enrolled but not yet proved while `totp_enabled_at` is null. */
    totp_sealed: string | null;
    totp_enabled_at: Date | null;
    /** The last 30-second step whose code was used: no code works twice. */
    totp_step: string | null;
    created_at: Created;
  };
  /** Failed sign-ins by SHA-256 of the address, whether or not anybody has it. */
  login_guards: { address_hash: string; failures: number; locked_until: Date };
  recovery_codes: { user_id: string; code_hash: string; used_at: Date | null };
  password_history: { user_id: string; password_hash: string; created_at: Created };
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
    ip: string | null;
    location: ColumnType<Location | null, string | null, never>;
    user_agent: string | null;
    last_seen_at: Date | null;
    /** When a second factor was proved in it. */
    mfa_at: Date | null;
    /** The one organisation it opens; null: every one its user is a member of. */
    bound_tenant_id: string | null;
  };
  api_keys: {
    id: string;
    tenant_id: string;
    workspace_id: string;
    name: string;
    environment: 'live' | 'test';
    key_hash: string;
    prefix: string;
    scopes: string[];
    /** Requests a minute; null: the installation's own. */
    rate_limit: number | null;
    created_by: string;
    created_at: Created;
    last_used_at: Date | null;
    revoked_at: Date | null;
  };
  org_tokens: {
    id: string;
    tenant_id: string;
    name: string;
    token_hash: string;
    prefix: string;
    created_by: string;
    created_at: Created;
    last_used_at: Date | null;
    revoked_at: Date | null;
  };
  service_account_tokens: {
    jti: string;
    account: string;
    tenant_id: string | null;
    scopes: string[];
    fingerprint: string | null;
    signing_kid: string;
    /** The token itself, sealed: an unexpired one is issued again to who asks for the same. */
    token_sealed: string;
    issued_by: string;
    issued_reason: string | null;
    issued_at: Date;
    expires_at: Date;
    revoked_at: Date | null;
    revoked_reason: string | null;
  };
  /** Embed tokens: what a page may run of one published definition. */
  deployments: {
    id: string;
    workspace_id: string;
    definition_id: string;
    channel: string;
    name: string | null;
    token_hash: string;
    prefix: string;
    allowed_origins: string[];
    theme: JSONColumnType<Record<string, Json>, string | undefined, string>;
    created_by: string;
    created_at: Created;
    last_used_at: Date | null;
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
