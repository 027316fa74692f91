import type { Credentials } from '../../api/services/auth.js';
import { pino } from 'pino';
import { createServed, type AppOptions } from '../../api/app.js';
import type { HttpConfig } from '../../api/http/config.js';
import type { StreamSettings } from '../../api/http/sse.js';
import { unauthenticated } from '../../api/http/errors.js';
import { listen, type Listening } from '../../api/http/listen.js';
import type { AuditEntry } from '../../api/services/audit.js';
import { anonymous, capabilities, type Actor, type Capability } from '../../api/actor.js';
import { type Route } from '../../api/http/route.js';
import type { Services } from '../../api/services/index.js';
import { allRoutes } from '../../api/server.js';
import type { Database } from '../../db/client.js';

export interface KitServer extends Listening {
  readonly url: string;
  readonly audit: readonly AuditEntry[];
  readonly log: readonly Record<string, unknown>[];
  /** The log as it was written. */
  readonly logText: () => string;
}

interface KitOptions {
  readonly db: Database;
  readonly rows: readonly Route[];
  readonly config?: Partial<HttpConfig>;
  readonly idempotency?: AppOptions['idempotency'];
  readonly drainMs?: number;
  /** Throws to refuse whoever calls. */
  readonly onAuthenticate?: () => void;
  readonly streams?: Omit<StreamSettings, 'stopping'>;
  readonly sockets?: AppOptions['sockets'];
  readonly rateStore?: AppOptions['rateStore'];
  readonly discardMs?: number;
  readonly requestTimeoutMs?: number;
  readonly probes?: Readonly<Record<string, () => Promise<unknown>>>;
  readonly storage?: () => Promise<unknown>;
}

export const testConfig: HttpConfig = {
  version: '1.2.3',
  corsOrigins: ['https://app.example.com'],
  trustProxy: false,
  rateLimits: { auth: 1_000_000, public: 1_000_000, api: 1_000_000, key: 1_000_000 },
};

/** The kit over rows of the test's own on a real socket; the bearer token is `<name>` or `<name>:<capability or scope,...>`. */
export async function startKit({ db, rows, ...more }: KitOptions): Promise<KitServer> {
  const lines: string[] = [];
  const audit: AuditEntry[] = [];
  const stopping = new AbortController();
  const { app, sockets } = createServed({
    routes: allRoutes(rows, {
      version: testConfig.version,
      probes: more.probes ?? {},
      ...(more.storage === undefined ? {} : { storage: more.storage }),
    }),
    services: kitServices(audit, more.onAuthenticate ?? (() => undefined)),
    db,
    log: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    config: { ...testConfig, ...more.config },
    streams: { stopping: stopping.signal, ...more.streams },
    ...(more.sockets === undefined ? {} : { sockets: more.sockets }),
    ...(more.discardMs === undefined ? {} : { discardMs: more.discardMs }),
    ...(more.rateStore === undefined ? {} : { rateStore: more.rateStore }),
    ...(more.idempotency === undefined ? {} : { idempotency: more.idempotency }),
  });
  const patience = more.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: more.requestTimeoutMs };
  const listening = await listen(app, {
    port: 0,
    host: '127.0.0.1',
    drainMs: more.drainMs ?? 5_000,
    ...patience,
    upgrade: sockets.upgrade,
  });
  return {
    ...listening,
    close: async () => {
      stopping.abort();
      await sockets.close();
      await listening.close();
    },
    url: `http://127.0.0.1:${listening.port}`,
    audit,
    get log() {
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    logText: () => lines.join(''),
  };
}

// -- reason: the rows of the kit's tests ask no other service
const kitServices = (audit: AuditEntry[], onAuthenticate: () => void): Services =>
  ({
    auth: {
      authenticate: ({ authorization }: Credentials) =>
        Promise.resolve()
          .then(onAuthenticate)
          .then(() => actorOf(authorization)),
    },
    audit: {
      record: (entry: AuditEntry) => {
        audit.push(entry);
        return Promise.resolve();
      },
    },
  }) as unknown as Services;

function actorOf(authorization: string | undefined): Actor {
  const [, name, granted] = /^Bearer (\w+)(?::(.*))?$/.exec(authorization ?? '') ?? [];
  if (name === undefined) throw unauthenticated('Sign in first.');
  return {
    ...anonymous,
    type: 'user',
    id: name,
    workspaceId: `ws_${name}`,
    // -- reason: what a test writes behind the colon are capabilities, or scopes, which read otherwise
    capabilities: new Set((granted?.split(',') as Capability[] | undefined) ?? capabilities),
    scopes: new Set(granted?.split(',')),
  };
}
