import { sql, type Kysely } from 'kysely';

/** One identity model for every surface: organisations and their members, keys and tokens of every kind, sign-in guards. */
const statements = [
  `alter table tenants add column slug text, add column plan text not null default 'FREE',
    add column is_active boolean not null default true, add column settings jsonb not null default '{}',
    add column mfa_policy text not null default 'off' check (mfa_policy in ('off', 'sensitive', 'always')),
    add column updated_at timestamptz not null default now()`,
  `update tenants set slug = replace(id, '_', '-')`,
  `alter table tenants alter column slug set not null`,
  `create unique index tenants_slug on tenants (slug)`,
  `create table tenant_members (
    tenant_id text not null references tenants,
    user_id text not null references users on delete cascade,
    role text not null check (role in ('owner', 'admin', 'developer', 'editor', 'viewer')),
    created_at timestamptz not null default now(),
    primary key (tenant_id, user_id)
  )`,
  `create index tenant_members_user on tenant_members (user_id)`,
  // whoever made an organisation owns it; the others get the role of their strongest root membership
  `insert into tenant_members (tenant_id, user_id, role)
    select distinct on (w.tenant_id, m.user_id) w.tenant_id, m.user_id, m.role
    from memberships m join workspaces w on w.id = m.workspace_id where w.parent_id is null
    order by w.tenant_id, m.user_id, array_position(array['owner', 'admin', 'developer', 'editor', 'viewer'], m.role)`,
  `alter table users drop column failed_logins, drop column locked_until,
    add column email_verified_at timestamptz, add column disabled_at timestamptz,
    add column totp_sealed text, add column totp_enabled_at timestamptz, add column totp_step bigint`,
  /* Keyed by the hash of the address, not by the account: an address nobody has locks just the same. */
  `create table login_guards (
    address_hash text primary key,
    failures int not null,
    locked_until timestamptz not null
  )`,
  `create index login_guards_age on login_guards (locked_until)`,
  `create table recovery_codes (
    user_id text not null references users on delete cascade,
    code_hash text not null,
    used_at timestamptz,
    primary key (user_id, code_hash)
  )`,
  `create table password_history (
    user_id text not null references users on delete cascade,
    password_hash text not null,
    created_at timestamptz not null default now()
  )`,
  `create index password_history_user on password_history (user_id, created_at desc)`,
  `alter table sessions add column ip text, add column user_agent text, add column last_seen_at timestamptz,
    add column mfa_at timestamptz`,
  `create index sessions_user on sessions (user_id, created_at desc)`,
  `create table api_keys (
    id text primary key,
    tenant_id text not null references tenants,
    workspace_id text not null references workspaces,
    name text not null,
    environment text not null check (environment in ('live', 'test')),
    key_hash text not null unique,
    prefix text not null,
    scopes text[] not null,
    rate_limit int,
    created_by text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at timestamptz
  )`,
  `create index api_keys_workspace on api_keys (workspace_id, id desc)`,
  `create table org_tokens (
    id text primary key,
    tenant_id text not null references tenants,
    name text not null,
    token_hash text not null unique,
    prefix text not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at timestamptz
  )`,
  `create index org_tokens_tenant on org_tokens (tenant_id, id desc)`,
  `create table service_account_tokens (
    jti text primary key,
    account text not null,
    tenant_id text references tenants,
    scopes text[] not null,
    fingerprint text,
    signing_kid text not null,
    token_sealed text not null,
    issued_by text not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_reason text
  )`,
  `create index service_account_tokens_account on service_account_tokens (account, tenant_id, issued_at desc)`,
  `create table deployments (
    id text primary key,
    workspace_id text not null references workspaces,
    definition_id text not null references definitions,
    channel text not null,
    name text,
    token_hash text not null unique,
    prefix text not null,
    allowed_origins text[] not null,
    theme jsonb not null default '{}',
    created_by text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at timestamptz
  )`,
  `create index deployments_definition on deployments (definition_id, id desc)`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
