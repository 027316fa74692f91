import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { operatorScopes, wantedScopes } from '../../api/services/scopes.js';
import type { Route } from '../../api/http/route.js';
import { startEveryRow, type EveryRow } from '../support/every-row.js';
import { send, type Answered } from '../support/http.js';
import { sendRaw } from '../support/raw.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { startKit, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';

const forOperators: ReadonlySet<string> = new Set(operatorScopes);
let api: EveryRow;
let kit: KitServer;
let database: TestDatabase;

beforeAll(async () => {
  api = await startEveryRow();
  database = await testDatabase();
  kit = await startKit({ db: database.db, rows: kitRows({ ran: 0, open: Promise.resolve() }) });
});
afterAll(async () => {
  await kit.close();
  await database.close();
  await api.close();
});

const close = 'Host: x\r\nConnection: close\r\n';
const owner = (): Readonly<Record<string, string>> => ({ authorization: api.owner });
const json = (): Readonly<Record<string, string>> => ({ ...owner(), 'content-type': 'application/json' });
const post = (path: string, body: unknown): Promise<Answered> =>
  send(api.url + path, {
    method: 'POST',
    headers: json(),
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const pathOf = ({ path, auth }: Route): string =>
  path.replaceAll(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent((auth === 'workspace' && name === 'id' ? api.workspaceId : api.existing[name]) ?? 'none'),
  );

/** Every row that reads a JSON body, with the credential that opens it. */
const writers = (): readonly { readonly row: Route; readonly call: (body: string) => Promise<Answered> }[] =>
  api.rows
    .filter(({ body, auth }) => body !== undefined && auth !== 'embed')
    .map((row) => {
      const isForOperators = row.auth === 'admin' || wantedScopes(row.scope).some((scope) => forOperators.has(scope));
      const authorization = isForOperators ? api.admin : api.owner;
      const headers = { 'content-type': 'application/json', ...(row.auth === 'none' ? {} : { authorization }) };
      return { row, call: (body) => send(api.url + pathOf(row), { method: row.method, headers, body }) };
    });

describe('headers and the log', () => {
  test('a line break in what is sent back or written down starts no header and no line', async () => {
    const evil = '%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a<script>';
    for (const path of [`/${evil}`, `/things/${evil}`, `/things?limit=${evil}`, `/echo/${evil}?page=${evil}`]) {
      const answer = await sendRaw(kit.port, `GET ${path} HTTP/1.1\r\n${close}Authorization: Bearer ann\r\n\r\n`);
      expect(answer.head.filter((line) => /^set-cookie/i.test(line))).toEqual([]);
      expect(answer.head.find((line) => /^content-type/i.test(line))).toContain('application/json');
    }
    const withId = await sendRaw(kit.port, `GET / HTTP/1.1\r\n${close}X-Request-Id: a\r\n\tb\r\n\r\n`);
    expect(withId.text).not.toMatch(/^X-Request-Id: a\s/im);
    for (const line of kit.logText().trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  test.each([
    ['an escape', '\x1b[2J\x1b[31mred'],
    ['a NUL', 'a\0b'],
    ['a bell', 'a\x07'],
    ['a lone line feed', 'a\nX-Injected: 1'],
    ['a lone carriage return', 'a\rb'],
    ['a delete', 'a\x7f'],
    ['control characters above ASCII', 'a\x85\x9b31m\xad'],
  ])('a user agent with %s breaks no line', async (_name, agent) => {
    const bytes = Buffer.from(`GET /things HTTP/1.1\r\n${close}User-Agent: ${agent}\r\n\r\n`, 'latin1');
    const answer = await sendRaw(kit.port, bytes);
    expect([400, 401]).toContain(answer.status);
    expect(answer.text.toLowerCase()).not.toContain('x-injected');
    for (const line of kit.logText().trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
    expect(kit.logText()).not.toContain('\x1b');
  });

  test('headers that other servers obey change no method, path, host or address', async () => {
    const override = { 'x-http-method-override': 'DELETE', 'x-http-method': 'DELETE', 'x-method-override': 'DELETE' };
    const get = await send(`${api.url}/v1/secrets?_method=DELETE`, { headers: { ...owner(), ...override } });
    expect(get.status).toBe(200);
    const rewritten = { 'x-original-url': '/v1/secrets', 'x-rewrite-url': '/v1/secrets', 'x-forwarded-prefix': '/v1' };
    expect((await send(`${api.url}/nothing`, { headers: { ...owner(), ...rewritten } })).status).toBe(404);
    const made = await send(`${api.url}/v1/secrets/MINE`, {
      method: 'POST',
      headers: { ...json(), ...override },
      body: '{"_method":"DELETE"}',
    });
    expect(made.status).toBe(405);
    const spoofed = { 'x-forwarded-for': '6.6.6.6', 'x-real-ip': '6.6.6.6', forwarded: 'for=6.6.6.6' };
    await send(`${kit.url}/things`, { headers: { ...spoofed, 'x-request-id': 'spoofed-1' } });
    expect(kit.log.find((line) => line['request_id'] === 'spoofed-1')).toMatchObject({ ip: '127.0.0.1' });
  });

  test('of a header that came twice nothing is guessed', async () => {
    const ask = (more: string): Promise<number> =>
      sendRaw(kit.port, `GET /things HTTP/1.1\r\n${close}${more}\r\n`).then(({ status }) => status);
    expect(await ask('Authorization: Bearer ann\r\nAuthorization: nonsense\r\n')).toBe(200);
    expect(await ask('Authorization: nonsense\r\nAuthorization: Bearer ann\r\n')).toBe(401);
    const port = Number(new URL(api.url).port);
    const twice = (name: string, a: string, b: string): Promise<number> =>
      sendRaw(
        port,
        `GET /v1/secrets HTTP/1.1\r\n${close}Authorization: ${api.owner}\r\n${name}: ${a}\r\n${name}: ${b}\r\n\r\n`,
      ).then(({ status }) => status);
    expect(await twice('X-Workspace-Id', api.workspaceId, 'ws_other')).toBe(403);
    const key = (name: string): Promise<number> =>
      sendRaw(port, `GET /v1/secrets HTTP/1.1\r\n${close}${name}: ${api.owner.slice(7)}\r\n${name}: x\r\n\r\n`).then(
        ({ status }) => status,
      );
    expect(await key('X-API-Key')).toBe(401);
  });
});

describe('paths', () => {
  test.each([
    '/../package.json',
    '/%2e%2e/package.json',
    '/..%2fpackage.json',
    '/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '/..%5c..%5cetc%5cpasswd',
    '/....//etc/passwd',
    '/docs/../package.json',
    '/docs/assets/../../package.json',
    '/docs/assets/%2e%2e/%2e%2e/package.json',
    '/docs/assets/..%2f..%2fpackage.json',
    '/docs/assets/..%252f..%252fpackage.json',
    '/docs/assets//etc/passwd',
    '/docs/assets/page.css%00.js',
    '/docs/assets/constructor',
    '/docs/assets/__proto__',
    '/docs/assets/toString',
    '/docs/assets/',
    '//evil.example/docs',
    '/%00',
    '/\\..\\..\\etc\\passwd',
  ])('%s leads nowhere', async (path) => {
    const answer = await sendRaw(kit.port, `GET ${path} HTTP/1.1\r\n${close}\r\n`);
    expect([400, 404, 422]).toContain(answer.status);
    expect(answer.text).not.toMatch(/"dependencies"|root:/);
  });

  test('an encoded slash stays inside its parameter', async () => {
    for (const id of ['..%2f..%2fsecrets', '%2e%2e%2fsecrets', 'mine%2f..%2fmine', '..', '%2e%2e', 'MINE%2f']) {
      const answer = await send(`${api.url}/v1/secrets/${id}`, {
        method: 'PUT',
        headers: json(),
        body: '{"value":"x"}',
      });
      expect([404, 405, 422]).toContain(answer.status);
    }
    // `..` on the wire goes no folder up either
    const raw = await sendRaw(kit.port, `GET /things/../health HTTP/1.1\r\n${close}\r\n`);
    expect([401, 404]).toContain(raw.status);
  });

  test('a whole address as the target is only its path', async () => {
    const answer = await sendRaw(kit.port, `GET http://evil.example/things/count HTTP/1.1\r\n${close}\r\n`);
    expect(answer.body).toContain('"count":1');
    const other = await sendRaw(kit.port, `GET http://127.0.0.1:1/ HTTP/1.1\r\n${close}\r\n`);
    expect(other.body).toContain('"name":"Keelson"');
  });
});

describe('bodies of every row', () => {
  const prototypeBombs = [
    '{"__proto__":{"polluted":true}}',
    '{"a":{"__proto__":{"polluted":true}}}',
    '[{"__proto__":{"polluted":true}}]',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"a":{"b":[{"constructor":{"prototype":{"polluted":true}}}]}}',
  ];

  test('that reach for a prototype are refused', async () => {
    const faults: string[] = [];
    for (const { row, call } of writers()) {
      for (const body of prototypeBombs) {
        const { status } = await call(body);
        if (![400, 422].includes(status)) faults.push(`${row.id} ${body}: ${status}`);
      }
    }
    expect(faults).toEqual([]);
    expect(({} as { readonly polluted?: boolean }).polluted).toBeUndefined();
    const query = await send(`${api.url}/v1/secrets?__proto__[polluted]=1&constructor[prototype][polluted]=1`, {
      headers: owner(),
    });
    expect([200, 422]).toContain(query.status);
    expect(([] as { readonly polluted?: boolean }).polluted).toBeUndefined();
  });

  test('that nest without end, hold NUL or half a character are refused', async () => {
    const small = [
      `{"name":${'{"a":['.repeat(200)}1${']}'.repeat(200)}}`,
      String.raw`{"name":"a\u0000b"}`,
      String.raw`{"a\u0000b":1}`,
      String.raw`{"name":"\ud800"}`,
    ];
    const big = [
      `${'['.repeat(400_000)}${']'.repeat(400_000)}`,
      `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      '['.repeat(900_000),
    ];
    const faults: string[] = [];
    for (const [at, { row, call }] of writers().entries()) {
      for (const body of at % 20 === 0 ? [...small, ...big] : small) {
        const { status } = await call(body);
        // a row with a smaller limit says so
        if (![400, 413, 422].includes(status)) faults.push(`${row.id} ${body.slice(0, 30)}: ${status}`);
      }
    }
    expect(faults).toEqual([]);
  });
});

test('right-to-left marks and their kin are kept as they are', async () => {
  const name = 'pay\u202Efdp.exe \u2066\u200B\uFEFFx';
  const made = await post('/workspaces', { name: `a${name}` });
  expect(made.status).toBe(201);
  const got = await send(`${api.url}/workspaces/${String(made.body['id'])}`, { headers: owner() });
  expect(got.body).toMatchObject({ name: `a${name}` });
  expect(String(got.body['slug'])).toMatch(/^[a-z0-9-]+$/);
});

test('no page of ours shows what a caller sent', async () => {
  const evil = '%3Cscript%3Ealert(1)%3C/script%3E';
  for (const path of [`/docs?x=${evil}`, `/redoc?x=${evil}`, `/${evil}`, `/docs/${evil}`]) {
    const answer = await send(kit.url + path);
    if (answer.headers.get('content-type')?.includes('html') === true) expect(answer.text).not.toContain('alert(1)');
    else expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  }
});
