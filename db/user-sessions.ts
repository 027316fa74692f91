import { sql } from 'kysely';
import type { Database } from './client.js';
import type { Location, Role } from './tables.js';

export interface UserSession {
  readonly id: string;
  readonly tenant_id: string;
  readonly created_at: Date;
  readonly last_seen_at: Date | null;
  readonly revoked_at: Date | null;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly location: Location | null;
}

export interface SessionFilter {
  readonly userId: string;
  readonly includeRevoked: boolean;
  readonly tenantId?: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** A person's own sessions, newest first; without `includeRevoked` those alone that still work. */
export async function listUserSessions(
  db: Database,
  { userId, includeRevoked, tenantId, limit, offset }: SessionFilter,
): Promise<{ readonly sessions: readonly UserSession[]; readonly total: number }> {
  let found = db
    .selectFrom('sessions as s')
    .innerJoin('workspaces as w', 'w.id', 's.workspace_id')
    .where('s.user_id', '=', userId);
  if (!includeRevoked) found = found.where('s.revoked_at', 'is', null).where(sql<boolean>`s.expires_at > now()`);
  if (tenantId !== undefined) found = found.where('w.tenant_id', '=', tenantId);
  const sessions = await found
    .select([
      's.id',
      'w.tenant_id',
      's.created_at',
      's.last_seen_at',
      's.revoked_at',
      's.ip',
      's.user_agent',
      's.location',
    ])
    .orderBy('s.created_at', 'desc')
    .orderBy('s.id', 'desc')
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow();
  return { sessions, total };
}

export const findSessionOwner = (
  db: Database,
  id: string,
): Promise<{ readonly user_id: string; readonly workspace_id: string } | undefined> =>
  db.selectFrom('sessions').select(['user_id', 'workspace_id']).where('id', '=', id).executeTakeFirst();

/** False when the user has no such session, or it was ended before. */
export async function revokeOwnSession(
  db: Database,
  { userId, id }: { readonly userId: string; readonly id: string },
): Promise<boolean> {
  const row = await db
    .updateTable('sessions')
    .set({ revoked_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Ends all of a user's sessions; how many worked until now. */
export async function revokeSessions(db: Database, userId: string): Promise<number> {
  const rows = await db
    .updateTable('sessions')
    .set({ revoked_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .returning(sql<boolean>`expires_at > now()`.as('was_live'))
    .execute();
  return rows.filter((row) => row.was_live).length;
}

/** The organisations with a live workspace of the user's. */
export const tenantsOfUser = (
  db: Database,
  userId: string,
): Promise<readonly { readonly id: string; readonly name: string }[]> =>
  db
    .selectFrom('memberships as m')
    .innerJoin('workspaces as w', 'w.id', 'm.workspace_id')
    .innerJoin('tenants as t', 't.id', 'w.tenant_id')
    .select(['t.id', 't.name'])
    .distinct()
    .where('m.user_id', '=', userId)
    .where('w.deleted_at', 'is', null)
    .where('t.is_active', '=', true)
    .orderBy('t.id')
    .execute();

export interface MemberInTenant {
  /** In the organisation; null for a guest of single workspaces. */
  readonly role: Role | null;
  readonly isPlatformAdmin: boolean;
  /** Belongs to other organisations too. */
  readonly isShared: boolean;
}

/** A member or guest of an organisation; undefined for everybody else. */
export async function findMember(
  db: Database,
  { userId, tenantId }: { readonly userId: string; readonly tenantId: string },
): Promise<MemberInTenant | undefined> {
  const { rows } = await sql<MemberInTenant>`
    with places as (
      select tenant_id from tenant_members where user_id = ${userId}
      union
      select w.tenant_id from memberships m join workspaces w on w.id = m.workspace_id where m.user_id = ${userId}
    )
    select u.is_platform_admin as "isPlatformAdmin",
      (select role from tenant_members where user_id = u.id and tenant_id = ${tenantId}) as role,
      exists (select from places where tenant_id <> ${tenantId}) as "isShared"
    from users u where u.id = ${userId} and exists (select from places where tenant_id = ${tenantId})`.execute(db);
  return rows[0];
}
