import { sql, type Kysely } from 'kysely';
import { ofWorkspaceTenant, protect } from '../row-security.js';

/** Invitations to workspaces, and one live API key a name. */
const statements = [
  `create unique index api_keys_live_name on api_keys (workspace_id, name) where revoked_at is null`,
  `create index api_keys_creator on api_keys (tenant_id, created_by) where revoked_at is null`,
  `create table member_invitations (
    id text primary key,
    workspace_id text not null references workspaces,
    email text not null,
    role text not null check (role in ('owner', 'admin', 'developer', 'editor', 'viewer')),
    token_hash text not null unique,
    invited_by text not null references users on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    revoked_at timestamptz
  )`,
  `create index member_invitations_workspace on member_invitations (workspace_id, id desc)`,
  `create unique index member_invitations_open on member_invitations (workspace_id, email)
    where accepted_at is null and revoked_at is null`,
  ...protect('member_invitations', ofWorkspaceTenant),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
