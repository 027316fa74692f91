import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import {
  findHome,
  findLogin,
  findPrincipal,
  insertSession,
  LOCK_SECONDS,
  recordFailedLogin,
  recordGoodLogin,
  revokeReusedSession,
  revokeSession,
  rotateSession,
  type Login,
  type RotatedSession,
} from '../../db/identity.js';
import { newId } from '../../db/ids.js';
import type { Role } from '../../db/tables.js';
import { findWorkspace } from '../../db/workspaces.js';
import { forbidden, tooMany, unauthenticated } from '../http/errors.js';
import type { Actor } from '../actor.js';
import { ACCESS_TOKEN_SECONDS, createTokenSigner, type TokenSigner } from './access-tokens.js';
import { createAccount, ensureAdmin, normaliseEmail, type AdminAccount, type NewAccount } from './accounts.js';
import type { AuditService } from './audit.js';
import { createAuthenticate, type Credentials } from './authenticate.js';
import { mayUseCookie, type RequestOrigin } from './origin.js';
import { verifyPassword } from './passwords.js';
import { strongestRole } from './roles.js';

export type { Credentials } from './authenticate.js';

/** Where a sign-in comes from, for the audit log. */
export interface Client {
  readonly ip: string;
  readonly requestId: string;
}

export interface SignedIn {
  readonly access_token: string;
  readonly token_type: 'bearer';
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly user: { readonly id: string; readonly email: string; readonly name: string; readonly mfa_enabled: boolean };
  /** null when the session's workspace is gone. */
  readonly workspace: { readonly id: string; readonly slug: string; readonly name: string; readonly role: Role } | null;
}

/** A refresh token and how it came: one from a cookie counts only if our own page sent it. */
export interface PresentedRefresh {
  readonly token: string | undefined;
  readonly cookieFrom?: RequestOrigin;
}

export interface AuthService {
  /** The actor, or 401 for a missing or bad credential, 403 for a workspace the user is no member of. */
  readonly authenticate: (credentials: Credentials) => Promise<Actor>;
  readonly signup: (account: NewAccount, client: Client) => Promise<SignedIn>;
  readonly login: (given: { readonly email: string; readonly password: string }, client: Client) => Promise<SignedIn>;
  /** Each refresh token works once; using one again ends its session. */
  readonly refresh: (presented: PresentedRefresh, client: Client) => Promise<SignedIn>;
  /** Ends the session of the refresh token or, failing that, of the access token. Nothing to end is fine. */
  readonly logout: (
    presented: PresentedRefresh & { readonly accessToken: string | undefined },
    client: Client,
  ) => Promise<void>;
  /** The platform administrator of a first start; does nothing when there is one of that e-mail address. */
  readonly ensureAdmin: (admin: { readonly email: string; readonly password: string }) => Promise<AdminAccount>;
}

export interface AuthDeps {
  readonly db: Database;
  readonly masterKey: Buffer;
  readonly audit: AuditService;
  readonly adminToken?: string | undefined;
  /** KEELSON_SIGNUP. */
  readonly signup: 'open' | 'closed';
  readonly trustedOrigins?: readonly string[];
  readonly onError?: (error: unknown) => void;
}

interface Context extends AuthDeps {
  readonly signer: TokenSigner;
}

export function createAuthService(deps: AuthDeps): AuthService {
  const context: Context = { ...deps, signer: createTokenSigner(deps.masterKey) };
  const { db, signer, adminToken, trustedOrigins = [], onError = () => undefined } = context;
  return {
    authenticate: createAuthenticate({ db, signer, adminToken, trustedOrigins, onError }),
    signup: (account, client) => signup(context, account, client),
    login: (given, client) => login(context, given, client),
    refresh: (presented, client) => refresh(context, presented, client),
    logout: (presented, client) => logout(context, presented, client),
    ensureAdmin: (admin) => ensureAdmin(db, admin),
  };
}

async function signup(context: Context, account: NewAccount, client: Client): Promise<SignedIn> {
  if (context.signup === 'closed') {
    throw forbidden('Sign-up is closed on this installation: ask its administrator for an account.');
  }
  const user = await createAccount(context.db, account);
  const signedIn = await openSession(context, user);
  await record(context, client, {
    action: 'auth.signup',
    userId: user.id,
    workspaceId: signedIn.workspace?.id ?? null,
  });
  return signedIn;
}

async function login(
  context: Context,
  given: { readonly email: string; readonly password: string },
  client: Client,
): Promise<SignedIn> {
  const user = await findLogin(context.db, normaliseEmail(given.email));
  const refusal = await tryPassword(context.db, user, given.password);
  if (user === undefined || refusal !== null) throw await refused(context, client, { user, refusal });
  const signedIn = await openSession(context, user);
  await record(context, client, { action: 'auth.login', userId: user.id, workspaceId: signedIn.workspace?.id ?? null });
  return signedIn;
}

type Refusal = 'locked' | 'credentials' | null;

async function tryPassword(db: Database, user: Login | undefined, password: string): Promise<Refusal> {
  if (user !== undefined && user.lock_seconds > 0) return 'locked';
  const right = await verifyPassword(user?.password_hash, password);
  if (user === undefined) return 'credentials';
  if (right) return (await recordGoodLogin(db, user.id)) ? null : 'locked';
  return (await recordFailedLogin(db, user.id)) ? 'locked' : 'credentials';
}

/** Audits a failed sign-in. The address tried is not kept: people type passwords into that field. */
async function refused(
  context: Context,
  client: Client,
  { user, refusal }: { readonly user: Login | undefined; readonly refusal: Refusal },
): Promise<Error> {
  const home = user === undefined ? undefined : await findHome(context.db, user.id);
  await context.audit.record({
    workspaceId: home?.id ?? null,
    actorType: 'anonymous',
    actorId: 'anonymous',
    action: 'auth.login_failed',
    entityType: 'user',
    entityId: user?.id ?? 'unknown',
    metadata: { reason: refusal, ip: client.ip },
    requestId: client.requestId,
  });
  return refusal === 'locked'
    ? tooMany(
        'Too many failed sign-ins: this account is locked for up to 15 minutes.',
        user?.lock_seconds || LOCK_SECONDS,
      )
    : unauthenticated('The e-mail address or the password is wrong.');
}

async function openSession(
  { db, signer }: Context,
  user: Pick<Login, 'id' | 'tenant_id' | 'email' | 'name'>,
): Promise<SignedIn> {
  const home = await findHome(db, user.id);
  if (home === undefined) throw forbidden('This account is a member of no workspace: ask for an invitation.');
  const sessionId = newId('ses');
  const refreshToken = signer.issueRefresh(sessionId);
  await insertSession(db, { id: sessionId, userId: user.id, workspaceId: home.id, tokenHash: sha256Hex(refreshToken) });
  const { deleted, ...workspace } = home;
  return answer(signer, {
    session: { id: sessionId, refreshToken },
    user: { userId: user.id, tenantId: user.tenant_id, email: user.email, name: user.name, workspaceId: home.id },
    workspace: deleted ? null : workspace,
  });
}

async function answer(
  signer: TokenSigner,
  {
    session,
    user,
    workspace,
  }: {
    readonly session: { readonly id: string; readonly refreshToken: string };
    readonly user: RotatedSession;
    readonly workspace: SignedIn['workspace'];
  },
): Promise<SignedIn> {
  return {
    access_token: await signer.signAccess({ ...user, sessionId: session.id }),
    token_type: 'bearer',
    expires_in: ACCESS_TOKEN_SECONDS,
    refresh_token: session.refreshToken,
    user: { id: user.userId, email: user.email, name: user.name, mfa_enabled: false },
    workspace,
  };
}

const badRefresh = (): Error => unauthenticated('The refresh token is missing, used or expired: sign in again.');

/**
 * A token that was already used ends its session: one of its two holders is a thief. Only the very last one gets 401 without
 * that for ten seconds, because two tabs refresh at the same moment without meaning harm.
 */
async function refresh(context: Context, presented: PresentedRefresh, client: Client): Promise<SignedIn> {
  const { db, signer } = context;
  const token = acceptedRefresh(context, presented);
  const sessionId = token === undefined ? null : signer.refreshSession(token);
  if (token === undefined || sessionId === null) throw badRefresh();
  const next = signer.issueRefresh(sessionId);
  const user = await rotateSession(db, { id: sessionId, current: sha256Hex(token), next: sha256Hex(next) });
  if (user === undefined) {
    const owner = await revokeReusedSession(db, { id: sessionId, hash: sha256Hex(token) });
    if (owner !== undefined) {
      const ended = { action: 'auth.refresh_reused', userId: owner.user_id, workspaceId: owner.workspace_id };
      await record(context, client, ended);
    }
    throw badRefresh();
  }
  const workspace = await workspaceOf(db, { ...user, sessionId });
  return answer(signer, { session: { id: sessionId, refreshToken: next }, user, workspace });
}

async function workspaceOf(
  db: Database,
  session: { readonly userId: string; readonly sessionId: string; readonly workspaceId: string },
): Promise<SignedIn['workspace']> {
  const principal = await findPrincipal(db, session);
  const role = strongestRole(principal?.roles ?? []);
  const row = role === undefined ? undefined : await findWorkspace(db, session.workspaceId);
  return role === undefined || row === undefined ? null : { id: row.id, slug: row.slug, name: row.name, role };
}

function acceptedRefresh({ trustedOrigins }: Context, { token, cookieFrom }: PresentedRefresh): string | undefined {
  if (cookieFrom !== undefined && !mayUseCookie(cookieFrom, trustedOrigins)) {
    throw forbidden('The session cookie is not accepted from another site.');
  }
  return token;
}

async function logout(
  context: Context,
  presented: PresentedRefresh & { readonly accessToken: string | undefined },
  client: Client,
): Promise<void> {
  const token = acceptedRefresh(context, presented);
  const byRefresh = token === undefined ? null : context.signer.refreshSession(token);
  const claims = presented.accessToken === undefined ? null : await context.signer.verifyAccess(presented.accessToken);
  const sessionId = byRefresh ?? claims?.sessionId;
  const ended = sessionId === undefined ? undefined : await revokeSession(context.db, sessionId);
  if (ended === undefined) return;
  await record(context, client, { action: 'auth.logout', userId: ended.user_id, workspaceId: ended.workspace_id });
}

const record = (
  { audit }: Context,
  client: Client,
  event: { readonly action: string; readonly userId: string; readonly workspaceId: string | null },
): Promise<void> =>
  audit.record({
    workspaceId: event.workspaceId,
    actorType: 'user',
    actorId: event.userId,
    action: event.action,
    entityType: 'user',
    entityId: event.userId,
    metadata: { ip: client.ip },
    requestId: client.requestId,
  });
