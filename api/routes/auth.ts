import { z } from 'zod';
import { Reply, route, type CookieChange, type Route } from '../http/route.js';
import { Email, Empty } from '../http/schemas.js';
import { ACCESS_COOKIE, REFRESH_COOKIE, SESSION_SECONDS } from '../services/session-cookies.js';
import type { PresentedRefresh, SignedIn } from '../services/auth.js';
import { clientOf } from './client.js';

export const Session = z
  .object({
    access_token: z.string(),
    token_type: z.literal('bearer'),
    expires_in: z.number().int(),
    user: z.object({ id: z.string(), email: z.string(), name: z.string(), mfa_enabled: z.boolean() }),
    workspace: z
      .object({
        id: z.string(),
        slug: z.string(),
        name: z.string(),
        role: z.enum(['owner', 'admin', 'developer', 'editor', 'viewer']),
      })
      .nullable(),
  })
  .meta({ id: 'Session' });

/** The refresh token is in the body only for a caller who sent it there; browsers have it in their cookie alone. */
const RefreshedSession = Session.extend({ refresh_token: z.string().optional() }).meta({ id: 'RefreshedSession' });

const RefreshBody = z.object({ refresh_token: z.string().max(1_000).optional() }).nullish();

interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly cookies: Readonly<Record<string, string>>;
  readonly body: z.output<typeof RefreshBody>;
}

const first = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.[0];

/** The body's token wins over the cookie's. */
function presentedRefresh({ method, headers, cookies, body }: Sent): PresentedRefresh {
  if (body?.refresh_token !== undefined) return { token: body.refresh_token };
  const sender = {
    host: first(headers['host']),
    origin: first(headers['origin']),
    fetchSite: first(headers['sec-fetch-site']),
  };
  return { token: cookies[REFRESH_COOKIE] || undefined, cookieFrom: { method, ...sender } };
}

export const sessionCookies = (signedIn: SignedIn): readonly CookieChange[] => [
  { name: ACCESS_COOKIE, value: signedIn.access_token, path: '/', maxAgeSeconds: signedIn.expires_in },
  { name: REFRESH_COOKIE, value: signedIn.refresh_token, path: '/v1/auth', maxAgeSeconds: SESSION_SECONDS },
];
const noCookies: readonly CookieChange[] = [
  { name: ACCESS_COOKIE, value: null, path: '/', maxAgeSeconds: 0 },
  { name: REFRESH_COOKIE, value: null, path: '/v1/auth', maxAgeSeconds: 0 },
];

/** Caches keep neither tokens nor cookies. */
export const headers = { 'cache-control': 'no-store' };

export function withoutRefresh(signedIn: SignedIn): z.input<typeof Session> {
  const { refresh_token: _kept, ...session } = signedIn;
  return session;
}

/** What every surface that takes a password asks for and answers. */
export const SignInBody = z.object({
  email: z.string().min(1).max(320),
  password: z.string().min(1).max(1_000),
  totp_code: z.string().max(20).optional(),
});
export const signInErrors = {
  401: 'wrong e-mail address or password, or a second factor is missing or wrong',
  403: 'the account is disabled, or a member of no workspace',
  423: 'five failures in 15 minutes lock the address',
} as const;

export const authRoutes: readonly Route[] = [
  route({
    id: 'auth.signup',
    method: 'POST',
    path: '/v1/auth/signup',
    summary: 'Make an account with its first workspace and sign in',
    tag: 'auth',
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: z.object({
      email: Email,
      password: z.string().max(1_000),
      name: z.string().trim().max(200).optional(),
      workspace_name: z.string().trim().max(100).optional(),
      invite_token: z.string().max(200).optional(),
    }),
    reply: Session,
    status: 201,
    errors: {
      403: 'sign-up is closed, or the invite is missing, wrong, used up or over',
      409: 'the e-mail address has an account',
    },
    handle: async (request, { auth }) => {
      const signedIn = await auth.signup(request.body, clientOf(request));
      return new Reply(withoutRefresh(signedIn), { status: 201, headers, cookies: sessionCookies(signedIn) });
    },
  }),
  route({
    id: 'auth.login',
    method: 'POST',
    path: '/v1/auth/login',
    summary: 'Sign in',
    tag: 'auth',
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: SignInBody,
    reply: Session,
    errors: signInErrors,
    handle: async (request, { auth }) => {
      const signedIn = await auth.login(request.body, clientOf(request));
      return new Reply(withoutRefresh(signedIn), { headers, cookies: sessionCookies(signedIn) });
    },
  }),
  route({
    id: 'auth.refresh',
    method: 'POST',
    path: '/v1/auth/refresh',
    summary: 'Change the refresh token (cookie or body) for a new pair; each works once',
    tag: 'auth',
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: RefreshBody,
    reply: RefreshedSession,
    errors: { 401: 'missing, used or expired; a used one ends the session', 403: 'the cookie came from another site' },
    handle: async (request, { auth }) => {
      const signedIn = await auth.refresh(presentedRefresh({ ...request, method: 'POST' }), clientOf(request));
      const inBody = request.body?.refresh_token !== undefined;
      const body = inBody ? signedIn : withoutRefresh(signedIn);
      return new Reply(body, { headers, cookies: sessionCookies(signedIn) });
    },
  }),
  route({
    id: 'auth.logout',
    method: 'POST',
    path: '/v1/auth/logout',
    summary: 'End the session: its refresh and access tokens stop working at once',
    tag: 'auth',
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: RefreshBody,
    reply: Empty,
    status: 204,
    errors: { 403: 'the cookie came from another site' },
    handle: async (request, { auth }) => {
      const bearer = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
      const accessToken = bearer ?? request.cookies[ACCESS_COOKIE];
      const presented = presentedRefresh({ ...request, method: 'POST' });
      await auth.logout({ ...presented, accessToken }, clientOf(request));
      return new Reply(undefined, { status: 204, headers, cookies: noCookies });
    },
  }),
];
