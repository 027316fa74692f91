import { sql, type Kysely } from 'kysely';
import { APP_ROLE } from '../app-role.js';
import { ofParent, ofSystem, ofTenant, ofUser, ofWorkspace, ofWorkspaceTenant, protect } from '../row-security.js';

/**
 * The second wall behind scoped queries. Processes act as a role that owns nothing, and every table shows it the rows of
 * the scope a connection was told, none without one. Foreign keys and the owner's migrations are not held to it.
 */
const settings = [
  `create function keelson_workspace() returns text language sql stable parallel safe
    return nullif(current_setting('keelson.workspace', true), '')`,
  `create function keelson_tenant() returns text language sql stable parallel safe
    return nullif(current_setting('keelson.tenant', true), '')`,
  /* Under a policy Postgres uses no index over a function such as lower(): a sign-in would read all users. This answers an
     id and nothing else, and what the asker sees of that user is again up to the policy. */
  `do $$ begin
    execute format('create function user_by_email(address text) returns text language sql stable security definer
      set search_path = %I, pg_temp return (select id from users where lower(email) = address)', current_schema());
    execute 'revoke execute on function user_by_email from public';
  end $$`,
];

/* Written in one statement with its run, which its policy could not see yet: so it names the workspace itself. */
const columns = [
  `alter table run_reuse add column workspace_id text references workspaces`,
  `update run_reuse set workspace_id = (select workspace_id from runs where id = run_id)`,
  `alter table run_reuse alter column workspace_id set not null`,
];

const workspaceTables = [
  ...[
    'workspace_tokens',
    'secrets',
    'definitions',
    'versions',
    'draft_revisions',
    'runs',
    'blobs',
    'waits',
    'wait_votes',
  ],
  ...['events', 'effects', 'run_events', 'run_reuse', 'schedules', 'workspace_tools'],
  'deployments',
];

const policies = [
  ...workspaceTables.flatMap((table) => protect(table, ofWorkspace)),
  ...protect('run_steps', ofParent('runs', 'run_id', 'run_steps')),
  ...protect('schedule_ticks', ofParent('schedules', 'schedule_id', 'schedule_ticks')),
  // the organisation: its tree, its people and what opens it
  ...protect('tenants', `(select keelson_tenant()) in (id, '*')`),
  ...['workspaces', 'tenant_members', 'api_keys', 'org_tokens'].flatMap((table) => protect(table, ofTenant)),
  ...protect('memberships', ofWorkspaceTenant),
  ...protect('sessions', ofWorkspaceTenant),
  // one without an organisation works for the whole platform and is no organisation's to see
  ...protect('service_account_tokens', ofTenant),
  // guests are seen where they are members, and changed where they are at home
  ...protect(
    'users',
    `${ofTenant} or exists (select from tenant_members of_member where of_member.user_id = users.id)
      or exists (select from memberships of_guest where of_guest.user_id = users.id)`,
    ofTenant,
  ),
  ...protect('recovery_codes', ofUser('recovery_codes')),
  ...protect('password_history', ofUser('password_history')),
  // the log is written and sealed by the system, whoever acts; a workspace reads its own
  ...protect('audit_events', ofWorkspace, ofSystem),
  ...protect('audit_heads', ofSystem),
  // kept before anybody is known, or for requests of every kind: nothing in them is one workspace's to read
  ...['idempotency_keys', 'login_guards', 'rate_limits'].flatMap((table) => protect(table, ofSystem)),
];

const rights = [
  `grant usage on schema public to ${APP_ROLE}`,
  `grant execute on function user_by_email to ${APP_ROLE}`,
  `grant select, insert, update, delete on all tables in schema public to ${APP_ROLE}`,
  `grant usage, select on all sequences in schema public to ${APP_ROLE}`,
  `alter default privileges in schema public grant select, insert, update, delete on tables to ${APP_ROLE}`,
  `alter default privileges in schema public grant usage, select on sequences to ${APP_ROLE}`,
  // what was done stays done, and what has been migrated is the owner's
  `revoke update, delete on audit_events from ${APP_ROLE}`,
  `revoke delete on audit_heads from ${APP_ROLE}`,
  `revoke all on kysely_migration, kysely_migration_lock from ${APP_ROLE}`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  await ensureRole(db);
  const { rows } = await sql<{ name: string }>`select quote_ident(current_schema()) as name`.execute(db);
  const schema = rows[0]?.name ?? 'public';
  const all = [
    ...settings,
    ...columns,
    ...policies,
    ...rights.map((each) => each.replace('schema public', `schema ${schema}`)),
  ];
  for (const statement of all) await sql.raw(statement).execute(db);
}

interface RoleState {
  readonly login: string;
  readonly exists: boolean;
  readonly passes_policies: boolean;
  readonly may_take: boolean;
}

/** Roles belong to the whole server: other databases may be making the same one at this moment. */
async function ensureRole(db: Kysely<unknown>): Promise<void> {
  const before = await roleState(db);
  try {
    if (!before.exists) await sql.raw(createRole).execute(db);
    if (!(await roleState(db)).may_take) await sql.raw(grantRole).execute(db);
  } catch (cause) {
    throw new Error(
      `The login ${before.login} may not make the role ${APP_ROLE} that the processes act as. Have an administrator run ` +
        `"create role ${APP_ROLE} nologin;" and "grant ${APP_ROLE} to ${before.login};", then migrate again.`,
      { cause },
    );
  }
  if ((await roleState(db)).passes_policies) {
    throw new Error(
      `The role ${APP_ROLE} is a superuser or bypasses row-level security, so that it would hold nobody back. Have an ` +
        `administrator run "alter role ${APP_ROLE} nosuperuser nobypassrls;", then migrate again.`,
    );
  }
}

async function roleState(db: Kysely<unknown>): Promise<RoleState> {
  const { rows } = await sql<RoleState>`
    select quote_ident(current_user) as login, r.oid is not null as exists,
      coalesce(r.rolsuper or r.rolbypassrls, false) as passes_policies,
      r.oid is not null and pg_has_role(current_user, r.oid,
        case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) as may_take
    from (select) one left join pg_roles r on r.rolname = ${APP_ROLE}`.execute(db);
  const [state] = rows;
  if (state === undefined) throw new Error('the roles of the server cannot be read');
  return state;
}

const createRole = `do $$ begin
  create role ${APP_ROLE} nologin;
exception when duplicate_object or unique_violation then null;
end $$`;

/** Two grants at once collide in the catalogue; the second is tried again. */
const grantRole = `do $$ begin
  for attempt in 1..20 loop
    begin
      execute format('grant ${APP_ROLE} to %I', current_user);
      return;
    exception when internal_error or unique_violation then
      if attempt = 20 then raise; end if;
      perform pg_sleep(0.05);
    end;
  end loop;
end $$`;
