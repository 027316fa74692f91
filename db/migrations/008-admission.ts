import { sql, type Kysely } from 'kysely';
import { ofSystem, ofTenant, protect } from '../row-security.js';

/** Who may come in: requests for access, invites and their reservations, single-use nonces, and organisations' settings. */
const statements = [
  `create table signup_requests (
    id text primary key,
    email text not null,
    organization text not null,
    full_name text not null,
    message text,
    network text not null,
    status text not null default 'pending' check (status in ('pending', 'approved', 'rejected')),
    decided_by text,
    decision_reason text,
    decided_at timestamptz,
    created_at timestamptz not null default now()
  )`,
  `create index signup_requests_status on signup_requests (status, id desc)`,
  `create index signup_requests_network on signup_requests (network) where status = 'pending'`,
  `create unique index signup_requests_pending on signup_requests (email) where status = 'pending'`,
  `create table signup_invites (
    id text primary key,
    token_hash text not null unique,
    token_hint text not null,
    invited_email text,
    max_redemptions int not null check (max_redemptions between 1 and 10),
    redeemed_count int not null default 0,
    expires_at timestamptz,
    note text,
    signup_request_id text references signup_requests,
    created_by text not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    check (redeemed_count <= max_redemptions)
  )`,
  `create index signup_invites_request on signup_invites (signup_request_id)`,
  /* A place held while a registration runs; one that crashed gives it back when the time is over. */
  `create table signup_invite_reservations (
    id text primary key,
    invite_id text not null references signup_invites on delete cascade,
    expires_at timestamptz not null
  )`,
  `create index signup_invite_reservations_invite on signup_invite_reservations (invite_id, expires_at)`,
  `alter table service_account_tokens add column issued_reason text`,
  `create table service_account_nonces (
    nonce_hash text primary key,
    expires_at timestamptz not null
  )`,
  `create index service_account_nonces_age on service_account_nonces (expires_at)`,
  `create table tenant_settings (
    tenant_id text primary key references tenants,
    billing_contacts jsonb not null,
    billing_webhook_url text,
    plan_metadata jsonb not null,
    flags jsonb not null,
    updated_at timestamptz not null default now()
  )`,
  ...protect('tenant_settings', ofTenant),
  // of people who are not in yet, and of programs of every organisation
  ...['signup_requests', 'signup_invites', 'signup_invite_reservations', 'service_account_nonces'].flatMap((table) =>
    protect(table, ofSystem),
  ),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
