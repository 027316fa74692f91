import type { Auth } from '../actor.js';
import { forbidden, unauthenticated, type ApiError } from '../http/errors.js';
import type { Asked } from './asked.js';
import { mayUseCookie, type RequestOrigin } from './origin.js';
import { ACCESS_COOKIE } from './session-cookies.js';

type Guarded = Exclude<Auth, 'none'>;

/** Both guards of the Integrations surface have sentences of their own; the other surfaces share one. */
const missing: Record<Guarded, string> = {
  workspace: 'missing workspace auth token',
  admin: 'admin auth required',
  user: 'Sign in first: send Authorization: Bearer <access token>, or the session cookie.',
  member: 'Sign in first: send Authorization: Bearer <access or workspace token>, or the session cookie.',
  tenant: 'Sign in first: send Authorization: Bearer <access token>, or X-API-Key: as_live_...',
  embed: "Send the deployment's token as Authorization: Bearer cdp_...",
};
const stale = 'The token is expired, revoked or not ours: refresh it or sign in again.';
const wrong: Record<Guarded, string> = {
  workspace: 'invalid workspace auth token',
  admin: 'invalid admin auth token',
  user: stale,
  member: stale,
  tenant: stale,
  embed: 'The token is revoked or not ours: copy it anew from the deployment.',
};

export const wrongCredential = (auth: Guarded): ApiError => unauthenticated(wrong[auth]);

export function presentedToken(asked: Asked, trustedOrigins: readonly string[]): string {
  return headerToken(asked) ?? cookieToken(asked, trustedOrigins);
}

function headerToken({ auth, authorization, apiKey }: Asked): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  if (authorization !== undefined && /^bearer\b/i.test(authorization)) throw unauthenticated(missing[auth]);
  return apiKey === '' ? undefined : apiKey;
}

/** A header is chosen by the caller's program; a cookie is sent by the browser whoever asks it to, so its sender is checked. */
function cookieToken({ auth, cookies, origin }: Asked, trustedOrigins: readonly string[]): string {
  const cookie = cookies[ACCESS_COOKIE];
  if (cookie === undefined || cookie === '') throw unauthenticated(missing[auth]);
  if (origin === undefined || !mayUseCookie(origin, trustedOrigins)) {
    throw forbidden('The session cookie is not accepted from another site: send Authorization: Bearer <access token>.');
  }
  return cookie;
}

/** A page may use a deployment's token only from an origin the deployment names. */
export function checkOrigin(origin: RequestOrigin | undefined, allowed: readonly string[]): void {
  if (origin?.origin === undefined || allowed.includes(origin.origin)) return;
  throw forbidden('Origin: this deployment does not allow it; add it to its allowed_origins.');
}
