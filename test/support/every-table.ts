/**
 * A row in every table, of the workspace `ws_own` in the organisation `ten_own`, in an order that foreign keys allow;
 * `ten_foreign` and `ws_foreign` stand beside it. A new table adds its statement here and its policy in its migration.
 */
export const seeds: Readonly<Record<string, string>> = {
  tenants: `insert into tenants (id, name, slug) values ('ten_own', 'Own', 'own')`,
  workspaces: `insert into workspaces (id, tenant_id, slug, name) values ('ws_own', 'ten_own', 'own', 'Own')`,
  users: `insert into users (id, tenant_id, email, name, password_hash) values ('usr_own', 'ten_own', 'ann@example.com', 'Ann', 'x')`,
  tenant_members: `insert into tenant_members (tenant_id, user_id, role) values ('ten_own', 'usr_own', 'owner')`,
  memberships: `insert into memberships (user_id, workspace_id, role) values ('usr_own', 'ws_own', 'owner')`,
  sessions: `insert into sessions (id, user_id, workspace_id, token_hash, expires_at) values ('ses_own', 'usr_own', 'ws_own', 'own', now())`,
  recovery_codes: `insert into recovery_codes (user_id, code_hash) values ('usr_own', 'own')`,
  password_history: `insert into password_history (user_id, password_hash) values ('usr_own', 'own')`,
  login_guards: `insert into login_guards (address_hash, failures, locked_until) values ('own', 1, now())`,
  rate_limits: `insert into rate_limits (key, points) values ('own', 1)`,
  idempotency_keys: `insert into idempotency_keys (scope, route, key, seed, body_hash, claimed_until) values ('ws_own', 'r', 'k', 's', 'b', now())`,
  workspace_tokens: `insert into workspace_tokens (id, workspace_id, token_hash, prefix, created_by) values ('wst_own', 'ws_own', 'own', 'own', 'usr_own')`,
  org_tokens: `insert into org_tokens (id, tenant_id, name, token_hash, prefix, created_by) values ('orgt_own', 'ten_own', 'Own', 'own', 'own', 'usr_own')`,
  api_keys: `insert into api_keys (id, tenant_id, workspace_id, name, environment, key_hash, prefix, scopes, created_by)
    values ('key_own', 'ten_own', 'ws_own', 'Own', 'live', 'own', 'own', '{}', 'usr_own')`,
  service_account_tokens: `insert into service_account_tokens (jti, account, tenant_id, scopes, signing_kid, token_sealed, issued_by, issued_at, expires_at)
    values ('sat_own', 'own', 'ten_own', '{}', 'k', 's', 'usr_own', now(), now())`,
  secrets: `insert into secrets (workspace_id, name, ciphertext) values ('ws_own', 'OWN', 'x')`,
  audit_events: `insert into audit_events (id, workspace_id, tenant_id, actor_type, actor_id, action, entity_type, entity_id, chain, seq)
    values ('aud_own', 'ws_own', 'ten_own', 'user', 'usr_own', 'a', 'e', 'e', 'ws_own', 0)`,
  audit_heads: `insert into audit_heads (chain, seq, hash, mac) values ('ws_own', 0, '', '')`,
  definitions: `insert into definitions (id, workspace_id, kind, slug, name, status, document, created_by)
    values ('def_own', 'ws_own', 'chain', 'own', 'Own', 'draft', '{}', 'usr_own')`,
  versions: `insert into versions (id, workspace_id, definition_id, number, hash, document, plan) values ('ver_own', 'ws_own', 'def_own', 1, 'h', '{}', '{}')`,
  draft_revisions: `insert into draft_revisions (workspace_id, definition_id, revision, document, saved_by) values ('ws_own', 'def_own', 1, '{}', 'usr_own')`,
  deployments: `insert into deployments (id, workspace_id, definition_id, channel, token_hash, prefix, allowed_origins, created_by)
    values ('dep_own', 'ws_own', 'def_own', 'web', 'own', 'own', '{}', 'usr_own')`,
  workspace_tools: `insert into workspace_tools (id, workspace_id, name, method, url) values ('tool_own', 'ws_own', 'own', 'GET', 'https://example.com')`,
  agents: `insert into agents (id, workspace_id, name, display_name, config, created_by) values ('agt_own', 'ws_own', 'own', 'Own', '{}', 'usr_own')`,
  action_tools: `insert into action_tools (id, workspace_id, name, config, created_by) values ('atl_own', 'ws_own', 'own', '{}', 'usr_own')`,
  runs: `insert into runs (id, workspace_id, definition_kind, plan, status, trigger, actor, input, tags)
    values ('run_own', 'ws_own', 'test', '{}', 'queued', 'test', 'usr_own', '{}', '{own}')`,
  calls: `insert into calls (run_id, workspace_id, definition_id, workflow_slug, call_type, direction, room_name, user_context, metadata, is_live)
    values ('run_own', 'ws_own', 'def_own', 'own', 'voip', 'outbound', 'call-own', '{}', '{}', true)`,
  run_steps: `insert into run_steps (run_id, key, node_id, visit, seq, kind, label, status, started_at) values ('run_own', 'a/1', 'a', 1, 1, 'test', 'A', 'running', now())`,
  run_events: `select 1`,
  run_reuse: `insert into run_reuse (run_id, workspace_id, key, output, port) values ('run_own', 'ws_own', 'a/1', '{}', 'out')`,
  blobs: `insert into blobs (id, workspace_id, run_id, bytes, content) values ('blob_own', 'ws_own', 'run_own', 2, '{}')`,
  effects: `insert into effects (key, workspace_id, run_id, node_id, kind, status, request_hash) values ('own', 'ws_own', 'run_own', 'a', 'test', 'claimed', 'h')`,
  waits: `insert into waits (id, workspace_id, run_id, key, node_id, visit, action) values ('wait_own', 'ws_own', 'run_own', 'a/1', 'a', 1, 'Go on?')`,
  wait_votes: `insert into wait_votes (wait_id, workspace_id, by, decision, at) values ('wait_own', 'ws_own', 'usr_own', 'approve', now())`,
  events: `insert into events (id, workspace_id, name, event_id, payload) values ('evt_own', 'ws_own', 'own', 'own', '{}')`,
  schedules: `insert into schedules (id, workspace_id, name, cron_expr, timezone, prompt) values ('sch_own', 'ws_own', 'Own', '0 9 * * *', 'UTC', 'go')`,
  mails: `insert into mails (id, key, to_address, subject) values ('mail_own', 'own', 'ann@example.com', 'Own')`,
  one_time_tokens: `insert into one_time_tokens (token_hash, user_id, purpose, email, expires_at)
    values ('own', 'usr_own', 'verify_email', 'ann@example.com', now())`,
  signup_requests: `insert into signup_requests (id, email, organization, full_name, status, network)
    values ('sur_own', 'ann@example.com', 'Own', 'Ann', 'pending', '192.0.2.1')`,
  signup_invites: `insert into signup_invites (id, token_hash, token_hint, max_redemptions, created_by)
    values ('inv_own', 'own', 'own', 1, 'usr_own')`,
  signup_invite_reservations: `insert into signup_invite_reservations (id, invite_id, expires_at) values ('own', 'inv_own', now())`,
  service_account_nonces: `insert into service_account_nonces (nonce_hash, expires_at) values ('own', now())`,
  tenant_settings: `insert into tenant_settings (tenant_id, billing_contacts, plan_metadata, flags) values ('ten_own', '[]', '{}', '{}')`,
  member_invitations: `insert into member_invitations (id, workspace_id, email, role, token_hash, invited_by, expires_at)
    values ('inv_own', 'ws_own', 'bob@example.com', 'viewer', 'own', 'usr_own', now())`,
  sso_providers: `insert into sso_providers (id, tenant_id, name, slug, issuer, client_id, client_secret_sealed, scopes, role_claim, role_map, email_domains, created_by)
    values ('idp_own', 'ten_own', 'Own', 'own', 'https://idp.example.com', 'c', 's', '{}', 'r', '{}', '{}', 'usr_own')`,
  sso_states: `insert into sso_states (state_hash, provider_id, browser_hash, nonce, verifier, redirect_uri, expires_at) values ('own', 'idp_own', 'b', 'n', 'v', 'r', now())`,
  user_identities: `insert into user_identities (provider_id, subject, tenant_id, user_id, email)
    values ('idp_own', 'own', 'ten_own', 'usr_own', 'ann@example.com')`,
  data_keys: `insert into data_keys (id, scope, version, wrapped, wrapped_by) values ('dk_own', 'ws_own', 1, 'w', 'own')`,
  key_rotations: `insert into key_rotations (id) values ('own')`,
  schedule_ticks: `insert into schedule_ticks (schedule_id, scheduled_at) values ('sch_own', now())`,
};

export const foreign: readonly string[] = [
  `insert into tenants (id, name, slug) values ('ten_foreign', 'Foreign', 'foreign')`,
  `insert into workspaces (id, tenant_id, slug, name) values ('ws_foreign', 'ten_foreign', 'foreign', 'Foreign')`,
  `insert into definitions (id, workspace_id, kind, slug, name, status, document, created_by)
    values ('def_foreign', 'ws_foreign', 'chain', 'foreign', 'Foreign', 'draft', '{}', 'usr_foreign')`,
];

/** Belong to nobody, so that no scope sees them: what is kept before anybody is known, replies under their own key, the ends of chains, wrapped keys. */
export const nobodys: ReadonlySet<string> = new Set([
  'login_guards',
  'rate_limits',
  'idempotency_keys',
  'audit_heads',
  'mails',
  'one_time_tokens',
  'signup_requests',
  'signup_invites',
  'signup_invite_reservations',
  'service_account_nonces',
  'sso_states',
  'data_keys',
  'key_rotations',
]);

/** Not ours: how far the schema is. Processes have no right to them at all. */
export const migrators: ReadonlySet<string> = new Set(['kysely_migration', 'kysely_migration_lock']);
