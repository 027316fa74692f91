import { randomBytes } from 'node:crypto';
import { readApiConfig } from '../../api/config.js';
import { startApi } from '../../api/server.js';
import type { TemporalGateway } from '../../api/temporal/gateway.js';
import { openDatabase, type Database } from '../../db/client.js';
import { createLogger } from '../../db/log.js';
import { testDatabase, type TestDatabase } from './database.js';
import { send, type Answered } from './http.js';

export const ADMIN_TOKEN = 'the-operators-own-token';
/** Of everybody who signs up. */
export const PASSWORD = 'a long enough password';
export const MASTER_KEY = 'ab'.repeat(32);

export interface TestApi {
  readonly url: string;
  readonly db: Database;
  readonly databaseUrl: string;
  /** A new person with a workspace of their own. */
  readonly signUp: () => Promise<Person>;
  readonly close: () => Promise<void>;
}

export interface Person {
  readonly email: string;
  readonly token: string;
  readonly userId: string;
  readonly workspace: { readonly id: string; readonly slug: string };
  /** One request as this person; an object is sent as JSON, a string as it is. */
  readonly call: (method: string, path: string, sent?: Sent) => Promise<Answered>;
}

export interface Sent {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestApiOptions {
  readonly temporal: (databaseUrl: string) => Promise<TemporalGateway> | TemporalGateway;
  readonly env?: Readonly<Record<string, string>>;
  /** Another API's, to be a second process beside it; it stays when this one closes. */
  readonly database?: { readonly databaseUrl: string };
}

/** The whole API on a socket, with a database of its own. */
export async function startTestApi({ temporal, env = {}, database: shared }: TestApiOptions): Promise<TestApi> {
  const database = shared === undefined ? await testDatabase() : secondPool(shared.databaseUrl);
  const config = readApiConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    ADMIN_TOKEN,
    DATABASE_URL: database.url,
    KEELSON_MASTER_KEY: MASTER_KEY,
    KEELSON_SIGNUP: 'open',
    KEELSON_RATE_LIMIT_AUTH: '1000000',
    KEELSON_RATE_LIMIT_PUBLIC: '1000000',
    KEELSON_RATE_LIMIT_API: '1000000',
    KEELSON_RATE_LIMIT_KEY: '1000000',
    LOG_LEVEL: 'silent',
    ...env,
  });
  const log = createLogger({ level: config.logLevel, name: 'test' });
  const gateway = await temporal(database.url);
  const api = await startApi({ config, db: database.db, temporal: gateway, log });
  const url = `http://127.0.0.1:${api.port}`;
  return {
    url,
    db: database.db,
    databaseUrl: database.url,
    signUp: () => signUp(url),
    close: async () => {
      await api.close();
      await database.close();
    },
  };
}

function secondPool(url: string): TestDatabase {
  const db = openDatabase({ url, maxConnections: 10 });
  return { db, url, close: () => db.destroy() };
}

async function signUp(url: string): Promise<Person> {
  const email = `${randomBytes(6).toString('hex')}@example.com`;
  const signed = await send(`${url}/v1/auth/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD, workspace_name: `Shop ${email}` }),
  });
  // -- reason: the shape of a sign-up's reply; a test that gets another fails at its first use
  const {
    access_token: token,
    user,
    workspace,
  } = signed.body as unknown as {
    readonly access_token: string;
    readonly user: { readonly id: string };
    readonly workspace: Person['workspace'];
  };
  return {
    email,
    token,
    userId: user.id,
    workspace,
    call: (method, path, { body, headers } = {}) =>
      send(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
  };
}
