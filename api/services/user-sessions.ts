import type { Location } from '../../db/tables.js';
import Bowser from 'bowser';
import type { JWTPayload } from 'jose';
import type { Database } from '../../db/client.js';
import { findHome } from '../../db/identity.js';
import {
  findSessionOwner,
  listUserSessions,
  revokeOwnSession,
  revokeSessions,
  type SessionFilter,
  type UserSession,
} from '../../db/user-sessions.js';
import type { Actor } from '../actor.js';
import { maskedIp } from '../address.js';
import { forbidden, notFound, unauthenticated } from '../http/errors.js';
import type { TokenSigner } from './access-tokens.js';
import type { AuditService } from './audit.js';
import { badRefresh, record, type Client } from './sessions.js';

export interface SessionView {
  readonly id: string;
  readonly tenant_id: string;
  readonly created_at: Date;
  readonly last_seen_at: Date | null;
  readonly revoked_at: Date | null;
  readonly ip_address_masked: string | null;
  readonly fingerprint: null;
  readonly client: ClientInfo;
  /** Where the address is. Keelson looks no address up elsewhere, so it cannot say. */
  readonly location: Location | null;
  readonly current: boolean;
}

interface ClientInfo {
  readonly platform: string | null;
  readonly browser: string | null;
  readonly device: string | null;
  readonly user_agent: string | null;
}

export interface SessionPage {
  readonly sessions: readonly SessionView[];
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
}

/** What people do with their own sessions; each refuses (403) whoever is no signed-in user. */
export interface UserSessionService {
  readonly list: (actor: Actor, filter: Omit<SessionFilter, 'userId'>) => Promise<SessionPage>;
  readonly revoke: (actor: Actor, id: string) => Promise<void>;
  /** How many were ended. */
  readonly revokeAll: (actor: Actor, client: Client) => Promise<number>;
  /** Ends the session of the refresh token; false when it was over. */
  readonly logout: (actor: Actor, refreshToken: string, client: Client) => Promise<boolean>;
  readonly me: (actor: Actor, accessToken: string) => Promise<Me>;
}

export interface Me {
  readonly user_id: string;
  readonly token_payload: JWTPayload;
}

export interface UserSessionDeps {
  readonly db: Database;
  readonly signer: TokenSigner;
  readonly audit: AuditService;
}

export function createUserSessionService(deps: UserSessionDeps): UserSessionService {
  const { db, signer } = deps;
  return {
    list: async (actor, filter) => {
      const { sessions, total } = await listUserSessions(db, { ...filter, userId: userOf(actor) });
      const { limit, offset } = filter;
      return { sessions: sessions.map((session) => viewOf(session, actor)), total, limit, offset };
    },
    revoke: async (actor, id) => {
      if (!(await revokeOwnSession(db, { userId: userOf(actor), id }))) throw notFound('session', id);
    },
    revokeAll: (actor, client) => revokeAll(deps, userOf(actor), client),
    logout: (actor, token, client) => logout(deps, { userId: userOf(actor), token }, client),
    me: async (actor, accessToken) => {
      const userId = userOf(actor);
      const verified = await signer.verifyAccess(accessToken);
      if (verified === null) throw unauthenticated('The token is expired: refresh it or sign in again.');
      return { user_id: userId, token_payload: verified.payload };
    },
  };
}

/** A signed-in user's id; keys and tokens have neither sessions nor a password. */
export function userOf({ type, id }: Actor): string {
  if (type !== 'user') throw forbidden('This is for signed-in users: send the access token of one, not a key.');
  return id;
}

async function revokeAll(deps: UserSessionDeps, userId: string, client: Client): Promise<number> {
  const revoked = await revokeSessions(deps.db, userId);
  const workspaceId = (await findHome(deps.db, userId))?.id ?? null;
  await record(deps, client, { action: 'auth.logout_all', userId, workspaceId });
  return revoked;
}

async function logout(
  deps: UserSessionDeps,
  { userId, token }: { readonly userId: string; readonly token: string },
  client: Client,
): Promise<boolean> {
  const id = deps.signer.refreshSession(token);
  if (id === null) throw badRefresh();
  const session = await findSessionOwner(deps.db, id);
  if (session === undefined) return false;
  if (session.user_id !== userId) throw forbidden('refresh_token: this is the token of somebody else.');
  if (!(await revokeOwnSession(deps.db, { userId, id }))) return false;
  await record(deps, client, { action: 'auth.logout', userId, workspaceId: session.workspace_id });
  return true;
}

const viewOf = (session: UserSession, actor: Actor): SessionView => ({
  id: session.id,
  tenant_id: session.tenant_id,
  created_at: session.created_at,
  last_seen_at: session.last_seen_at,
  revoked_at: session.revoked_at,
  ip_address_masked: maskedIp(session.ip),
  fingerprint: null,
  client: clientInfo(session.user_agent),
  location: session.location,
  current: session.id === actor.sessionId,
});

function clientInfo(userAgent: string | null): ClientInfo {
  if (userAgent === null || userAgent === '') return { platform: null, browser: null, device: null, user_agent: null };
  const { os, browser, platform } = Bowser.parse(userAgent);
  return {
    platform: nameOf(os),
    browser: nameOf(browser),
    device: platform.type ?? null,
    user_agent: userAgent,
  };
}

const nameOf = ({ name, version }: { readonly name?: string; readonly version?: string }): string | null =>
  name === undefined || name === '' ? null : [name, version].filter(Boolean).join(' ');
