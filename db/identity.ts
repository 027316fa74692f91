import { sql } from 'kysely';
import type { Database } from './client.js';
import type { Location, Role } from './tables.js';

/** The tenant of the platform's own administrators and of what ADMIN_TOKEN creates. */
export const PLATFORM_TENANT = 'ten_platform';

const SESSION_DAYS = 30;
/** Two tabs may refresh at the same moment: within this time the loser's token is refused, not taken for theft. */
const TWIN_SECONDS = 10;

export interface Login {
  readonly id: string;
  readonly tenant_id: string;
  readonly email: string;
  readonly name: string;
  readonly password_hash: string;
  readonly is_platform_admin: boolean;
  readonly is_verified: boolean;
  readonly is_disabled: boolean;
  /** A second factor is asked for at sign-in. */
  readonly has_mfa: boolean;
}

/** `email` in lower case. */
export const findLogin = (db: Database, email: string): Promise<Login | undefined> =>
  db
    .selectFrom('users')
    .select(['id', 'tenant_id', 'email', 'name', 'password_hash', 'is_platform_admin'])
    .select([
      sql<boolean>`email_verified_at is not null`.as('is_verified'),
      sql<boolean>`disabled_at is not null`.as('is_disabled'),
      sql<boolean>`totp_enabled_at is not null`.as('has_mfa'),
    ])
    .where('id', '=', sql<string>`user_by_email(${email})`)
    .executeTakeFirst();

export interface Home {
  readonly id: string;
  readonly tenant_id: string;
  readonly slug: string;
  readonly name: string;
  readonly role: Role;
  readonly deleted: boolean;
}

/** The user's first workspace, a live one if there is any; with `tenantId` the first in that organisation. */
export const findHome = (db: Database, userId: string, tenantId?: string): Promise<Home | undefined> =>
  db
    .selectFrom('memberships as m')
    .innerJoin('workspaces as w', 'w.id', 'm.workspace_id')
    .select(['w.id', 'w.tenant_id', 'w.slug', 'w.name', 'm.role', sql<boolean>`w.deleted_at is not null`.as('deleted')])
    .where('m.user_id', '=', userId)
    .where((eb) => (tenantId === undefined ? eb.lit(true) : eb('w.tenant_id', '=', tenantId)))
    .orderBy(sql`w.deleted_at is not null`)
    .orderBy('m.created_at')
    .orderBy('w.id')
    .executeTakeFirst();

const sessionEnd = sql<Date>`now() + make_interval(days => ${SESSION_DAYS})`;
export const SESSION_SECONDS = SESSION_DAYS * 86_400;

export async function insertSession(
  db: Database,
  session: {
    readonly id: string;
    readonly userId: string;
    readonly workspaceId: string;
    readonly tokenHash: string;
    readonly ip: string;
    readonly location: Location | null;
    readonly userAgent: string | null;
    readonly hasMfa: boolean;
    readonly boundTenantId?: string | undefined;
  },
): Promise<void> {
  await db
    .insertInto('sessions')
    .values({
      id: session.id,
      user_id: session.userId,
      workspace_id: session.workspaceId,
      token_hash: session.tokenHash,
      expires_at: sessionEnd,
      ip: session.ip,
      location: session.location === null ? null : JSON.stringify(session.location),
      user_agent: session.userAgent?.slice(0, 400) ?? null,
      last_seen_at: sql<Date>`now()`,
      mfa_at: session.hasMfa ? sql<Date>`now()` : null,
      bound_tenant_id: session.boundTenantId ?? null,
    })
    .execute();
}

export interface RotatedSession {
  readonly userId: string;
  readonly tenantId: string;
  readonly email: string;
  readonly name: string;
  readonly workspaceId: string;
  readonly isVerified: boolean;
  readonly hasMfa: boolean;
}

/** Puts `next` in the place of `current`; of two callers with one token exactly one gets the session. */
export const rotateSession = (
  db: Database,
  change: { readonly id: string; readonly current: string; readonly next: string },
): Promise<RotatedSession | undefined> =>
  db
    .updateTable('sessions as s')
    .from('users as u')
    .set({
      token_hash: change.next,
      previous_hash: change.current,
      rotated_at: sql<Date>`now()`,
      expires_at: sessionEnd,
    })
    .whereRef('u.id', '=', 's.user_id')
    .where('s.id', '=', change.id)
    .where('s.token_hash', '=', change.current)
    .where('s.revoked_at', 'is', null)
    .where('u.disabled_at', 'is', null)
    .where(sql<boolean>`s.expires_at > now()`)
    .returning(['s.user_id as userId', 's.workspace_id as workspaceId', 'u.email', 'u.name'])
    .returning([
      sql<string>`(select w.tenant_id from workspaces w where w.id = s.workspace_id)`.as('tenantId'),
      sql<boolean>`u.email_verified_at is not null`.as('isVerified'),
      sql<boolean>`u.totp_enabled_at is not null`.as('hasMfa'),
    ])
    .executeTakeFirst();

/** Ends the session whose earlier token came back. Answers whose it was, or undefined for a twin or a session long over. */
export const revokeReusedSession = (
  db: Database,
  used: { readonly id: string; readonly hash: string },
): Promise<{ readonly user_id: string; readonly workspace_id: string } | undefined> =>
  db
    .updateTable('sessions')
    .set({ revoked_at: sql<Date>`now()` })
    .where('id', '=', used.id)
    .where('revoked_at', 'is', null)
    .where('token_hash', '<>', used.hash)
    .where(
      sql<boolean>`not (coalesce(previous_hash, '') = ${used.hash} and rotated_at > now() - make_interval(secs => ${TWIN_SECONDS}))`,
    )
    .returning(['user_id', 'workspace_id'])
    .executeTakeFirst();

export const revokeSession = (
  db: Database,
  sessionId: string,
): Promise<{ readonly user_id: string; readonly workspace_id: string } | undefined> =>
  db
    .updateTable('sessions')
    .set({ revoked_at: sql<Date>`now()` })
    .where('id', '=', sessionId)
    .where('revoked_at', 'is', null)
    .returning(['user_id', 'workspace_id'])
    .executeTakeFirst();

/** False when the e-mail address is taken. */
export async function insertUser(
  db: Database,
  user: {
    readonly id: string;
    readonly tenantId: string;
    readonly email: string;
    readonly name: string;
    readonly passwordHash: string;
    readonly isPlatformAdmin: boolean;
  },
): Promise<boolean> {
  const row = await db
    .insertInto('users')
    .values({
      id: user.id,
      tenant_id: user.tenantId,
      email: user.email,
      name: user.name,
      password_hash: user.passwordHash,
      is_platform_admin: user.isPlatformAdmin,
    })
    .onConflict((conflict) => conflict.expression(sql`lower(email)`).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

export async function insertTenant(
  db: Database,
  tenant: { readonly id: string; readonly name: string; readonly slug: string },
): Promise<void> {
  await db
    .insertInto('tenants')
    .values(tenant)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

/** Leaves a member who is one already as they are. */
export async function insertTenantMember(
  db: Database,
  member: { readonly tenantId: string; readonly userId: string; readonly role: Role },
): Promise<void> {
  await db
    .insertInto('tenant_members')
    .values({ tenant_id: member.tenantId, user_id: member.userId, role: member.role })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'user_id']).doNothing())
    .execute();
}

/** Leaves a membership that exists as it is. */
export async function insertMembership(
  db: Database,
  member: { readonly userId: string; readonly workspaceId: string; readonly role: Role },
): Promise<void> {
  await db
    .insertInto('memberships')
    .values({ user_id: member.userId, workspace_id: member.workspaceId, role: member.role })
    .onConflict((conflict) => conflict.columns(['user_id', 'workspace_id']).doNothing())
    .execute();
}

/** Whoever got mail at the address has it. */
export async function verifyAddress(db: Database, userId: string): Promise<void> {
  await db
    .updateTable('users')
    .set({ email_verified_at: sql<Date>`now()` })
    .where('id', '=', userId)
    .where('email_verified_at', 'is', null)
    .execute();
}
