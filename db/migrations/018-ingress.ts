import { sql, type Kysely } from 'kysely';
import { ofWorkspace, protect } from '../row-security.js';

/** Webhooks that come in: where they come from, and each of them as it came. */
const statements = [
  `create table ingress_sources (
    id text primary key,
    workspace_id text not null references workspaces,
    name text not null,
    slug text not null,
    provider text not null,
    verification jsonb not null,
    secret_sealed text not null,
    previous_secret_sealed text,
    previous_secret_until timestamptz,
    target jsonb not null,
    input jsonb,
    keep_headers text[] not null,
    tolerance_seconds int not null check (tolerance_seconds > 0),
    is_active boolean not null default true,
    rejected_count bigint not null default 0,
    last_rejected_at timestamptz,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create unique index ingress_sources_slug on ingress_sources (workspace_id, slug) where deleted_at is null`,
  `create table ingress_messages (
    id text primary key,
    workspace_id text not null references workspaces,
    source_id text references ingress_sources,
    definition_id text,
    dedup_key text not null,
    provider_id text,
    received_at timestamptz not null default now(),
    headers jsonb not null,
    query jsonb not null,
    body bytea not null,
    body_sha256 text not null,
    content_type text not null,
    ip text,
    trigger text not null,
    actor text not null,
    status text not null check (status in ('received', 'processed', 'dead', 'ignored')),
    attempts int not null default 0,
    next_attempt_at timestamptz not null default now(),
    reason text,
    run_id text,
    event_name text,
    event_key text,
    processed_at timestamptz,
    duplicates int not null default 0,
    altered_duplicates int not null default 0
  )`,
  // what a provider sends twice is one row
  `create unique index ingress_messages_once on ingress_messages (workspace_id, dedup_key)`,
  `create index ingress_messages_due on ingress_messages (next_attempt_at) where status = 'received'`,
  `create index ingress_messages_source on ingress_messages (source_id, status, id desc) where source_id is not null`,
  `create index ingress_messages_workspace on ingress_messages (workspace_id, id desc)`,
  `create index ingress_messages_old on ingress_messages (received_at)`,
  ...protect('ingress_sources', ofWorkspace),
  ...protect('ingress_messages', ofWorkspace),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
