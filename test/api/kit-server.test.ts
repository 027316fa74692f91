import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Database } from '../../db/client.js';
import { inOrder } from '../../api/http/mount.js';
import { testDatabase } from '../support/database.js';
import { send, type Answered } from '../support/http.js';
import { startKit as start, testConfig, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';

const running: KitServer[] = [];
let db: Database;
let drop: () => Promise<void>;
const open = { ran: 0, open: Promise.resolve() };

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ close }) => close()));
});
afterAll(() => drop());

/** Closed after the test, however it ends. */
async function startKit(options: Parameters<typeof start>[0]): Promise<KitServer> {
  const kit = await start(options);
  running.push(kit);
  return kit;
}

test('past its limit a caller gets 429 with Retry-After; others go on', async () => {
  const kit = await startKit({
    db,
    rows: kitRows(open),
    config: { rateLimits: { auth: 2, public: 2, api: 2, key: 2 } },
  });
  const things = (name: string): Promise<Answered> =>
    send(`${kit.url}/things`, { headers: { authorization: `Bearer ${name}` } });
  const first = await things('ann');
  expect(first.headers.get('x-ratelimit-limit')).toBe('2');
  expect(first.headers.get('x-ratelimit-remaining')).toBe('1');
  expect(Number(first.headers.get('x-ratelimit-reset'))).toBeGreaterThan(0);
  await things('ann');
  const refused = await things('ann');
  expect(refused.status).toBe(429);
  expect(refused.body.error?.code).toBe('rate_limit_exceeded');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await things('bob')).status).toBe(200);

  const statuses: number[] = [];
  for (let i = 0; i < 3; i += 1) statuses.push((await send(`${kit.url}/things/count`)).status);
  expect(statuses).toEqual([200, 200, 429]);
});

test('sign-ins are counted over all processes, and guessed credentials by address', async () => {
  const config = { rateLimits: { auth: 3, public: 100, api: 2, key: 2 } };
  const one = await startKit({ db, rows: kitRows(open), config });
  const two = await startKit({ db, rows: kitRows(open), config });
  const attempt = async ({ url }: { readonly url: string }): Promise<number> => {
    const headers = { 'content-type': 'application/json' };
    return (await send(`${url}/auth/try`, { method: 'POST', headers, body: '{"password":"x"}' })).status;
  };
  expect([await attempt(one), await attempt(two), await attempt(one), await attempt(two)]).toEqual([
    200, 200, 200, 429,
  ]);

  const guess = async (): Promise<number> =>
    (await send(`${one.url}/things`, { headers: { authorization: 'no' } })).status;
  expect([await guess(), await guess(), await guess()]).toEqual([401, 401, 429]);
});

test('behind a proxy the address it added counts, not what the caller wrote', async () => {
  const config = { trustProxy: true, rateLimits: { auth: 1, public: 1, api: 1, key: 1 } };
  const kit = await startKit({ db, rows: kitRows(open), config });
  const from = async (forwarded: string): Promise<number> =>
    (await send(`${kit.url}/things/count`, { headers: { 'x-forwarded-for': forwarded } })).status;
  expect([await from('9.9.9.9, 1.2.3.4'), await from('8.8.8.8, 1.2.3.4'), await from('1.2.3.5')]).toEqual([
    200, 429, 200,
  ]);
});

test('cookies are Secure and HSTS is sent where the public address is https', async () => {
  const kit = await startKit({ db, rows: kitRows(open), config: { publicUrl: 'https://flows.example.com' } });
  const headers = { authorization: 'Bearer ann', 'content-type': 'application/json' };
  const answer = await send(`${kit.url}/legacy-things`, { method: 'POST', headers, body: '{"name":"a"}' });
  expect(answer.headers.get('set-cookie')).toMatch(/; Secure$/);
  expect(answer.headers.get('strict-transport-security')).toContain('max-age');
});

test('closing answers what is under way and takes nothing new', async () => {
  let letGo = (): void => undefined;
  let arrived = (): void => undefined;
  const entered = new Promise<void>((resolve) => (arrived = resolve));
  const gate = { ran: 0, open: new Promise<void>((resolve) => (letGo = resolve)), entered: () => arrived() };
  const kit = await startKit({ db, rows: kitRows(gate) });
  const headers = { authorization: 'Bearer ann', 'content-type': 'application/json' };
  const underWay = send(`${kit.url}/things`, { method: 'POST', headers, body: '{"name":"a"}' });
  await entered;
  const closed = kit.close();
  letGo();
  expect((await underWay).status).toBe(201);
  await closed;
  await expect(send(`${kit.url}/health`)).rejects.toThrow();
});

test('health says up, and ready says what does not answer', async () => {
  let temporal: () => Promise<unknown> = () => Promise.resolve();
  const kit = await startKit({
    db,
    rows: [],
    probes: { database: () => Promise.resolve(), temporal: () => temporal() },
  });
  const { body: up } = await send(`${kit.url}/health`);
  expect(up).toEqual({
    status: 'healthy',
    version: testConfig.version,
    timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    uptime: expect.any(Number),
  });
  expect((await send(`${kit.url}/healthz`)).status).toBe(200);
  expect((await send(`${kit.url}/health/ready`)).body).toMatchObject({
    status: 'ready',
    database: 'ok',
    checks: { database: 'ok', temporal: 'ok' },
  });
  temporal = () => Promise.reject(new Error('down'));
  const down = await send(`${kit.url}/health/ready`);
  expect(down).toMatchObject({
    status: 503,
    body: { status: 'not_ready', checks: { database: 'ok', temporal: 'unreachable' } },
  });
  expect(await send(`${kit.url}/api/v1/health`)).toMatchObject({
    status: 200,
    body: { status: 'degraded', checks: { database: 'ok', redis: 'not_used', temporal: 'unreachable' } },
  });
  expect((await send(`${kit.url}/api/v1/health/ready`)).status).toBe(503);
  expect((await send(`${kit.url}/api/v1/health/live`)).body['status']).toBe('alive');
  expect((await send(kit.url)).body).toMatchObject({ name: 'Keelson', version: testConfig.version, docs: '/docs' });
});

test('without a database the kit is unhealthy; storage is ok, broken or not there', async () => {
  const away = (): Promise<never> => Promise.reject(new Error('down'));
  const storageOf = async (storage?: () => Promise<unknown>): Promise<unknown> => {
    const kit = await startKit({ db, rows: [], ...(storage === undefined ? {} : { storage }) });
    return (await send(`${kit.url}/health/storage`)).body['status'];
  };
  expect([await storageOf(), await storageOf(() => Promise.resolve()), await storageOf(away)]).toEqual([
    'unconfigured',
    'ok',
    'error',
  ]);
  const kit = await startKit({ db, rows: [], probes: { database: away, temporal: () => Promise.resolve() } });
  expect(await send(`${kit.url}/api/v1/health`)).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
  expect(await send(`${kit.url}/health/ready`)).toMatchObject({ status: 503, body: { database: 'unreachable' } });
});

test('the two pages and their files are ours, with a strict policy', async () => {
  const kit = await startKit({ db, rows: [] });
  for (const path of ['/docs', '/redoc']) {
    const page = await send(kit.url + path);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self';");
    expect(page.text).not.toMatch(/<script>|https?:\/\//);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files)
      expect({ file, status: (await send(kit.url + file)).status }).toEqual({ file, status: 200 });
  }
  expect((await send(`${kit.url}/docs/assets/..%2f..%2fpackage.json`)).status).toBe(404);
});

test('a table with two doors of one shape, a repeated id or a workspace row without :id is refused at start', () => {
  const [row] = kitRows(open);
  if (row === undefined) throw new Error('no rows');
  expect(() => inOrder([row, { ...row, aliases: [] }])).toThrow('two rows have the id things.list');
  expect(() => inOrder([row, { ...row, id: 'other' }])).toThrow('both answer GET /things');
  expect(() => inOrder([{ ...row, auth: 'workspace' }])).toThrow('needs :id');
});
