import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import {
  findHome,
  insertSession,
  revokeReusedSession,
  revokeSession,
  rotateSession,
  SESSION_SECONDS,
  type Home,
  type Login,
  type RotatedSession,
} from '../../db/identity.js';
import { newId } from '../../db/ids.js';
import { findPrincipal, type Principal } from '../../db/principals.js';
import type { Location, Role } from '../../db/tables.js';
import { tenantsOfUser } from '../../db/user-sessions.js';
import { findWorkspace } from '../../db/workspaces.js';
import { ApiError, badRequest, forbidden, unauthenticated } from '../http/errors.js';
import { ACCESS_TOKEN_SECONDS, type TokenSigner } from './access-tokens.js';
import type { AuditService } from './audit.js';
import { mayUseCookie, type RequestOrigin } from './origin.js';
import { strongestRole } from './roles.js';
import { operatorScopes, roleScopes } from './scopes.js';

/** Where a sign-in comes from. */
export interface Client {
  readonly ip: string;
  readonly location?: Location | null;
  readonly requestId: string;
  readonly userAgent: string | null;
}

/** What every surface answers a part of. */
export interface SignedIn {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: 'bearer';
  /** Seconds the access token works. */
  readonly expires_in: number;
  readonly expires_at: Date;
  readonly refresh_expires_at: Date;
  /** Names the signing key. */
  readonly kid: string;
  readonly refresh_kid: string;
  readonly scopes: readonly string[];
  readonly tenant_id: string;
  readonly user_id: string;
  readonly email_verified: boolean;
  readonly session_id: string;
  readonly user: { readonly id: string; readonly email: string; readonly name: string; readonly mfa_enabled: boolean };
  /** null when the session's workspace is gone. */
  readonly workspace: { readonly id: string; readonly slug: string; readonly name: string; readonly role: Role } | null;
}

/** A refresh token and how it came: one from a cookie counts only if our own page sent it. */
export interface PresentedRefresh {
  readonly token: string | undefined;
  readonly cookieFrom?: RequestOrigin;
}

export interface SessionDeps {
  readonly db: Database;
  readonly signer: TokenSigner;
  readonly audit: AuditService;
  readonly trustedOrigins?: readonly string[];
}

type Opened = Pick<Login, 'id' | 'email' | 'name' | 'is_verified' | 'has_mfa'>;

/** A new session of somebody whose identity is proved. */
export async function openSession(
  context: SessionDeps,
  user: Opened,
  opened: {
    readonly client: Client;
    readonly hasMfa: boolean;
    readonly tenantId?: string | undefined;
    /** A member of several organisations must name one. */
    readonly mustNameTenant?: boolean | undefined;
    /** The session opens nothing of other organisations. */
    readonly isBound?: boolean | undefined;
  },
): Promise<SignedIn> {
  const { db, signer } = context;
  if (opened.mustNameTenant === true && opened.tenantId === undefined) await requireOneTenant(db, user.id);
  const home = await homeOf(db, user.id, opened.tenantId);
  const sessionId = newId('ses');
  const refreshToken = signer.issueRefresh(sessionId);
  const { ip, userAgent, location = null } = opened.client;
  const tokenHash = sha256Hex(refreshToken);
  const { hasMfa, isBound } = opened;
  await insertSession(db, {
    ...{ id: sessionId, userId: user.id, workspaceId: home.id, tokenHash, ip, location, userAgent, hasMfa },
    ...(isBound === true ? { boundTenantId: home.tenant_id } : {}),
  });
  return answer(context, {
    session: { id: sessionId, refreshToken },
    user: {
      userId: user.id,
      tenantId: home.tenant_id,
      email: user.email,
      name: user.name,
      workspaceId: home.id,
      isVerified: user.is_verified,
      hasMfa: user.has_mfa,
    },
  });
}

/** Where the session begins. Members of several organisations on one surface say which. */
async function homeOf(db: Database, userId: string, tenantId: string | undefined): Promise<Home> {
  const home = await findHome(db, userId, tenantId);
  if (home !== undefined) return home;
  if (tenantId !== undefined) throw badRequest('tenant_id: you are no member of this organisation.', 'tenant_id');
  throw forbidden('This account is a member of no workspace: ask for an invitation.');
}

async function requireOneTenant(db: Database, userId: string): Promise<void> {
  const tenants = await tenantsOfUser(db, userId);
  if (tenants.length <= 1) return;
  const message = 'tenant_id: this account belongs to several organisations; say which.';
  throw new ApiError(400, message, { details: [{ field: 'tenant_id', message }], extra: { tenants } });
}

async function answer(
  { db, signer }: SessionDeps,
  {
    session,
    user,
  }: {
    readonly session: { readonly id: string; readonly refreshToken: string };
    readonly user: RotatedSession;
  },
): Promise<SignedIn> {
  const principal = await findPrincipal(db, { ...user, sessionId: session.id });
  const workspace = await workspaceOf(db, user.workspaceId, principal);
  const scopes = principal === undefined ? [] : scopesOf(principal);
  const { userId, tenantId, isVerified } = user;
  const claims = { ...user, sessionId: session.id, role: principal?.tenantRole ?? null, scopes };
  const inSeconds = (seconds: number): Date => new Date(Date.now() + seconds * 1_000);
  return {
    access_token: await signer.signAccess(claims),
    refresh_token: session.refreshToken,
    token_type: 'bearer',
    expires_in: ACCESS_TOKEN_SECONDS,
    expires_at: inSeconds(ACCESS_TOKEN_SECONDS),
    refresh_expires_at: inSeconds(SESSION_SECONDS),
    kid: signer.keyId,
    refresh_kid: signer.keyId,
    scopes,
    tenant_id: tenantId,
    user_id: userId,
    email_verified: isVerified,
    session_id: session.id,
    user: { id: userId, email: user.email, name: user.name, mfa_enabled: user.hasMfa },
    workspace,
  };
}

async function workspaceOf(db: Database, id: string, principal: Principal | undefined): Promise<SignedIn['workspace']> {
  const role = strongestRole(principal?.roles ?? []);
  const row = role === undefined ? undefined : await findWorkspace(db, id);
  return role === undefined || row === undefined ? null : { id, slug: row.slug, name: row.name, role };
}

const scopesOf = ({ tenantRole, isPlatformAdmin }: Principal): readonly string[] => [
  ...(tenantRole === null ? [] : roleScopes[tenantRole]),
  ...(isPlatformAdmin ? operatorScopes : []),
];

export const badRefresh = (): Error => unauthenticated('The refresh token is missing, used or expired: sign in again.');

/**
 * A token that was already used ends its session: one of its two holders is a thief. Only the very last one gets 401 without
 * that for ten seconds, because two tabs refresh at the same moment without meaning harm.
 */
export async function refresh(context: SessionDeps, presented: PresentedRefresh, client: Client): Promise<SignedIn> {
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
  return answer(context, { session: { id: sessionId, refreshToken: next }, user });
}

function acceptedRefresh({ trustedOrigins }: SessionDeps, { token, cookieFrom }: PresentedRefresh): string | undefined {
  if (cookieFrom !== undefined && !mayUseCookie(cookieFrom, trustedOrigins)) {
    throw forbidden('The session cookie is not accepted from another site.');
  }
  return token;
}

/** Ends the session of the refresh token or, failing that, of the access token; false when there was none to end. */
export async function logout(
  context: SessionDeps,
  presented: PresentedRefresh & { readonly accessToken: string | undefined },
  client: Client,
): Promise<boolean> {
  const token = acceptedRefresh(context, presented);
  const byRefresh = token === undefined ? null : context.signer.refreshSession(token);
  const claims = presented.accessToken === undefined ? null : await context.signer.verifyAccess(presented.accessToken);
  const sessionId = byRefresh ?? (claims?.kind === 'user' ? claims.sessionId : undefined);
  const ended = sessionId === undefined ? undefined : await revokeSession(context.db, sessionId);
  if (ended === undefined) return false;
  await record(context, client, { action: 'auth.logout', userId: ended.user_id, workspaceId: ended.workspace_id });
  return true;
}

/** What happened to a user, in the log of their workspace. */
export const record = (
  { audit }: Pick<SessionDeps, 'audit'>,
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
    ip: client.ip,
    requestId: client.requestId,
  });
