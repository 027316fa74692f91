import { sql, type Kysely } from 'kysely';

/**
 * Every table is owned by a workspace or a tenant; `*_at` is timestamptz, ids are prefixed sortable text. Inputs and
 * outputs are json, not jsonb: their text, and so the body a repeated step sends, stays as it was.
 */
const statements = [
  `create table tenants (
    id text primary key,
    name text not null,
    created_at timestamptz not null default now()
  )`,
  `create table workspaces (
    id text primary key,
    tenant_id text not null references tenants,
    parent_id text references workspaces,
    slug text not null unique,
    name text not null,
    settings jsonb not null default '{}',
    max_concurrent_tasks int not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create index workspaces_parent on workspaces (parent_id)`,
  `create index workspaces_tenant on workspaces (tenant_id)`,
  `create table users (
    id text primary key,
    tenant_id text not null references tenants,
    email text not null,
    name text not null,
    password_hash text not null,
    is_platform_admin boolean not null default false,
    failed_logins int not null default 0,
    locked_until timestamptz,
    created_at timestamptz not null default now()
  )`,
  `create unique index users_email on users (lower(email))`,
  `create table memberships (
    user_id text not null references users on delete cascade,
    workspace_id text not null references workspaces,
    role text not null check (role in ('owner', 'admin', 'developer', 'editor', 'viewer')),
    created_at timestamptz not null default now(),
    primary key (user_id, workspace_id)
  )`,
  `create index memberships_workspace on memberships (workspace_id)`,
  `create table sessions (
    id text primary key,
    user_id text not null references users on delete cascade,
    workspace_id text not null references workspaces,
    token_hash text not null unique,
    previous_hash text unique,
    created_at timestamptz not null default now(),
    rotated_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
  )`,
  `create table workspace_tokens (
    id text primary key,
    workspace_id text not null references workspaces,
    token_hash text not null unique,
    prefix text not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at timestamptz
  )`,
  `create index workspace_tokens_workspace on workspace_tokens (workspace_id)`,
  `create table secrets (
    workspace_id text not null references workspaces,
    name text not null,
    ciphertext text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (workspace_id, name)
  )`,
  `create table audit_events (
    id text primary key,
    workspace_id text,
    actor_type text not null,
    actor_id text not null,
    action text not null,
    entity_type text not null,
    entity_id text not null,
    metadata jsonb not null default '{}',
    request_id text,
    created_at timestamptz not null default now()
  )`,
  `create index audit_events_workspace on audit_events (workspace_id, id desc)`,
  `create function refuse_change() returns trigger language plpgsql as
    $$ begin raise exception '% is append-only', tg_table_name; end $$`,
  `create trigger audit_append_only before update or delete on audit_events
    for each row execute function refuse_change()`,
  `create table idempotency_keys (
    scope text not null,
    route text not null,
    key text not null,
    seed text not null,
    body_hash text not null,
    status int,
    reply text,
    created_at timestamptz not null default now(),
    claimed_until timestamptz not null,
    primary key (scope, route, key)
  )`,
  `create index idempotency_keys_age on idempotency_keys (created_at)`,
  `create table definitions (
    id text primary key,
    workspace_id text not null references workspaces,
    kind text not null,
    slug text not null,
    name text not null,
    status text not null,
    document jsonb not null,
    revision int not null default 1,
    version_id text,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create unique index definitions_slug on definitions (workspace_id, kind, slug) where deleted_at is null`,
  `create table versions (
    id text primary key,
    workspace_id text not null references workspaces,
    definition_id text not null references definitions,
    number int not null,
    hash text not null,
    document jsonb not null,
    plan jsonb not null,
    created_at timestamptz not null default now(),
    unique (definition_id, number),
    unique (definition_id, hash)
  )`,
  `create table runs (
    id text primary key,
    workspace_id text not null references workspaces,
    definition_id text references definitions,
    definition_kind text not null,
    version_id text references versions,
    plan jsonb,
    schedule_id text,
    status text not null,
    seq int not null default 0,
    trigger text not null,
    actor text not null,
    input json not null,
    output json,
    error jsonb,
    branch_taken text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    check (version_id is not null or plan is not null)
  )`,
  `create index runs_definition on runs (definition_id, id desc)`,
  `create index runs_workspace on runs (workspace_id, id desc)`,
  `create index runs_queued on runs (created_at) where status = 'queued'`,
  `create index runs_schedule on runs (schedule_id, id desc) where schedule_id is not null`,
  `create index runs_schedule_open on runs (workspace_id)
    where schedule_id is not null and status in ('queued', 'running', 'waiting')`,
  `create table run_steps (
    run_id text not null references runs on delete cascade,
    node_id text not null,
    visit int not null,
    seq int not null,
    kind text not null,
    label text not null,
    status text not null,
    attempt int not null default 1,
    failures int not null default 0,
    input json,
    output json,
    error jsonb,
    taken text,
    started_at timestamptz not null,
    ended_at timestamptz,
    primary key (run_id, node_id, visit)
  )`,
  `create table blobs (
    id text primary key,
    workspace_id text not null references workspaces,
    run_id text,
    bytes int not null,
    content text not null,
    created_at timestamptz not null default now()
  )`,
  `create index blobs_run on blobs (run_id)`,
  `create table approvals (
    id text primary key,
    workspace_id text not null references workspaces,
    run_id text not null references runs on delete cascade,
    node_id text not null,
    visit int not null,
    task_id text,
    action text not null,
    reason text,
    assignee text,
    context jsonb,
    options jsonb,
    status text not null default 'pending' check (status in ('pending', 'approved', 'denied')),
    decided_by text,
    decided_at timestamptz,
    note text,
    expires_at timestamptz,
    created_at timestamptz not null default now()
  )`,
  `create index approvals_workspace on approvals (workspace_id, id desc)`,
  `create index approvals_run on approvals (run_id)`,
  `create index approvals_pending on approvals (created_at desc) where status = 'pending'`,
  `create table schedules (
    id text primary key,
    workspace_id text not null references workspaces,
    name text not null,
    cron_expr text not null,
    timezone text not null,
    prompt text not null,
    chain_id text references definitions,
    chain_input jsonb,
    overlap text not null default 'skip' check (overlap in ('skip', 'allow')),
    enabled boolean not null default true,
    source text not null default 'runtime',
    revision int not null default 1,
    synced_revision int not null default 0,
    resync_at timestamptz,
    next_run_at timestamptz,
    run_count int not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create index schedules_workspace on schedules (workspace_id, created_at)`,
  `create index schedules_unsynced on schedules (updated_at) where revision <> synced_revision`,
  `create index schedules_resync on schedules (resync_at)`,
  `create index schedules_chain on schedules (chain_id) where chain_id is not null`,
  `create table schedule_ticks (
    schedule_id text not null references schedules on delete cascade,
    scheduled_at timestamptz not null,
    run_id text,
    skipped_reason text,
    created_at timestamptz not null default now(),
    primary key (schedule_id, scheduled_at)
  )`,
  `create index schedule_ticks_skipped on schedule_ticks (schedule_id, scheduled_at desc) where skipped_reason is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
