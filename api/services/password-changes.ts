import type { Database } from '../../db/client.js';
import { findHome, findLogin } from '../../db/identity.js';
import { forgiveFailures } from '../../db/login-guards.js';
import { findTokenHolder, issueToken, useToken } from '../../db/one-time-tokens.js';
import { findCredential, lastPasswordHashes, lockUser, replacePassword } from '../../db/passwords.js';
import { findMember, type MemberInTenant } from '../../db/user-sessions.js';
import type { Actor } from '../actor.js';
import { badRequest, forbidden, notFound, unauthenticated } from '../http/errors.js';
import { normaliseEmail } from './accounts.js';
import type { AuditService } from './audit.js';
import type { Behind } from './behind.js';
import { RESET_MINUTES, type Letters } from './letters.js';
import type { Mailer } from './mail.js';
import { hashPassword, passwordProblem, verifyPassword } from './passwords.js';
import { atLeast } from './roles.js';
import { hasScope } from './scopes.js';
import type { Client } from './sessions.js';
import { addressKey, holdToLimits, HOUR, limitKey } from './special-limits.js';

export interface PasswordService {
  /** Mails a link to the address if it has an account; says the same, as fast, when it has none. */
  readonly forgot: (email: string, client: Client) => Promise<void>;
  readonly confirm: (given: { readonly token: string; readonly new_password: string }, client: Client) => Promise<void>;
  readonly change: (
    userId: string,
    given: { readonly current_password: string; readonly new_password: string },
    client: Client,
  ) => Promise<void>;
  /** By an administrator of an organisation the user belongs to. */
  readonly reset: (
    actor: Actor,
    given: { readonly user_id: string; readonly new_password: string },
    client: Client,
  ) => Promise<void>;
}

export interface PasswordDeps {
  readonly db: Database;
  readonly audit: AuditService;
  readonly mailer: Mailer;
  readonly letters: Letters;
  readonly behind: Behind;
}

export function createPasswordService(deps: PasswordDeps): PasswordService {
  return {
    forgot: (email, client) => forgot(deps, email, client),
    confirm: (given, client) => confirm(deps, given, client),
    change: async (userId, given, client) => change(deps, { userId, ...given }, client),
    reset: (actor, given, client) => reset(deps, { actor, ...given }, client),
  };
}

/**
 * What depends on whether there is an account happens behind the answer, so neither its words nor its time tell. A mail that
 * then fails is logged. So that a caller still hears of a mail server that is down, that is asked first, for every address
 * alike: its 502 says something of the server and nothing of the account.
 */
async function forgot(deps: PasswordDeps, address: string, client: Client): Promise<void> {
  const { db, mailer, letters, behind } = deps;
  const email = normaliseEmail(address);
  const message = 'Too many requests for a new password.';
  await holdToLimits(db, [
    { key: addressKey('forgot', client.ip), points: 20, seconds: HOUR, message },
    { key: limitKey('forgot/email', email), points: 5, seconds: HOUR, message },
  ]);
  await mailer.check();
  behind.run('the mail about a forgotten password', async () => {
    const user = await findLogin(db, email);
    if (user === undefined || user.is_disabled) return;
    const issued = { userId: user.id, email: user.email, purpose: 'reset_password', minutes: RESET_MINUTES } as const;
    await mailer.send(letters.resetPassword(user.email, await issueToken(db, issued)));
  });
}

async function confirm(
  deps: PasswordDeps,
  given: { readonly token: string; readonly new_password: string },
  client: Client,
): Promise<void> {
  const presented = { token: given.token, purpose: 'reset_password' } as const;
  const holder = await findTokenHolder(deps.db, presented);
  if (holder === undefined) throw badToken();
  const done = { ...holder, client, actor: null, action: 'auth.password_reset' };
  await setPassword(deps, { ...done, password: given.new_password, token: given.token });
}

const badToken = (): Error =>
  badRequest('token: it was used, is too old or is not ours; ask for another mail.', 'token');

async function change(
  deps: PasswordDeps,
  given: { readonly userId: string; readonly current_password: string; readonly new_password: string },
  client: Client,
): Promise<void> {
  const { userId } = given;
  const user = await findCredential(deps.db, userId);
  if (user === undefined) throw notFound('user', userId);
  // who holds a stolen session must not find the password out here, past the lock of the sign-in
  const message = 'Too many changes of this password.';
  await holdToLimits(deps.db, [{ key: limitKey('change-password/user', userId), points: 10, seconds: HOUR, message }]);
  if (!(await verifyPassword(user.passwordHash, given.current_password))) {
    throw unauthenticated('current_password is wrong.');
  }
  const done = { userId, email: user.email, client, actor: null, action: 'auth.password_changed' };
  await setPassword(deps, { ...done, password: given.new_password });
}

async function reset(
  deps: PasswordDeps,
  { actor, ...given }: { readonly actor: Actor; readonly user_id: string; readonly new_password: string },
  client: Client,
): Promise<void> {
  const { user_id: userId } = given;
  const { tenantId } = actor;
  if (tenantId === '') throw badRequest('Your credential belongs to no organisation: name one in X-Tenant-Id.');
  const member = await findMember(deps.db, { userId, tenantId });
  const user = member === undefined ? undefined : await findCredential(deps.db, userId);
  if (member === undefined || user === undefined) throw notFound('user', userId);
  checkMayReset(actor, member);
  const done = { userId, email: user.email, client, actor, action: 'auth.password_reset_by_admin' };
  await setPassword(deps, { ...done, password: given.new_password });
}

/** To know somebody's password is to be them: nobody may take a stronger role, or another organisation, that way. */
function checkMayReset({ role, scopes }: Actor, member: MemberInTenant): void {
  if (hasScope(scopes, 'platform:operator')) return;
  if (member.isPlatformAdmin || (member.role !== null && !atLeast(role ?? 'admin', member.role))) {
    throw forbidden('user_id: this user has a stronger role than you.');
  }
  if (member.isShared) {
    throw forbidden('user_id: this user belongs to other organisations too; let them ask for a mail instead.');
  }
}

interface NewPassword {
  readonly userId: string;
  readonly email: string;
  readonly password: string;
  readonly client: Client;
  /** Who does it; null: the user. */
  readonly actor: Actor | null;
  readonly action: string;
  /** Used up with the change. */
  readonly token?: string;
}

/** Checks and sets a password; every session ends, failed sign-ins are forgiven, and the user is told by mail. */
async function setPassword(deps: PasswordDeps, change: NewPassword): Promise<void> {
  const { db, behind, mailer, letters } = deps;
  const { userId, email, token } = change;
  await checkNew(db, change);
  const passwordHash = await hashPassword(change.password);
  const sessions = await db.transaction().execute(async (trx) => {
    await lockUser(trx, userId);
    if (token !== undefined && !(await useToken(trx, { token, purpose: 'reset_password' }))) throw badToken();
    await forgiveFailures(trx, normaliseEmail(email));
    return replacePassword(trx, { userId, passwordHash });
  });
  await recordChange(deps, change, sessions);
  behind.run('the mail about a changed password', () => mailer.send(letters.passwordChanged(email)));
}

async function checkNew(db: Database, { userId, email, password }: NewPassword): Promise<void> {
  const problem = await passwordProblem(password, normaliseEmail(email), 'strict');
  if (problem !== null) throw badRequest(`new_password ${problem}.`, 'new_password');
  for (const used of await lastPasswordHashes(db, userId)) {
    if (await verifyPassword(used, password)) {
      throw badRequest('new_password is one of your last five: choose another.', 'new_password');
    }
  }
}

async function recordChange(
  { db, audit }: PasswordDeps,
  { userId, client, actor, action }: NewPassword,
  sessions: number,
): Promise<void> {
  await audit.record({
    workspaceId: actor?.workspaceId || ((await findHome(db, userId))?.id ?? null),
    actorType: actor?.type ?? 'user',
    actorId: actor?.id ?? userId,
    action,
    entityType: 'user',
    entityId: userId,
    metadata: { sessions_ended: sessions },
    ip: client.ip,
    requestId: client.requestId,
  });
}
