import type { z } from 'zod';
import type { Database } from '../../db/client.js';
import { newSeed } from '../../db/ids.js';
import type { Actor } from '../../api/actor.js';
import { Reply, type CookieChange, type Route } from '../../api/http/route.js';
import { auditRoutes } from '../../api/routes/audit.js';
import { authRoutes } from '../../api/routes/auth.js';
import { secretRoutes } from '../../api/routes/secrets.js';
import { tokenRoutes } from '../../api/routes/tokens.js';
import { workspaceRoutes } from '../../api/routes/workspaces.js';
import { createAuditService } from '../../api/services/audit.js';
import { createAuthService, type AuthDeps, type Credentials } from '../../api/services/auth.js';
import type { Services } from '../../api/services/index.js';
import { createSecretService } from '../../api/services/secrets.js';
import { createTokenService } from '../../api/services/tokens.js';
import { createWorkspaceService } from '../../api/services/workspaces.js';
import { vaultOf } from '../support/vault.js';

export const ADMIN_TOKEN = 'the-operators-own-token';

export { testDatabase, type TestDatabase } from '../support/database.js';

const rows = [...authRoutes, ...workspaceRoutes, ...tokenRoutes, ...secretRoutes, ...auditRoutes];

/** A caller as the HTTP kit sees one. */
export interface Caller {
  readonly bearer?: string;
  readonly cookies?: Readonly<Record<string, string>>;
  readonly workspace?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Call extends Caller {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: unknown;
  readonly body?: unknown;
  readonly seed?: string;
}

export interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- reason: tests read replies of every shape
  readonly body: any;
  readonly cookies: readonly CookieChange[];
}

export interface World {
  readonly services: Services;
  readonly errors: unknown[];
  readonly authenticate: (auth: Credentials['auth'], caller?: Caller & { readonly path?: string }) => Promise<Actor>;
  /** Authenticates, checks the capability, validates, handles and presents, as the HTTP kit does. */
  readonly call: (id: string, call?: Call) => Promise<Answer>;
}

export function createWorld(db: Database, options: Partial<AuthDeps> = {}): World {
  const masterKey = options.masterKey ?? Buffer.alloc(32, 7);
  const vault = vaultOf(db, masterKey);
  const errors: unknown[] = [];
  const audit = createAuditService({ db, masterKey });
  const auth = createAuthService({
    db,
    masterKey,
    audit,
    adminToken: ADMIN_TOKEN,
    signup: 'open',
    onError: (error) => errors.push(error),
    ...options,
  });
  // -- reason: the services of other resources play no part here
  const services = {
    auth,
    audit,
    workspaces: createWorkspaceService({ db, vault }),
    tokens: createTokenService({ db }),
    secrets: createSecretService({ db, vault }),
  } as unknown as Services;
  const authenticate: World['authenticate'] = (kind, caller = {}) => auth.authenticate(credentialsOf(kind, caller));
  return { services, errors, authenticate, call: (id, call) => callRow(services, id, call ?? {}) };
}

interface Asked extends Caller {
  readonly path?: string | undefined;
  readonly method?: string;
}

const credentialsOf = (auth: Credentials['auth'], { headers = {}, ...caller }: Asked): Credentials => ({
  auth,
  authorization: caller.bearer === undefined ? undefined : `Bearer ${caller.bearer}`,
  cookies: caller.cookies ?? {},
  workspaceHeader: caller.workspace,
  pathWorkspaceId: caller.path,
  origin: {
    method: caller.method ?? 'GET',
    host: headers['host'],
    origin: headers['origin'],
    fetchSite: headers['sec-fetch-site'],
  },
});

async function callRow(services: Services, id: string, call: Call): Promise<Answer> {
  const row = rows.find((candidate) => candidate.id === id);
  if (row === undefined) throw new Error(`no row ${id}`);
  const path = row.auth === 'workspace' ? call.params?.['id'] : undefined;
  const actor = await services.auth.authenticate(credentialsOf(row.auth, { ...call, path, method: row.method }));
  if (row.can !== undefined && !actor.capabilities.has(row.can)) throw new Error(`403 lacks ${row.can}`);
  return answerOf(row, await row.handle(requestOf(row, actor, call), services));
}

function requestOf(row: Route, actor: Actor, call: Call): Parameters<Route['handle']>[0] {
  const { params = {}, query = {}, body, headers = {}, cookies = {}, bearer, seed = newSeed() } = call;
  return {
    actor,
    params,
    query: row.query?.parse(query),
    body: row.body?.parse(body),
    rawBody: Buffer.alloc(0),
    headers: bearer === undefined ? headers : { ...headers, authorization: `Bearer ${bearer}` },
    cookies,
    url: row.path,
    ip: '192.0.2.1',
    location: null,
    requestId: 'req_test',
    seed,
  };
}

function answerOf(row: Route, result: unknown): Answer {
  const reply = result instanceof Reply ? result : new Reply(result);
  const body: unknown = row.reply.parse(reply.body satisfies unknown as z.input<typeof row.reply>);
  return { status: reply.status ?? row.status ?? 200, body, cookies: reply.cookies };
}

let people = 0;
export const buildAccount = (overrides: Record<string, string> = {}): Record<string, string> => {
  people += 1;
  return { email: `person${people}@example.com`, password: 'correct horse', name: `Person ${people}`, ...overrides };
};

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly bearer: string;
  readonly workspace: string;
  readonly refresh: string;
}

export async function signUp(world: World, overrides: Record<string, string> = {}): Promise<Person> {
  const account = buildAccount(overrides);
  return personOf(await world.call('auth.signup', { body: account }));
}

export const personOf = ({ body, cookies }: Answer): Person => ({
  id: body.user.id,
  email: body.user.email,
  bearer: body.access_token,
  workspace: body.workspace?.id,
  refresh: cookies.find((cookie) => cookie.name === 'keelson_refresh')?.value ?? '',
});

/** Kysely builds a query that counts what goes over the wire. */
export async function countQueries(db: Database, work: (db: Database) => Promise<unknown>): Promise<number> {
  let count = 0;
  const counting = db.withPlugin({
    transformQuery: ({ node }) => {
      count += 1;
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  });
  await work(counting);
  return count;
}
