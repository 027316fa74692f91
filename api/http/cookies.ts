import type { Context } from 'koa';
import type { CookieChange } from './route.js';

/** The cookies sent; of two with one name the first counts. */
export function readCookies(header: string | undefined): Readonly<Record<string, string>> {
  if (header === undefined) return {};
  const pairs = header
    .split(';')
    .map((pair) => pair.split('='))
    .filter(([name, ...value]) => name?.trim() !== '' && value.length > 0)
    .map(([name = '', ...value]) => [name.trim(), decoded(value.join('=').trim())] as const);
  return Object.fromEntries(pairs.toReversed());
}

function decoded(value: string): string {
  const bare = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  try {
    return decodeURIComponent(bare);
  } catch {
    return bare;
  }
}

/** Cookies are out of reach of scripts and do not travel with other sites' requests. */
export function writeCookies(ctx: Context, cookies: readonly CookieChange[], secure: boolean): void {
  for (const { name, value, path, maxAgeSeconds } of cookies) {
    const age = value === null ? 0 : maxAgeSeconds;
    const parts = [
      `${name}=${encodeURIComponent(value ?? '')}`,
      `Path=${path}`,
      `Max-Age=${age}`,
      'HttpOnly',
      'SameSite=Lax',
      ...(secure || ctx.secure ? ['Secure'] : []),
    ];
    ctx.append('Set-Cookie', parts.join('; '));
  }
}
