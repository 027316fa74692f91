import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Email } from '../http/schemas.js';
import { ACCESS_COOKIE } from '../services/session-cookies.js';
import { clientOf } from './client.js';
import { ServiceAccountSession, SessionList, Success, successOf, UserSession } from './user-session-schemas.js';

/** Caches keep no tokens. */
const headers = { 'cache-control': 'no-store' };
const open = { tag: 'sign-in', auth: 'none', rate: 'auth', audit: false } as const;
/** Also before a second factor that the organisation asks for is set up: one may always leave. */
const own = { tag: 'sign-in', auth: 'user', mfa: 'none', errors: { 403: 'the caller is no signed-in user' } } as const;

const RefreshToken = z.object({ refresh_token: z.string().min(1).max(4_000) });

export const sessionRoutes: readonly Route[] = [
  route({
    ...open,
    id: 'auth.token',
    method: 'POST',
    path: '/api/v1/auth/token',
    summary: 'Sign in; members of several organisations name one',
    body: z.object({
      email: Email,
      password: z.string().min(8).max(1_000),
      tenant_id: z.string().min(1).max(100).nullish(),
      totp_code: z.string().max(20).optional(),
    }),
    reply: UserSession,
    errors: {
      400: 'the account belongs to several organisations and tenant_id names none of them',
      401: 'wrong e-mail address or password, or a second factor is missing or wrong',
      403: 'the account is disabled, or a member of no workspace',
      423: 'five failures in 15 minutes lock the address',
      429: 'too many requests, or 50 failures from one address in ten minutes',
    },
    handle: async (request, { auth }) => {
      const { tenant_id, ...given } = request.body;
      const signedIn = await auth.token({ ...given, tenant_id: tenant_id ?? undefined }, clientOf(request));
      return new Reply(signedIn, { headers });
    },
  }),
  route({
    ...open,
    id: 'auth.refreshToken',
    method: 'POST',
    path: '/api/v1/auth/refresh',
    summary: 'Change a refresh token of a user or a service account for a new pair; each works once',
    body: RefreshToken,
    reply: z.union([UserSession, ServiceAccountSession]),
    errors: { 401: 'unknown, used or expired; a used one ends the session' },
    handle: async (request, { auth }) =>
      new Reply(await auth.refreshToken(request.body.refresh_token, clientOf(request)), { headers }),
  }),
  route({
    ...own,
    id: 'auth.logoutToken',
    method: 'POST',
    path: '/api/v1/auth/logout',
    summary: 'End the session of a refresh token of your own',
    audit: false,
    body: RefreshToken,
    reply: successOf(z.object({ revoked: z.boolean() })),
    errors: { 401: 'the refresh token is not ours', 403: 'the refresh token is somebody else’s' },
    handle: async (request, { userSessions }) => {
      const revoked = await userSessions.logout(request.actor, request.body.refresh_token, clientOf(request));
      const message = revoked ? 'The session is ended.' : 'The session was over already.';
      return { success: true, message, data: { revoked } };
    },
  }),
  route({
    ...own,
    id: 'auth.logoutAll',
    method: 'POST',
    path: '/api/v1/auth/logout/all',
    summary: 'End all your sessions, this one included',
    audit: false,
    reply: successOf(z.object({ revoked: z.number().int() })),
    handle: async (request, { userSessions }) => {
      const revoked = await userSessions.revokeAll(request.actor, clientOf(request));
      return { success: true, message: 'All your sessions are ended.', data: { revoked } };
    },
  }),
  route({
    ...own,
    id: 'userSessions.list',
    method: 'GET',
    path: '/api/v1/auth/sessions',
    summary: 'Your sessions, newest first',
    query: z.object({
      include_revoked: z.stringbool().default(false),
      limit: z.coerce.number().int().min(1).max(100).default(20),
      offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
      tenant_id: z.string().max(100).optional(),
    }),
    reply: SessionList,
    handle: ({ actor, query }, { userSessions }) =>
      userSessions.list(actor, {
        includeRevoked: query.include_revoked,
        tenantId: query.tenant_id,
        limit: query.limit,
        offset: query.offset,
      }),
  }),
  route({
    ...own,
    id: 'userSessions.revoke',
    method: 'DELETE',
    path: '/api/v1/auth/sessions/:session_id',
    summary: 'End one of your sessions',
    audit: { entity: 'session' },
    reply: Success,
    errors: { 404: 'no session of yours, or ended before' },
    handle: async ({ actor, params }, { userSessions }) => {
      await userSessions.revoke(actor, params.session_id);
      return { success: true, message: 'The session is ended.', data: { session_id: params.session_id } };
    },
  }),
  route({
    ...own,
    id: 'auth.me',
    method: 'GET',
    path: '/api/v1/auth/me',
    summary: 'Who you are, and what your access token says',
    reply: successOf(z.object({ user_id: z.string(), token_payload: z.record(z.string(), z.unknown()) })),
    handle: async ({ actor, headers: sent, cookies }, { userSessions }) => {
      const bearer = /^bearer +(\S+) *$/i.exec(sent.authorization ?? '')?.[1];
      const me = await userSessions.me(actor, bearer ?? cookies[ACCESS_COOKIE] ?? '');
      return { success: true, message: 'You are signed in.', data: me };
    },
  }),
];
