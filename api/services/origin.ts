/** What a request says of the page that sent it. */
export interface RequestOrigin {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Sec-Fetch-Site. */
  readonly fetchSite: string | undefined;
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Whether a cookie may speak for the user here. Browsers name the sending page on every unsafe request; a request that names none
 * comes from a program that holds the cookie itself.
 */
export function mayUseCookie(request: RequestOrigin, trustedOrigins: readonly string[] = []): boolean {
  if (safeMethods.has(request.method.toUpperCase())) return true;
  if (request.origin !== undefined && trustedOrigins.includes(request.origin)) return true;
  if (request.fetchSite !== undefined) return request.fetchSite === 'same-origin' || request.fetchSite === 'none';
  if (request.origin === undefined) return true;
  return URL.canParse(request.origin) && new URL(request.origin).host === request.host;
}
