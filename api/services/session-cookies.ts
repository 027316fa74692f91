export { SESSION_SECONDS } from '../../db/identity.js';
export { STATE_SECONDS as SSO_COOKIE_SECONDS } from '../../db/sso-sign-ins.js';

/** Both are HttpOnly: scripts of a page never see them. */
export const ACCESS_COOKIE = 'keelson_access';
export const REFRESH_COOKIE = 'keelson_refresh';
/** Ties a single sign-on that is under way to the browser it was begun in. */
export const SSO_COOKIE = 'keelson_sso';
