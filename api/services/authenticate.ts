import type { Database } from '../../db/client.js';
import { equalSecrets, sha256Hex } from '../../db/crypto.js';
import { findPrincipal, findToken, touchToken, type Principal, type TokenHolder } from '../../db/identity.js';
import { findWorkspace } from '../../db/workspaces.js';
import { ApiError, forbidden, notFound, unauthenticated } from '../http/errors.js';
import type { Actor, Auth } from '../actor.js';
import type { TokenSigner } from './access-tokens.js';
import { mayUseCookie, type RequestOrigin } from './origin.js';
import { ACCESS_COOKIE } from './session-cookies.js';
import { allCapabilities, roleCapabilities, strongestRole, tokenCapabilities } from './roles.js';

/** What a request says of its caller. */
export interface Credentials {
  readonly auth: Auth;
  readonly authorization: string | undefined;
  readonly cookies: Readonly<Record<string, string>>;
  /** X-Workspace-Id. */
  readonly workspaceHeader: string | undefined;
  /** `:id` of a `workspace` route. */
  readonly pathWorkspaceId: string | undefined;
  /** The page that sent it; without it no cookie is accepted. */
  readonly origin?: RequestOrigin;
}

export interface AuthenticateDeps {
  readonly db: Database;
  readonly signer: TokenSigner;
  readonly adminToken: string | undefined;
  /** Origins besides our own whose pages may use the cookies. */
  readonly trustedOrigins: readonly string[];
  /** Told of work that failed behind a request, and of a database that cannot be reached. */
  readonly onError: (error: unknown) => void;
}

const TOUCH_EVERY_MS = 60_000;

/** Both guards of the Integrations surface have sentences of their own; the other surfaces share one. */
const missing: Record<Exclude<Auth, 'none'>, string> = {
  workspace: 'missing workspace auth token',
  admin: 'admin auth required',
  user: 'Sign in first: send Authorization: Bearer <access token>, or the session cookie.',
  member: 'Sign in first: send Authorization: Bearer <access or workspace token>, or the session cookie.',
};
const wrong: Record<Exclude<Auth, 'none'>, string> = {
  workspace: 'invalid workspace auth token',
  admin: 'invalid admin auth token',
  user: 'The token is expired, revoked or not ours: refresh it or sign in again.',
  member: 'The token is expired, revoked or not ours: refresh it or sign in again.',
};

const anonymous: Actor = {
  type: 'anonymous',
  id: 'anonymous',
  workspaceId: '',
  sessionId: null,
  capabilities: new Set(),
};

/** Credentials of a route that wants some. */
type Asked = Credentials & { readonly auth: Exclude<Auth, 'none'> };

export function createAuthenticate(deps: AuthenticateDeps): (credentials: Credentials) => Promise<Actor> {
  const touch = createTouch(deps);
  return async (credentials) => {
    const { auth } = credentials;
    if (auth === 'none') return anonymous;
    const asked = { ...credentials, auth };
    const token = presentedToken(asked, deps);
    if (deps.adminToken !== undefined && equalSecrets(token, deps.adminToken)) return adminActor(deps, asked);
    if (token.split('.').length === 3) return userActor(deps, asked, token);
    const holder = await reached(deps, findToken(deps.db, sha256Hex(token)));
    if (holder === undefined) throw unauthenticated(wrong[auth]);
    const actor = tokenActor(asked, holder);
    touch(holder);
    return actor;
  };
}

/** A header is chosen by the caller's program; a cookie is sent by the browser whoever asks it to, so its sender is checked. */
function presentedToken(asked: Asked, { trustedOrigins }: AuthenticateDeps): string {
  const bearer = /^bearer +(\S+) *$/i.exec(asked.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  if (asked.authorization !== undefined && /^bearer\b/i.test(asked.authorization))
    throw unauthenticated(missing[asked.auth]);
  const cookie = asked.cookies[ACCESS_COOKIE];
  if (cookie === undefined || cookie === '') throw unauthenticated(missing[asked.auth]);
  if (asked.origin === undefined || !mayUseCookie(asked.origin, trustedOrigins)) {
    throw forbidden('The session cookie is not accepted from another site: send Authorization: Bearer <access token>.');
  }
  return cookie;
}

async function adminActor(deps: AuthenticateDeps, asked: Asked): Promise<Actor> {
  const workspaceId = asked.auth === 'workspace' ? (asked.pathWorkspaceId ?? '') : '';
  if (asked.auth === 'member') {
    throw forbidden('ADMIN_TOKEN opens /workspaces and /admin; here use a workspace token or a signed-in user.');
  }
  if (asked.auth === 'workspace' && (await reached(deps, findWorkspace(deps.db, workspaceId))) === undefined) {
    throw notFound('workspace', workspaceId);
  }
  return { type: 'admin', id: 'admin', workspaceId, sessionId: null, capabilities: allCapabilities };
}

function tokenActor(asked: Asked, { id, workspaceId }: TokenHolder): Actor {
  const foreign = asked.auth === 'workspace' && asked.pathWorkspaceId !== workspaceId;
  if (foreign || asked.auth === 'admin') throw unauthenticated(wrong[asked.auth]);
  if (asked.auth === 'member' && (asked.workspaceHeader || workspaceId) !== workspaceId) {
    throw forbidden(`X-Workspace-Id: this token belongs to ${workspaceId} and opens no other workspace.`);
  }
  return { type: 'workspace_token', id, workspaceId, sessionId: null, capabilities: tokenCapabilities };
}

async function userActor(deps: AuthenticateDeps, asked: Asked, token: string): Promise<Actor> {
  const claims = await deps.signer.verifyAccess(token);
  if (claims === null) throw unauthenticated(wrong[asked.auth]);
  const principal = await reached(deps, findPrincipal(deps.db, { ...claims, workspaceId: workspaceAsked(asked) }));
  if (principal === undefined) throw unauthenticated(wrong[asked.auth]);
  const user = { type: 'user', id: claims.userId, sessionId: claims.sessionId } as const;
  if (asked.auth === 'user') return { ...user, workspaceId: '', capabilities: new Set() };
  if (asked.auth !== 'admin') return { ...user, ...membership(asked, principal) };
  if (!principal.isPlatformAdmin) throw forbidden('This needs ADMIN_TOKEN or a platform administrator.');
  return { ...user, workspaceId: '', capabilities: allCapabilities };
}

function workspaceAsked(asked: Asked): string | undefined {
  if (asked.auth === 'workspace') return asked.pathWorkspaceId ?? '';
  return asked.auth === 'member' ? asked.workspaceHeader || undefined : undefined;
}

function membership(asked: Asked, { workspaceId, roles }: Principal): Pick<Actor, 'workspaceId' | 'capabilities'> {
  const role = strongestRole(roles);
  if (role !== undefined) return { workspaceId, capabilities: roleCapabilities[role] };
  if (asked.auth === 'workspace') throw notFound('workspace', workspaceId);
  throw forbidden(
    asked.workspaceHeader
      ? `X-Workspace-Id: you are no member of workspace "${workspaceId}".`
      : 'The workspace of your session is gone or you left it: name another in X-Workspace-Id, or sign in again.',
  );
}

async function reached<T>({ onError }: AuthenticateDeps, query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    onError(error);
    throw new ApiError(503, 'The database cannot be reached: try again shortly.', {
      extra: { code: 'platform_unavailable' },
      headers: { 'retry-after': '1' },
    });
  }
}

/** Writes `last_used_at` at most once a minute and behind the request, which does not wait for it. */
function createTouch({ db, onError }: AuthenticateDeps): (holder: TokenHolder) => void {
  const underWay = new Set<string>();
  return ({ id, lastUsedAt }) => {
    if (underWay.has(id) || Date.now() - (lastUsedAt?.getTime() ?? 0) < TOUCH_EVERY_MS) return;
    underWay.add(id);
    void touchToken(db, id)
      .catch(onError)
      .finally(() => underWay.delete(id));
  };
}
