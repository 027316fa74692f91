import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import type { Database } from '../db/client.js';
import { createRunNews } from '../db/listen.js';
import type { Logger } from '../db/log.js';
import { createBacklog } from '../db/telemetry/backlog.js';
import { openKeys } from '../db/vault/open.js';
import { createServed, type Served } from './app.js';
import type { ApiConfig } from './config.js';
import { defaultRateLimits } from './http/config.js';
import { listen } from './http/listen.js';
import type { Route } from './http/route.js';
import { devOutboxRoutes } from './routes/dev-outbox.js';
import { systemRoutes, withDocuments, type SystemDeps } from './http/system.js';
import { routes } from './routes/index.js';
import { createServices } from './services/create.js';
import type { Services } from './services/index.js';
import { startOutbox } from './services/outbox.js';
import { lowestRole } from './services/roles.js';
import { startWebhookDispatcher } from './services/webhook-dispatcher.js';
import type { TemporalGateway } from './temporal/gateway.js';

export interface ApiOptions {
  readonly config: ApiConfig;
  readonly db: Database;
  readonly temporal: TemporalGateway;
  readonly log: Logger;
  /** Raised when streams are to end; without it they go on until their callers leave. */
  readonly stopping?: AbortSignal;
}

export interface RunningApi {
  readonly port: number;
  /** Answers what is under way, then stops. The database stays open: it is the caller's. */
  readonly close: () => Promise<void>;
}

export async function startApi({ config, db, temporal, log }: ApiOptions): Promise<RunningApi> {
  const { masterKey, vault } = await openKeys({ db, settings: config, log });
  const news = createRunNews({
    url: config.databaseUrl,
    onError: ({ message }) => log.warn({ reason: message }, 'news of runs come late until Postgres is heard again'),
  });
  const services = createServices({ config: { ...config, masterKey }, db, vault, temporal, news, log });
  const stopping = new AbortController();
  const { app, sockets } = buildServed({ config, db, temporal, log, stopping: stopping.signal }, services);
  const { adminEmail: email, adminPassword: password } = config;
  if (email !== undefined && password !== undefined) await services.auth.ensureAdmin({ email, password });
  const { schedules, runEvents: events, ingress } = services;
  const outbox = startOutbox({ db, temporal, schedules, events, ingress, log });
  const dispatcher = startWebhookDispatcher({
    ...{ db, temporal, log, databaseUrl: config.databaseUrl },
    baseUrl: config.publicUrl ?? `http://localhost:${config.port}`,
  });
  const { port, close } = await listen(app, { ...config, upgrade: sockets.upgrade }).catch(async (error: unknown) => {
    await news.close();
    await dispatcher.stop();
    await outbox.stop();
    throw error;
  });
  return {
    port,
    close: async () => {
      stopping.abort();
      await sockets.close();
      await close();
      await news.close();
      await dispatcher.stop();
      await outbox.stop();
      await services.behind.idle();
    },
  };
}

/** The whole API over its services, not listening yet. */
export function buildServed({ config, db, temporal, log, stopping }: ApiOptions, services: Services): Served {
  const version = readVersion();
  const probes = { database: () => sql`select 1`.execute(db), temporal: temporal.ping };
  return createServed({
    routes: allRoutes(config.smtp === undefined ? [...routes, ...devOutboxRoutes] : routes, {
      version,
      probes,
      storage: () => sql`select from blobs limit 1`.execute(db),
      metrics: { tokens: metricsTokens(config), refresh: createBacklog(db) },
    }),
    services,
    db,
    log,
    lowestRole,
    streams: { stopping: stopping ?? new AbortController().signal, mostOfOne: config.streamsPerCaller },
    config: { ...config, version, rateLimits: { ...defaultRateLimits, ...config.rateLimits } },
  });
}

/** A token that opens figures and nothing else; without one the administrator's. */
const metricsTokens = ({ metricsToken, adminToken }: ApiConfig): readonly string[] =>
  [metricsToken, adminToken].flatMap((token) => token ?? []);

/** The resources' rows and the kit's own: what is mounted, described and tested. */
export function allRoutes(rows: readonly Route[], system: SystemDeps): readonly Route[] {
  return withDocuments([...systemRoutes(system), ...rows], system.version);
}

/** The package's version; the file lies beside `dist`. */
function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  // -- reason: our own package.json
  return (JSON.parse(text) as { readonly version: string }).version;
}
