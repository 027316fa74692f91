import { sql, type Kysely } from 'kysely';
import { APP_ROLE } from '../app-role.js';

/**
 * Who a session belongs to, and what they may: asked on every request of a signed-in user, before there is a scope. As a function of
 * the owner it is planned once a connection, where as a query under policies its planning took ten times its work.
 */
const principalOf = (schema: string): string => `
  create function principal_of(of_session text, of_user text, in_workspace text, platform_tenant text)
  returns table (
    "userId" text, "tenantId" text, "workspaceId" text, "workspaceTenantId" text, "tenantRole" text, "isPlatformAdmin" boolean,
    "isVerified" boolean, "mfaPolicy" text, "hasMfa" boolean, "lastSeenAt" timestamptz, roles text[]
  )
  language plpgsql stable security definer set search_path = ${schema}, pg_temp as $$
  #variable_conflict use_column
  begin return query
    with recursive caller as (
      select s.user_id, s.mfa_at, s.last_seen_at, u.email_verified_at, s.bound_tenant_id, t.id as tenant_id, t.mfa_policy,
        u.is_platform_admin and coalesce(s.bound_tenant_id, platform_tenant) = platform_tenant as is_platform_admin,
        coalesce(in_workspace, s.workspace_id) as workspace_id
      from sessions s join users u on u.id = s.user_id
      join workspaces home on home.id = s.workspace_id join tenants t on t.id = home.tenant_id
      where s.id = of_session and s.user_id = of_user and s.revoked_at is null and s.expires_at > now()
        and u.disabled_at is null and t.is_active
    ), line as (
      select w.id, w.parent_id, w.tenant_id from workspaces w join caller on w.id = caller.workspace_id
        where w.deleted_at is null and coalesce(caller.bound_tenant_id, w.tenant_id) = w.tenant_id
      union
      select p.id, p.parent_id, p.tenant_id from workspaces p join line on p.id = line.parent_id where p.deleted_at is null
    )
    select caller.user_id, caller.tenant_id, caller.workspace_id,
      (select line.tenant_id from line where line.id = caller.workspace_id),
      (select m.role from tenant_members m where m.tenant_id = caller.tenant_id and m.user_id = caller.user_id),
      caller.is_platform_admin, caller.email_verified_at is not null, caller.mfa_policy, caller.mfa_at is not null,
      caller.last_seen_at,
      array(select m.role from memberships m join line on line.id = m.workspace_id where m.user_id = caller.user_id)
    from caller;
  end $$`;

export async function up(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string }>`select quote_ident(current_schema()) as name`.execute(db);
  await sql.raw(principalOf(rows[0]?.name ?? 'public')).execute(db);
  await sql`revoke execute on function principal_of from public`.execute(db);
  await sql.raw(`grant execute on function principal_of to ${APP_ROLE}`).execute(db);
}
