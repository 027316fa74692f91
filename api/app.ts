import Koa from 'koa';
import type { Database } from '../db/client.js';
import { createIdempotencyStore } from '../db/idempotency.js';
import { accessLog } from './http/access-log.js';
import type { HttpConfig } from './http/config.js';
import { docsAssets } from './http/docs.js';
import { errorHandler } from './http/error-handler.js';
import { createIdempotency } from './http/idempotent.js';
import { describeError, type Log } from './http/log.js';
import { mount } from './http/mount.js';
import { countRest } from './http/count-rest.js';
import { createRateLimiter } from './http/rate-limit.js';
import type { StorePatience } from './http/rate-store.js';
import type { Capability } from './actor.js';
import type { Route } from './http/route.js';
import { crossOrigin, securityHeaders } from './http/security.js';
import { createOpenCount } from './http/open-count.js';
import { createSocketServer, type SocketServer, type SocketSettings } from './http/socket-server.js';
import { createStreamSender, type StreamSettings } from './http/sse.js';
import type { Services } from './services/index.js';

export interface AppOptions {
  /** Every row that is to answer; see `allRoutes`. */
  readonly routes: readonly Route[];
  readonly services: Services;
  readonly db: Database;
  readonly log: Log;
  readonly config: HttpConfig;
  /** The least role that has a capability, to say in a 403. */
  readonly lowestRole?: (capability: Capability) => string | undefined;
  /** Without it streams go on until their callers leave. */
  readonly streams?: StreamSettings;
  readonly sockets?: Omit<SocketSettings, 'stopping' | 'open'>;
  /** How long a refused upload may go on before its connection is cut. */
  readonly discardMs?: number;
  /** How long a count in Postgres may take. */
  readonly rateStore?: StorePatience;
  /** Seconds a crashed request keeps its Idempotency-Key, and how long a twin waits for the first one's answer. */
  readonly idempotency?: { readonly leaseSeconds?: number; readonly twinWaitMs?: number };
}

/** What is served: requests, and connections that become sockets. */
export interface Served {
  readonly app: Koa;
  readonly sockets: SocketServer;
}

export const createApp = (options: AppOptions): Koa => createServed(options).app;

/** Koa with every row behind it; of X-Forwarded-For only the entry our own proxy added counts. */
export function createServed(options: AppOptions): Served {
  const { routes, services, db, log, config } = options;
  const { leaseSeconds = 15, twinWaitMs = 10_000 } = options.idempotency ?? {};
  const { streams: given = { stopping: new AbortController().signal } } = options;
  const streams = { ...given, open: createOpenCount(given.mostOfOne) };
  const app = new Koa({ proxy: config.trustProxy, maxIpsCount: 1 });
  app.silent = true;
  app.on('error', (error: unknown) => log.warn({ err: describeError(error) }, 'a reply was not sent whole'));
  const once = createIdempotency({
    store: createIdempotencyStore(db, { leaseSeconds }),
    log,
    twinWaitMs,
    renewMs: (leaseSeconds * 1000) / 3,
  });
  const limiter = createRateLimiter(db, config.rateLimits, options.rateStore);
  const sendStream = createStreamSender(streams, log);
  app.use(accessLog(log));
  app.use(securityHeaders(config));
  app.use(countRest(limiter, log));
  app.use(crossOrigin(config));
  app.use(errorHandler(log));
  app.use(docsAssets());
  const { lowestRole, discardMs } = options;
  app.use(mount(routes, { services, log, config, limiter, once, lowestRole, sendStream, discardMs }));
  const rows = routes.filter(({ socket }) => socket !== undefined);
  const deps = { services, config, limiter, lowestRole };
  const { stopping, open } = streams;
  return { app, sockets: createSocketServer({ app, rows, deps, log }, { ...options.sockets, stopping, open }) };
}
