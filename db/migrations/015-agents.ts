import { sql, type Kysely } from 'kysely';
import { ofWorkspace, protect } from '../row-security.js';

/** Agents by name, the tools they call, and the conversation a run belongs to. */
const statements = [
  `create table agents (
    id text primary key,
    workspace_id text not null references workspaces,
    name text not null,
    display_name text not null,
    description text not null default '',
    is_active boolean not null default true,
    config jsonb not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create unique index agents_name on agents (workspace_id, name) where deleted_at is null`,
  `create table action_tools (
    id text primary key,
    workspace_id text not null references workspaces,
    name text not null,
    description text not null default '',
    config jsonb not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create unique index action_tools_name on action_tools (workspace_id, name) where deleted_at is null`,
  ...protect('agents', ofWorkspace),
  ...protect('action_tools', ofWorkspace),
  `alter table runs add column conversation_id text`,
  `create index runs_conversation on runs (workspace_id, conversation_id) where conversation_id is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
