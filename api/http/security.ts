import cors from '@koa/cors';
import helmet from 'koa-helmet';
import type { Middleware } from 'koa';
import { isHttps, type HttpConfig } from './config.js';

/** Security headers for an API: nothing may be loaded by, framed from or sniffed out of a reply. */
export function securityHeaders(config: HttpConfig): Middleware {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    crossOriginResourcePolicy: { policy: config.corsOrigins.length > 0 ? 'cross-origin' : 'same-origin' },
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    ...(isHttps(config) ? {} : { strictTransportSecurity: false }),
  });
}

const exposed = [
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'Retry-After',
  'Idempotent-Replayed',
  'Location',
  'ETag',
];

/** Pages anywhere may ask here: what they may is for the token they hold to say, and no cookie counts. */
const isPublic = (path: string): boolean => path.startsWith('/v1/public/');

/** Browsers of the configured origins may call; cookies travel only for origins named one by one. */
export function crossOrigin({ corsOrigins }: HttpConfig): Middleware {
  const takesAny = corsOrigins.includes('*');
  return cors({
    origin: (ctx) => {
      if (isPublic(ctx.path)) return '*';
      const origin = ctx.get('origin');
      if (corsOrigins.includes(origin)) return origin;
      return takesAny ? '*' : '';
    },
    credentials: (ctx) => !isPublic(ctx.path) && corsOrigins.includes(ctx.get('origin')),
    exposeHeaders: exposed,
    maxAge: 600,
  });
}
