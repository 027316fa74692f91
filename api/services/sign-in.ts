import { findHome, findLogin, type Login } from '../../db/identity.js';
import type { LoginGuards } from '../../db/login-guards.js';
import { ApiError, forbidden, unauthenticated } from '../http/errors.js';
import { normaliseEmail } from './accounts.js';
import { verifyPassword } from './passwords.js';
import { openSession, record, type Client, type SessionDeps, type SignedIn } from './sessions.js';

export interface SignIn {
  readonly email: string;
  readonly password: string;
  readonly totp_code?: string | undefined;
  /** Which organisation; needed only by members of several. */
  readonly tenant_id?: string | undefined;
  /** Members of several organisations must say which. */
  readonly must_name_tenant?: boolean | undefined;
}

/** Proves a second factor: a TOTP code or an unused recovery code, each of which works once. */
export type ProveFactor = (userId: string, code: string) => Promise<boolean>;

export interface SignInDeps extends SessionDeps {
  readonly guards: LoginGuards;
  readonly proveFactor?: ProveFactor;
}

const WRONG = 'The e-mail address or the password is wrong.';

export async function login(context: SignInDeps, given: SignIn, client: Client): Promise<SignedIn> {
  const { user, hasMfa } = await proveIdentity(context, given, client);
  const { tenant_id: tenantId, must_name_tenant: mustNameTenant } = given;
  const signedIn = await openSession(context, user, { client, hasMfa, tenantId, mustNameTenant });
  await record(context, client, { action: 'auth.login', userId: user.id, workspaceId: signedIn.workspace?.id ?? null });
  return signedIn;
}

export interface Proved {
  readonly user: Login;
  /** A second factor was proved too. */
  readonly hasMfa: boolean;
}

/** Everything of a sign-in but the session. */
export async function proveIdentity(context: SignInDeps, given: SignIn, client: Client): Promise<Proved> {
  const email = normaliseEmail(given.email);
  const user = await findLogin(context.db, email);
  const refusal = await tryPassword(context, { email, user, password: given.password });
  if (user === undefined || refusal !== null) throw await refused(context, client, { user, refusal });
  const hasMfa = user.has_mfa && (await secondFactor(context, { email, user, code: given.totp_code, client }));
  if (user.is_disabled) throw forbidden('This account is disabled: ask an administrator of your organisation.');
  return { user, hasMfa };
}

type Refusal = { readonly reason: 'credentials' } | { readonly reason: 'locked'; readonly seconds: number } | null;

/** Takes as long, and says the same, whether or not the address has an account. */
async function tryPassword(
  { guards }: SignInDeps,
  tried: { readonly email: string; readonly user: Login | undefined; readonly password: string },
): Promise<Refusal> {
  const { email, user, password } = tried;
  const locked = await guards.lockSeconds(email);
  if (locked > 0) return { reason: 'locked', seconds: locked };
  const right = await verifyPassword(user?.password_hash, password);
  // the failures of an account with a second factor are forgotten when that is proved: else who knows the password guesses on
  if (right && user?.has_mfa === true && (await guards.lockSeconds(email)) === 0) return null;
  const { isPassed, lockSeconds } = await settleGuess(guards, email, right);
  if (isPassed) return null;
  return lockSeconds > 0 ? { reason: 'locked', seconds: lockSeconds } : { reason: 'credentials' };
}

/** Counts a guess. A right one passes unless the address was locked meanwhile. */
export async function settleGuess(
  guards: LoginGuards,
  email: string,
  isRight: boolean,
): Promise<{ readonly isPassed: boolean; readonly lockSeconds: number }> {
  if (isRight && (await guards.recordSuccess(email))) return { isPassed: true, lockSeconds: 0 };
  const lockSeconds = isRight ? await guards.lockSeconds(email) : await guards.recordFailure(email);
  return { isPassed: false, lockSeconds };
}

/** True, or throws: a wrong code counts like a wrong password. */
async function secondFactor(
  context: SignInDeps,
  { email, user, code, client }: { email: string; user: Login; code: string | undefined; client: Client },
): Promise<true> {
  if (code === undefined || code === '') {
    throw new ApiError(401, 'This account has a second factor: send totp_code too.', {
      extra: { detail: { code: 'mfa_required' } },
      headers: { 'www-authenticate': 'Bearer' },
    });
  }
  const isRight = (await context.proveFactor?.(user.id, code)) === true;
  const { isPassed, lockSeconds: seconds } = await settleGuess(context.guards, email, isRight);
  if (isPassed) return true;
  throw await refused(context, client, {
    user,
    refusal: seconds > 0 ? { reason: 'locked', seconds } : { reason: 'credentials' },
    message: 'totp_code is wrong, or was used before.',
  });
}

interface Refused {
  readonly user: Login | undefined;
  readonly refusal: Refusal;
  readonly message?: string;
}

/** Audits a failed sign-in. The address tried is not kept: people type passwords into that field. */
async function refused(
  context: SignInDeps,
  client: Client,
  { user, refusal, message = WRONG }: Refused,
): Promise<Error> {
  await context.audit.record({
    workspaceId: user === undefined ? null : ((await findHome(context.db, user.id))?.id ?? null),
    actorType: 'anonymous',
    actorId: 'anonymous',
    action: 'auth.login_failed',
    entityType: 'user',
    entityId: user === undefined ? 'unknown' : user.id,
    metadata: { reason: refusal?.reason ?? 'credentials' },
    ip: client.ip,
    requestId: client.requestId,
  });
  if (refusal?.reason !== 'locked') return unauthenticated(message);
  return lockedOut(refusal.seconds);
}

export function lockedOut(seconds: number): ApiError {
  const minutes = Math.ceil(seconds / 60);
  return new ApiError(423, `Too many failed sign-ins: this address is locked for ${minutes} more minutes.`, {
    headers: { 'retry-after': String(seconds) },
  });
}
