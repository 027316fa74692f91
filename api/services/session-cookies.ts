export { SESSION_SECONDS } from '../../db/identity.js';

/** Both are HttpOnly: scripts of a page never see them. */
export const ACCESS_COOKIE = 'keelson_access';
export const REFRESH_COOKIE = 'keelson_refresh';
