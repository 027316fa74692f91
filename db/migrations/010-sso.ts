import { sql, type Kysely } from 'kysely';
import { ofSystem, ofTenant, protect } from '../row-security.js';

/** Single sign-on of an organisation with its own identity providers, and names of deployments. */
const statements = [
  `create table sso_providers (
    id text primary key,
    tenant_id text not null references tenants,
    slug text not null unique,
    name text not null,
    issuer text not null,
    client_id text not null,
    client_secret_sealed text not null,
    scopes text[] not null,
    role_claim text not null,
    role_map jsonb not null,
    default_role text check (default_role in ('admin', 'developer', 'editor', 'viewer')),
    email_domains text[] not null,
    enabled boolean not null default true,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create index sso_providers_tenant on sso_providers (tenant_id, id)`,
  /* A sign-in under way. State and browser are kept as hashes: who reads the table can finish nobody's sign-in. */
  `create table sso_states (
    state_hash text primary key,
    provider_id text not null references sso_providers on delete cascade,
    browser_hash text not null,
    nonce text not null,
    verifier text not null,
    redirect_uri text not null,
    return_to text,
    expires_at timestamptz not null
  )`,
  `create index sso_states_age on sso_states (expires_at)`,
  `create index sso_states_provider on sso_states (provider_id)`,
  `create table user_identities (
    provider_id text not null references sso_providers on delete cascade,
    subject text not null,
    tenant_id text not null references tenants,
    user_id text not null references users on delete cascade,
    email text not null,
    created_at timestamptz not null default now(),
    last_sign_in_at timestamptz not null default now(),
    primary key (provider_id, subject)
  )`,
  `create index user_identities_user on user_identities (user_id)`,
  // a session that an organisation's own provider vouched for opens nothing of other organisations
  `alter table sessions add column bound_tenant_id text references tenants`,
  `create unique index deployments_name on deployments (definition_id, name)
    where name is not null and revoked_at is null`,
  ...protect('sso_providers', ofTenant),
  ...protect('user_identities', ofTenant),
  ...protect('sso_states', ofSystem),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
