import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { sha256Hex } from '../../db/crypto.js';
import { openDatabase } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { send, type Answered } from '../support/http.js';
import { startKit, testConfig, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';
import { silentTemporal } from '../support/silent-temporal.js';

/** Two API processes on one database. */
let one: TestApi;
let two: TestApi;
let person: Person;

beforeAll(async () => {
  const env = { KEELSON_RATE_LIMIT_KEY: '100', CORS_ORIGINS: 'https://app.example.com' };
  one = await startTestApi({ temporal: silentTemporal, env });
  two = await startTestApi({ temporal: silentTemporal, env, database: one });
  person = await one.signUp();
});
afterAll(async () => {
  await two.close();
  await one.close();
});

async function newKey(rateLimit: number | null): Promise<string> {
  const key = `as_live_${randomBytes(20).toString('hex')}`;
  const workspace = await one.db
    .selectFrom('workspaces')
    .select('tenant_id')
    .where('id', '=', person.workspace.id)
    .executeTakeFirstOrThrow();
  await one.db
    .insertInto('api_keys')
    .values({
      id: newId('key'),
      tenant_id: workspace.tenant_id,
      workspace_id: person.workspace.id,
      name: newId('key'),
      environment: 'live',
      key_hash: sha256Hex(key),
      prefix: 'as_live_x',
      scopes: [],
      rate_limit: rateLimit,
      created_by: person.userId,
    })
    .execute();
  return key;
}

/** So many at once, every other one to the other process. */
function burst(key: string, count: number): Promise<readonly Answered[]> {
  const calls = Array.from({ length: count }, (_, at) =>
    send(`${(at % 2 === 0 ? one : two).url}/workspaces`, { headers: { 'x-api-key': key } }),
  );
  return Promise.all(calls);
}

const isLimited = ({ status }: Answered): boolean => status === 429;

describe('a key over two processes', () => {
  test('makes 100 requests a minute in total, not one more or less', async () => {
    const answers = await burst(await newKey(null), 130);
    expect(answers.filter((answer) => !isLimited(answer))).toHaveLength(100);
    const left = answers.filter((each) => !isLimited(each)).map(({ headers }) => headers.get('x-ratelimit-remaining'));
    expect(new Set(left).size).toBe(100);
    for (const { headers, body } of answers.filter(isLimited)) {
      expect(headers.get('x-ratelimit-limit')).toBe('100');
      expect(headers.get('x-ratelimit-remaining')).toBe('0');
      expect(headers.get('retry-after')).toBe(headers.get('x-ratelimit-reset'));
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(body.error?.code).toBe('rate_limit_exceeded');
    }
  });

  test('with a limit of its own makes as many as that says', async () => {
    const answers = await burst(await newKey(7), 20);
    expect(answers.filter((answer) => !isLimited(answer))).toHaveLength(7);
    expect(answers[0]?.headers.get('x-ratelimit-limit')).toBe('7');
    const more = await burst(await newKey(150), 120);
    expect(more.filter(isLimited)).toHaveLength(0);
  });
});

describe('every answer says how many are left', () => {
  let kit: KitServer;
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
    kit = await startKit({ db: database.db, rows: kitRows({ ran: 0, open: Promise.resolve() }) });
  });
  afterAll(async () => {
    await kit.close();
    await database.close();
  });
  const owner = { authorization: 'Bearer ann' };
  const origin = { origin: 'https://app.example.com', 'access-control-request-method': 'POST' };

  test.each([
    ['200', 200, 'GET', '/things', { headers: owner }],
    ['HEAD', 200, 'HEAD', '/things/count', {}],
    [
      '201',
      201,
      'POST',
      '/legacy-things',
      { headers: { ...owner, 'content-type': 'application/json' }, body: '{"name":"a"}' },
    ],
    ['204', 204, 'DELETE', '/things/def_1', { headers: owner }],
    ['401', 401, 'GET', '/things', {}],
    ['403', 403, 'GET', '/things', { headers: { authorization: 'Bearer bob:run.read' } }],
    ['404 of a thing', 404, 'GET', '/things/def_2', { headers: owner }],
    ['404 of a path', 404, 'GET', '/nothing/here', {}],
    ['405', 405, 'PUT', '/things', {}],
    ['415', 415, 'POST', '/things', { headers: owner, body: 'x' }],
    [
      '422 of a body',
      422,
      'POST',
      '/things',
      { headers: { ...owner, 'content-type': 'application/json' }, body: '{}' },
    ],
    ['422 of a parameter', 422, 'GET', '/things/a%00b', { headers: owner }],
    ['500', 500, 'GET', '/broken/unknown', {}],
    ['503', 503, 'GET', '/broken/refused', {}],
    ['OPTIONS', 204, 'OPTIONS', '/things', {}],
    ['a preflight', 204, 'OPTIONS', '/things', { headers: origin }],
    [
      'a preflight of a strange origin',
      204,
      'OPTIONS',
      '/things',
      { headers: { ...origin, origin: 'https://evil.example' } },
    ],
    ['a page', 200, 'GET', '/docs', {}],
    ["a page's file", 200, 'GET', '/docs/assets/page.css', {}],
    ['the description', 200, 'GET', '/openapi.json', {}],
    ['health', 200, 'GET', '/health', {}],
  ] as const)('%s', async (...row) => {
    const [, status, method, path, init] = row;
    const answer = await send(kit.url + path, { method, ...init });
    expect(answer.status).toBe(status);
    for (const name of ['limit', 'remaining', 'reset'])
      expect(answer.headers.get(`x-ratelimit-${name}`)).toMatch(/^\d+$/);
    expect(answer.headers.get('retry-after') === null).toBe(status !== 503);
  });

  test('files and preflights run out too, in the envelope and without being kept', async () => {
    const rateLimits = { ...testConfig.rateLimits, public: 2 };
    const small = await startKit({
      db: database.db,
      rows: kitRows({ ran: 0, open: Promise.resolve() }),
      config: { rateLimits },
    });
    try {
      const file = (): Promise<Answered> => send(`${small.url}/docs/assets/page.css`);
      const ask = (): Promise<Answered> => send(`${small.url}/things`, { method: 'OPTIONS', headers: origin });
      for (const call of [file, ask]) {
        expect([(await call()).status < 300, (await call()).status < 300]).toEqual([true, true]);
        const refused = await call();
        expect(refused).toMatchObject({ status: 429, body: { error: { code: 'rate_limit_exceeded' } } });
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(refused.headers.get('cache-control')).toBeNull();
      }
    } finally {
      await small.close();
    }
  });
});

test('while Postgres does not answer, memory counts and no request waits for it', async () => {
  const database = await testDatabase();
  // one connection, and it is taken: as a pool whose server hangs
  const hung = openDatabase({ url: database.url, maxConnections: 1 });
  let letGo = (): void => undefined;
  const isHeld = new Promise<void>((held) => {
    void hung.connection().execute(() => {
      held();
      return new Promise<void>((resolve) => {
        letGo = resolve;
      });
    });
  });
  await isHeld;
  const kit = await startKit({
    db: hung,
    rows: kitRows({ ran: 0, open: Promise.resolve() }),
    config: { rateLimits: { auth: 3, public: 3, api: 3, key: 3 } },
    rateStore: { deadlineMs: 20, restMs: 60_000 },
  });
  try {
    const call = (): Promise<Answered> => send(`${kit.url}/things/count`);
    const answers = [await call(), await call(), await call(), await call()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.map(({ headers }) => headers.get('x-ratelimit-remaining'))).toEqual(['2', '1', '0', '0']);
    // only the first one asked at all: a single query waits for the connection
    letGo();
    const counted = await sql<{ points: number }>`select points from rate_limits`.execute(hung);
    expect(counted.rows).toEqual([{ points: 1 }]);
  } finally {
    letGo();
    await kit.close();
    await hung.destroy();
    await database.close();
  }
});
