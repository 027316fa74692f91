import { sql } from 'kysely';
import type { Database } from './client.js';
import type { MfaPolicy, Role } from './tables.js';

/** A workspace and everything above it. */
const lineOf = (workspaceId: string) => sql`with recursive line as (
  select id, parent_id from workspaces where id = ${workspaceId} and deleted_at is null
  union
  select p.id, p.parent_id from workspaces p join line on p.id = line.parent_id where p.deleted_at is null
)`;

export interface MemberRow {
  readonly user_id: string;
  readonly email: string;
  readonly name: string;
  readonly is_active: boolean;
  /** Held here and above. */
  readonly roles: readonly Role[];
  /** Held here itself; null: the membership is of a workspace above. */
  readonly direct_role: Role | null;
  readonly joined_at: Date;
}

/** Everybody with a role in the workspace, by e-mail address. */
export async function listMembers(
  db: Database,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly MemberRow[]; readonly total: number }> {
  const { rows } = await sql<MemberRow & { total: number }>`${lineOf(workspaceId)}, held as (
      select m.* from memberships m join line on line.id = m.workspace_id
    ), people as (
      select user_id, array_agg(role) as roles, max(role) filter (where workspace_id = ${workspaceId}) as direct_role,
        min(created_at) as joined_at
      from held group by user_id
    )
    select u.id as user_id, u.email, u.name, u.disabled_at is null as is_active, p.roles, p.direct_role, p.joined_at,
      (select count(*)::int from people) as total
    from people p join users u on u.id = p.user_id
    order by lower(u.email) limit ${page.limit} offset ${page.offset}`.execute(db);
  const items = rows.map(({ total: _counted, ...row }) => row);
  return { items, total: rows[0]?.total ?? (await countMembers(db, workspaceId)) };
}

async function countMembers(db: Database, workspaceId: string): Promise<number> {
  const { rows } = await sql<{ total: number }>`${lineOf(workspaceId)}
    select count(distinct m.user_id)::int as total from memberships m join line on line.id = m.workspace_id`.execute(
    db,
  );
  return rows[0]?.total ?? 0;
}

export interface MembershipRow {
  readonly user_id: string;
  readonly role: Role;
  readonly tenant_role: Role | null;
}

/** Somebody's own membership of the workspace, and their role in its organisation. */
export async function findMember(
  db: Database,
  { workspaceId, userId }: { readonly workspaceId: string; readonly userId: string },
): Promise<MembershipRow | undefined> {
  const { rows } = await sql<MembershipRow>`
    select m.user_id, m.role, (select t.role from tenant_members t
      where t.tenant_id = w.tenant_id and t.user_id = m.user_id) as tenant_role
    from memberships m join workspaces w on w.id = m.workspace_id
    where m.workspace_id = ${workspaceId} and m.user_id = ${userId} and w.deleted_at is null`.execute(db);
  return rows[0];
}

/** Takes the memberships of the workspace and of all below it. */
export async function deleteMemberships(
  db: Database,
  { workspaceId, userId }: { readonly workspaceId: string; readonly userId: string },
): Promise<void> {
  await sql`
    with recursive below as (
      select id from workspaces where id = ${workspaceId}
      union
      select w.id from workspaces w join below on w.parent_id = below.id
    )
    delete from memberships where user_id = ${userId} and workspace_id in (select id from below)`.execute(db);
}

export async function findTenantRole(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<Role | null> {
  const row = await db
    .selectFrom('tenant_members')
    .select('role')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return row?.role ?? null;
}

/** Whether the workspace has an owner, here or above, when `userId` has no role here itself. */
export async function hasOwnerWithout(
  db: Database,
  { workspaceId, userId }: { readonly workspaceId: string; readonly userId: string },
): Promise<boolean> {
  const { rows } = await sql<{ owned: boolean }>`${lineOf(workspaceId)}
    select exists (
      select from memberships m join line on line.id = m.workspace_id join users u on u.id = m.user_id
      where m.role = 'owner' and u.disabled_at is null and not (m.user_id = ${userId} and m.workspace_id = ${workspaceId})
    ) as owned`.execute(db);
  return rows[0]?.owned ?? false;
}

export async function hasTenantOwnerBesides(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<boolean> {
  const row = await db
    .selectFrom('tenant_members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select('m.user_id')
    .where('m.tenant_id', '=', tenantId)
    .where('m.role', '=', 'owner')
    .where('m.user_id', '<>', userId)
    .where('u.disabled_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** The roles somebody holds in any workspace of an organisation. */
export async function rolesInTenant(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<readonly Role[]> {
  const rows = await db
    .selectFrom('memberships as m')
    .innerJoin('workspaces as w', 'w.id', 'm.workspace_id')
    .select('m.role')
    .where('m.user_id', '=', userId)
    .where('w.tenant_id', '=', tenantId)
    .where('w.deleted_at', 'is', null)
    .execute();
  return rows.map((row) => row.role);
}

/** null takes the membership away. */
export async function setTenantRole(
  db: Database,
  { tenantId, userId, role }: { readonly tenantId: string; readonly userId: string; readonly role: Role | null },
): Promise<void> {
  if (role === null) {
    await db.deleteFrom('tenant_members').where('tenant_id', '=', tenantId).where('user_id', '=', userId).execute();
    return;
  }
  await db
    .updateTable('tenant_members')
    .set({ role })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .execute();
}

/** Ends the sessions of the organisation's people, or of one of them. Answers how many there were. */
export async function endSessions(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string | undefined },
): Promise<number> {
  const { rows } = await sql<{ ended: number }>`
    with ended as (
      update sessions s set revoked_at = now()
      where s.revoked_at is null and s.expires_at > now() and s.user_id in (${peopleOf(tenantId)})
        and (${userId ?? null}::text is null or s.user_id = ${userId ?? null})
      returning 1
    ) select count(*)::int as ended from ended`.execute(db);
  return rows[0]?.ended ?? 0;
}

const peopleOf = (tenantId: string) => sql`
  select user_id from tenant_members where tenant_id = ${tenantId}
  union select m.user_id from memberships m join workspaces w on w.id = m.workspace_id where w.tenant_id = ${tenantId}`;

export async function isInTenant(
  db: Database,
  { tenantId, userId }: { readonly tenantId: string; readonly userId: string },
): Promise<boolean> {
  const { rows } = await sql<{ inside: boolean }>`
    select ${userId} in (${peopleOf(tenantId)}) as inside`.execute(db);
  return rows[0]?.inside ?? false;
}

export const findMfaPolicy = (
  db: Database,
  tenantId: string,
): Promise<{ readonly mfa_policy: MfaPolicy } | undefined> =>
  db.selectFrom('tenants').select('mfa_policy').where('id', '=', tenantId).executeTakeFirst();

export const setMfaPolicy = (
  db: Database,
  { tenantId, policy }: { readonly tenantId: string; readonly policy: MfaPolicy },
): Promise<{ readonly mfa_policy: MfaPolicy } | undefined> =>
  db
    .updateTable('tenants')
    .set({ mfa_policy: policy, updated_at: sql<Date>`now()` })
    .where('id', '=', tenantId)
    .returning('mfa_policy')
    .executeTakeFirst();
