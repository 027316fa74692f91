import { sql } from 'kysely';
import type { Database } from './client.js';
import type { Role } from './tables.js';

/** The tenant of the platform's own administrators and of what ADMIN_TOKEN creates. */
export const PLATFORM_TENANT = 'ten_platform';

const SESSION_DAYS = 30;
const LOCK_AFTER_FAILURES = 5;
const LOCK_MINUTES = 15;
/** Two tabs may refresh at the same moment: within this time the loser's token is refused, not taken for theft. */
const TWIN_SECONDS = 10;

export interface Principal {
  readonly userId: string;
  readonly workspaceId: string;
  readonly isPlatformAdmin: boolean;
  /** Held in the workspace and its ancestors; empty when the workspace is gone or the user is no member. */
  readonly roles: readonly Role[];
}

/** Everything a signed-in request needs, in one query. Without `workspaceId` the session's own workspace is meant. */
export async function findPrincipal(
  db: Database,
  asked: { readonly sessionId: string; readonly userId: string; readonly workspaceId: string | undefined },
): Promise<Principal | undefined> {
  const { rows } = await sql<Principal>`
    with recursive caller as (
      select s.user_id, u.is_platform_admin, coalesce(${asked.workspaceId ?? null}::text, s.workspace_id) as workspace_id
      from sessions s join users u on u.id = s.user_id
      where s.id = ${asked.sessionId} and s.user_id = ${asked.userId} and s.revoked_at is null and s.expires_at > now()
    ), line as (
      select w.id, w.parent_id from workspaces w join caller on w.id = caller.workspace_id where w.deleted_at is null
      union
      select p.id, p.parent_id from workspaces p join line on p.id = line.parent_id where p.deleted_at is null
    )
    select user_id as "userId", workspace_id as "workspaceId", is_platform_admin as "isPlatformAdmin",
      array(select m.role from memberships m join line on line.id = m.workspace_id where m.user_id = caller.user_id) as roles
    from caller`.execute(db);
  return rows[0];
}

export interface TokenHolder {
  readonly id: string;
  readonly workspaceId: string;
  readonly lastUsedAt: Date | null;
}

export const findToken = (db: Database, tokenHash: string): Promise<TokenHolder | undefined> =>
  db
    .selectFrom('workspace_tokens as t')
    .innerJoin('workspaces as w', 'w.id', 't.workspace_id')
    .select(['t.id', 't.workspace_id as workspaceId', 't.last_used_at as lastUsedAt'])
    .where('t.token_hash', '=', tokenHash)
    .where('t.revoked_at', 'is', null)
    .where('w.deleted_at', 'is', null)
    .executeTakeFirst();

export async function touchToken(db: Database, tokenId: string): Promise<void> {
  await db
    .updateTable('workspace_tokens')
    .set({ last_used_at: sql<Date>`now()` })
    .where('id', '=', tokenId)
    .where(sql<boolean>`coalesce(last_used_at < now() - interval '1 minute', true)`)
    .execute();
}

export interface Login {
  readonly id: string;
  readonly tenant_id: string;
  readonly email: string;
  readonly name: string;
  readonly password_hash: string;
  readonly is_platform_admin: boolean;
  /** How long the account is still locked; 0 when it is not. */
  readonly lock_seconds: number;
}

const isLocked = sql<boolean>`(failed_logins >= ${LOCK_AFTER_FAILURES} and coalesce(locked_until > now(), false))`;

const lockSeconds = sql<number>`case when ${isLocked} then ceil(extract(epoch from locked_until - now()))::int else 0 end`;

/** `email` in lower case. */
export const findLogin = (db: Database, email: string): Promise<Login | undefined> =>
  db
    .selectFrom('users')
    .select(['id', 'tenant_id', 'email', 'name', 'password_hash', 'is_platform_admin', lockSeconds.as('lock_seconds')])
    .where(sql`lower(email)`, '=', email)
    .executeTakeFirst();

/** How long a lock lasts. */
export const LOCK_SECONDS = LOCK_MINUTES * 60;

/**
 * A failure counts until 15 minutes after the last one (`locked_until`), so five within 15 minutes always lock. Answers
 * whether the account is locked now.
 */
export async function recordFailedLogin(db: Database, userId: string): Promise<boolean> {
  const row = await db
    .updateTable('users')
    .set({
      failed_logins: sql<number>`case when locked_until > now() then failed_logins + 1 else 1 end`,
      locked_until: sql<Date>`now() + make_interval(mins => ${LOCK_MINUTES})`,
    })
    .where('id', '=', userId)
    .where(sql<boolean>`not ${isLocked}`)
    .returning(isLocked.as('locked'))
    .executeTakeFirst();
  return row?.locked ?? true;
}

/** False when the account was locked while the password was checked: guesses sent side by side win nothing. */
export async function recordGoodLogin(db: Database, userId: string): Promise<boolean> {
  const row = await db
    .updateTable('users')
    .set({ failed_logins: 0, locked_until: null })
    .where('id', '=', userId)
    .where(sql<boolean>`not ${isLocked}`)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

export interface Home {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly role: Role;
  readonly deleted: boolean;
}

/** The user's first workspace, a live one if there is any. */
export const findHome = (db: Database, userId: string): Promise<Home | undefined> =>
  db
    .selectFrom('memberships as m')
    .innerJoin('workspaces as w', 'w.id', 'm.workspace_id')
    .select(['w.id', 'w.slug', 'w.name', 'm.role', sql<boolean>`w.deleted_at is not null`.as('deleted')])
    .where('m.user_id', '=', userId)
    .orderBy(sql`w.deleted_at is not null`)
    .orderBy('m.created_at')
    .orderBy('w.id')
    .executeTakeFirst();

const sessionEnd = sql<Date>`now() + make_interval(days => ${SESSION_DAYS})`;
export const SESSION_SECONDS = SESSION_DAYS * 86_400;

export async function insertSession(
  db: Database,
  session: { readonly id: string; readonly userId: string; readonly workspaceId: string; readonly tokenHash: string },
): Promise<void> {
  await db
    .insertInto('sessions')
    .values({
      id: session.id,
      user_id: session.userId,
      workspace_id: session.workspaceId,
      token_hash: session.tokenHash,
      expires_at: sessionEnd,
    })
    .execute();
}

export interface RotatedSession {
  readonly userId: string;
  readonly tenantId: string;
  readonly email: string;
  readonly name: string;
  readonly workspaceId: string;
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
    .where(sql<boolean>`s.expires_at > now()`)
    .returning(['s.user_id as userId', 's.workspace_id as workspaceId', 'u.tenant_id as tenantId', 'u.email', 'u.name'])
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
  tenant: { readonly id: string; readonly name: string },
): Promise<void> {
  await db
    .insertInto('tenants')
    .values(tenant)
    .onConflict((conflict) => conflict.column('id').doNothing())
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

export async function findTenant(db: Database, userId: string): Promise<string> {
  const user = await db.selectFrom('users').select('tenant_id').where('id', '=', userId).executeTakeFirstOrThrow();
  return user.tenant_id;
}
