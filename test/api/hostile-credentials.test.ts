import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Route } from '../../api/http/route.js';
import { MASTER_KEY } from '../support/api.js';
import { startEveryRow, type EveryRow } from '../support/every-row.js';
import { send, type Answered } from '../support/http.js';
import { forgeries } from '../support/tokens.js';

let api: EveryRow;
let good: string;
/** One row of each kind of guard. */
let guarded: readonly Route[];

beforeAll(async () => {
  api = await startEveryRow();
  good = api.owner.replace('Bearer ', '');
  const wanted = ['workspaces.list', 'secrets.list', 'workspaces.get', 'egress.get', 'secrets.create'];
  guarded = api.rows.filter(({ id }) => wanted.includes(id));
  expect(guarded).toHaveLength(wanted.length);
});
afterAll(() => api.close());

const pathOf = ({ path, auth }: Route): string =>
  path.replaceAll(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent((auth === 'workspace' && name === 'id' ? api.workspaceId : api.existing[name]) ?? 'none'),
  );

const call = (row: Route, headers: Readonly<Record<string, string>>): Promise<Answered> =>
  send(api.url + pathOf(row), { method: row.method, headers });

describe('a forged access token opens nothing, in the header or as the cookie', () => {
  test('while the good one does', async () => {
    for (const row of guarded) {
      const { status } = await call(row, { authorization: `Bearer ${good}` });
      expect({ id: row.id, isIn: status !== 401 && status !== 403 }).toEqual({ id: row.id, isIn: true });
    }
    expect(MASTER_KEY).toHaveLength(64);
  });

  test.each(Object.keys(forgeries('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.x')))('%s', async (name) => {
    const token = forgeries(good)[name] ?? '';
    const answers: Answered[] = [];
    for (const row of guarded) {
      answers.push(await call(row, { authorization: `Bearer ${token}` }));
      answers.push(await call(row, { cookie: `keelson_access=${token}` }));
      answers.push(await call(row, { 'x-api-key': token }));
    }
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    // nothing says what was wrong with it
    expect(new Set(answers.map(({ body }) => body.error?.message)).size).toBeLessThanOrEqual(3);
  });

  test('a refresh token is no access token, and an access token refreshes nothing', async () => {
    const email = 'mallory@example.com';
    const headers = { 'content-type': 'application/json' };
    const signedUp = await send(`${api.url}/v1/auth/signup`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ email, password: 'a long enough password' }),
    });
    const cookie = signedUp.headers.getSetCookie().find((line) => line.startsWith('keelson_refresh='));
    const refreshToken = decodeURIComponent(/=([^;]+)/.exec(cookie ?? '')?.[1] ?? '');
    for (const row of guarded) expect((await call(row, { authorization: `Bearer ${refreshToken}` })).status).toBe(401);
    const refreshed = await send(`${api.url}/v1/auth/refresh`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ refresh_token: good }),
    });
    expect([401, 422]).toContain(refreshed.status);
  });
});

const foreign: readonly Readonly<Record<string, string>>[] = [
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site', origin: 'https://other.example.com' },
];

describe('a page of another origin', () => {
  test('changes nothing with the cookie, on any row', async () => {
    const rows = api.rows.filter(({ method, auth }) => method !== 'GET' && auth !== 'none' && auth !== 'embed');
    expect(rows.length).toBeGreaterThan(30);
    const faults: string[] = [];
    for (const row of rows) {
      for (const headers of foreign.slice(0, 2)) {
        const { status } = await call(row, { ...headers, cookie: `keelson_access=${good}` });
        if (status !== 403) faults.push(`${row.id} from ${headers['origin']}: ${status}`);
      }
    }
    expect(faults).toEqual([]);
  });

  test.each(foreign)(
    '%j: is refused a change, a refresh and a logout; a sign-in it cannot even send',
    async (headers) => {
      const [row] = guarded.filter(({ method }) => method === 'POST');
      if (row === undefined) throw new Error('no row to change something with');
      expect((await call(row, { ...headers, cookie: `keelson_access=${good}` })).status).toBe(403);
      const post = (path: string, more: Readonly<Record<string, string>>, body?: string): Promise<Answered> =>
        send(api.url + path, {
          method: 'POST',
          headers: { ...headers, ...more },
          ...(body === undefined ? {} : { body }),
        });
      for (const path of ['/v1/auth/refresh', '/v1/auth/logout'])
        expect((await post(path, { cookie: `keelson_refresh=a.b.c; keelson_access=${good}` })).status).toBe(403);
      // what a page may send without being asked about first: a form or plain text
      const login = '{"email":"a@example.com","password":"x"}';
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
        expect((await post('/v1/auth/login', { 'content-type': type }, login)).status).toBe(415);
      const preflight = await send(`${api.url}/v1/auth/login`, {
        method: 'OPTIONS',
        headers: {
          ...headers,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      });
      expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
      // and the session goes on
      expect((await send(`${api.url}/workspaces`, { headers: { authorization: `Bearer ${good}` } })).status).toBe(200);
    },
  );

  test('our own pages and programs may', async () => {
    const [row] = guarded.filter(({ method }) => method === 'POST');
    if (row === undefined) throw new Error('no row to change something with');
    for (const headers of [{ origin: api.url }, { 'sec-fetch-site': 'same-origin' }, {}]) {
      const answer = await call(row, { ...headers, cookie: `keelson_access=${good}` } as Record<string, string>);
      expect(answer.status).toBe(422);
    }
  });
});
