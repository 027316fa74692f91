import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import type { Database } from '../db/client.js';
import { createApp } from './app.js';
import { defaultRateLimits, type HttpConfig } from './http/config.js';
import { listen } from './http/listen.js';
import type { Log } from './http/log.js';
import type { Route } from './http/route.js';
import { systemRoutes, withDocuments, type Probe } from './http/system.js';
import { routes } from './routes/index.js';
import { createServices } from './services/create.js';

/** What the server reads of the API's configuration. */
export interface ServerConfig extends Omit<HttpConfig, 'version' | 'rateLimits'> {
  readonly port: number;
  readonly host: string;
  readonly rateLimits?: Partial<HttpConfig['rateLimits']>;
}

export interface ApiOptions {
  readonly config: ServerConfig;
  readonly db: Database;
  readonly temporal: { readonly ping: Probe };
  readonly log: Log;
}

export interface RunningApi {
  readonly port: number;
  /** Answers what is under way, then stops. The database stays open: it is the caller's. */
  readonly close: () => Promise<void>;
}

export async function startApi({ config, db, temporal, log }: ApiOptions): Promise<RunningApi> {
  const version = readVersion();
  const http: HttpConfig = { ...config, version, rateLimits: { ...defaultRateLimits, ...config.rateLimits } };
  const probes = { database: () => sql`select 1`.execute(db), temporal: temporal.ping };
  const app = createApp({
    routes: allRoutes(routes, { version, probes }),
    services: createServices(),
    db,
    log,
    config: http,
  });
  const { port, close } = await listen(app, config);
  return { port, close };
}

/** The resources' rows and the kit's own: what is mounted, described and tested. */
export function allRoutes(
  rows: readonly Route[],
  system: { readonly version: string; readonly probes: Readonly<Record<string, Probe>> },
): readonly Route[] {
  return withDocuments([...systemRoutes(system), ...rows], system.version);
}

/** The package's version; the file lies beside `dist`. */
function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  // -- reason: our own package.json
  return (JSON.parse(text) as { readonly version: string }).version;
}
