import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import type { Database } from '../../db/client.js';
import { testDatabase } from '../support/database.js';
import { send, type Answered } from '../support/http.js';
import { startKit, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';

let db: Database;
let drop: () => Promise<void>;
let kit: KitServer;

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
  kit = await startKit({ db, rows: kitRows({ ran: 0, open: Promise.resolve() }) });
});
afterAll(async () => {
  await kit.close();
  await drop();
});

const call = (method: string, path: string, init: RequestInit = {}): Promise<Answered> =>
  send(kit.url + path, { method, ...init });

const owner = { authorization: 'Bearer ann' };
const json = { ...owner, 'content-type': 'application/json' };
const post = (path: string, body: unknown, headers: Record<string, string> = json): Promise<Answered> =>
  call('POST', path, { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

const expectEnvelope = ({ status, body }: Answered, expected: number, code: string): void => {
  expect(status).toBe(expected);
  expect(body).toMatchObject({ error: { code, message: expect.any(String), details: expect.any(Array) } });
  expect(body.detail).toBeDefined();
};

/** Bytes as they are, for what no client library would send. */
const sendRaw = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(kit.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });

describe('routing', () => {
  test('a fixed segment wins over a parameter', async () => {
    expect((await call('GET', '/things/count')).body).toEqual({ count: 1 });
  });
  test('an alias answers like its row', async () => {
    expect((await call('GET', '/v1/things', { headers: owner })).status).toBe(200);
  });
  test('an unknown path is 404 in the envelope', async () => {
    expectEnvelope(await call('GET', '/nothing/here'), 404, 'not_found');
  });
  test('a wrong method is 405 with Allow', async () => {
    const answer = await call('PUT', '/things', { headers: json, body: '{}' });
    expectEnvelope(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(['GET', 'HEAD', 'OPTIONS', 'POST']);
  });
  test('TRACE is 405, not 501', async () => {
    const answer = await sendRaw('TRACE /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 405 [^]*Allow: /);
  });
  test('OPTIONS names the methods', async () => {
    const answer = await call('OPTIONS', '/things');
    expect(answer.status).toBe(204);
    expect(answer.headers.get('allow')).toContain('POST');
  });
  test('HEAD of a GET answers its headers alone', async () => {
    const answer = await call('HEAD', '/things/count');
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(answer.headers.get('content-length')).toBe(String(JSON.stringify({ count: 1 }).length));
  });
  test('what is no HTTP gets the envelope too', async () => {
    expect(await sendRaw('NOT HTTP\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [^]*"code":"bad_request"/);
    expect(await sendRaw(`GET / HTTP/1.1\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 [^]*"error"/,
    );
  });
});

describe('replies', () => {
  test('fields the schema does not name stay inside, times are ISO', async () => {
    const { body } = await call('GET', '/things?limit=5', { headers: owner });
    expect(body).toEqual({
      items: [{ id: 'def_1', name: 'kettle', created_at: '1970-01-01T00:00:00.000Z' }],
      total: 1,
      limit: 5,
      offset: 0,
    });
  });
  test('a reply that breaks its schema is a logged 500 without internals', async () => {
    expectEnvelope(await call('GET', '/broken/reply'), 500, 'internal_error');
    expect(kit.logText()).toContain('reply breaks its schema');
  });
  test('204 has no body', async () => {
    expect(await call('DELETE', '/things/def_1', { headers: owner })).toMatchObject({ status: 204, text: '' });
  });
  test('headers and cookies of a Reply are sent', async () => {
    const { status, headers } = await post('/legacy-things', { name: 'x' });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe('/things/def_1');
    expect(headers.get('set-cookie')).toBe('seen=a%20b; Path=/things; Max-Age=60; HttpOnly; SameSite=Lax');
  });
});

describe('who may', () => {
  test('401 without and with a bad credential', async () => {
    expectEnvelope(await call('GET', '/things'), 401, 'authentication_error');
    const bad = await call('GET', '/things', { headers: { authorization: 'Basic x' } });
    expectEnvelope(bad, 401, 'authentication_error');
    expect(bad.headers.get('www-authenticate')).toBe('Bearer');
  });
  test('any scope of a list opens a row; without one 403 names them all', async () => {
    const ask = (scope: string) => call('GET', '/shared-things', { headers: { authorization: `Bearer ann:${scope}` } });
    for (const scope of ['agents:read', 'conversations:read', 'conversations:*']) {
      expect((await ask(scope)).status).toBe(200);
    }
    const refused = await ask('agents:write');
    expectEnvelope(refused, 403, 'authorization_error');
    expect(refused.body.error?.message).toBe('This needs the scope "agents:read" or "conversations:read".');
  });
  test('403 names the capability, before the body is looked at', async () => {
    const answer = await post('/things', '{broken', { ...json, authorization: 'Bearer bob:workflow.read' });
    expectEnvelope(answer, 403, 'authorization_error');
    expect(answer.body.error?.message).toContain('workflow.write');
  });
});

describe('bodies', () => {
  test.each([
    ['malformed JSON', '{"name":', 400, 'bad_request'],
    ['a lone value of the wrong type', '[]', 422, 'validation_error'],
    ['a NUL character', String.raw`{"name":"a\u0000b"}`, 422, 'validation_error'],
    ['half a surrogate pair', String.raw`{"name":"\ud800"}`, 422, 'validation_error'],
    ['a prototype key', '{"name":"a","__proto__":{"isAdmin":true}}', 422, 'validation_error'],
    ['constructor.prototype', '{"name":"a","constructor":{"prototype":{}}}', 422, 'validation_error'],
    ['deep nesting', `{"name":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 422, 'validation_error'],
    ['a number out of range', '{"name":"a","size":1e999}', 422, 'validation_error'],
    ['no body', '', 422, 'validation_error'],
  ])('%s is a clean refusal', async (...row) => {
    const [, body, status, code] = row;
    expectEnvelope(await post('/things', body), status, code);
  });
  test('invalid UTF-8 is 400', async () => {
    const answer = await call('POST', '/things', { headers: json, body: Buffer.from([0x22, 0xff, 0xfe, 0x22]) });
    expectEnvelope(answer, 400, 'bad_request');
  });
  test('every field at fault is named, in both forms', async () => {
    const { status, body } = await post('/things', { size: 'big', owner: { email: 'nobody' }, extra: 1 });
    expect(status).toBe(422);
    expect(body.error?.details.map(({ field }) => field).toSorted()).toEqual(['extra', 'name', 'owner.email', 'size']);
    expect(body.detail).toContainEqual({
      loc: ['body', 'owner', 'email'],
      msg: expect.any(String),
      type: 'invalid_format',
    });
    expect(body.detail).toContainEqual({ loc: ['body', 'name'], msg: 'is required', type: 'missing' });
  });
  test('a row may answer 400 for the same', async () => {
    const { status, body } = await post('/legacy-things', {});
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: { code: 'bad_request', details: [{ field: 'name' }] },
      detail: 'name: is required',
    });
  });
  test('a query that breaks its schema is 422', async () => {
    const { status, body } = await call('GET', '/things?limit=0', { headers: owner });
    expect(status).toBe(422);
    expect(body.detail).toMatchObject([{ loc: ['query', 'limit'] }]);
  });
  test('NUL in a path or query is 422', async () => {
    expectEnvelope(await call('GET', '/things/a%00b', { headers: owner }), 422, 'validation_error');
    expectEnvelope(await call('GET', '/things?q=%00', { headers: owner }), 422, 'validation_error');
    expectEnvelope(await call('GET', '/things/%zz', { headers: owner }), 404, 'not_found');
  });
  test('other content types are 415', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1'])
      expectEnvelope(
        await post('/things', '{"name":"a"}', { ...owner, 'content-type': type }),
        415,
        'unsupported_media_type',
      );
    expectEnvelope(await post('/things', '{}', { ...json, 'content-encoding': 'gzip' }), 415, 'unsupported_media_type');
  });
  test('text and forms arrive where a row takes them, with the exact bytes', async () => {
    const text = await post('/echo/t', 'häé', { 'content-type': 'text/plain' });
    expect(text.body).toEqual({ raw: Buffer.from('häé').toString('hex'), body: 'häé' });
    const form = await post('/echo/t', 'a=1&b=x+y&a=2', { 'content-type': 'application/x-www-form-urlencoded' });
    expect(form.body['body']).toEqual({ a: ['1', '2'], b: 'x y' });
    const spaced = await post('/echo/t', ' { "a" : 1 } ', { 'content-type': 'application/json' });
    expect(spaced.body).toEqual({ raw: Buffer.from(' { "a" : 1 } ').toString('hex'), body: { a: 1 } });
  });
  test('a body over the limit is 413, declared or chunked', async () => {
    expectEnvelope(await post('/echo/t', 'x'.repeat(1001), { 'content-type': 'text/plain' }), 413, 'payload_too_large');
    expectEnvelope(await post('/things', `"${'x'.repeat(3 * 1024 * 1024)}"`), 413, 'payload_too_large');
    expect(await postChunks(50, 64 * 1024)).toBe(413);
    expect((await post('/echo/t', 'x'.repeat(1000), { 'content-type': 'text/plain' })).status).toBe(200);
  });
});

const postChunks = (count: number, size: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'text/plain' };
    const outgoing = httpRequest(`${kit.url}/echo/t`, { method: 'POST', headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    for (let i = 0; i < count; i += 1) outgoing.write(Buffer.alloc(size, 97));
    outgoing.end();
  });

describe('failures', () => {
  test.each([
    ['unknown', 500, 'internal_error'],
    ['text', 500, 'internal_error'],
    ['unique', 409, 'conflict'],
    ['refused', 503, 'unavailable'],
    ['pool', 503, 'unavailable'],
    ['temporal', 503, 'unavailable'],
    ['teapot', 502, 'upstream_error'],
  ])('%s', async (how, status, code) => {
    const answer = await call('GET', `/broken/${how}`);
    expectEnvelope(answer, status, code);
    expect(JSON.stringify(answer.body)).not.toMatch(/hunter2|a@b\.c|10\.0\.0\.1/);
  });
  test('keys a contract names stand beside the envelope', async () => {
    expect((await call('GET', '/broken/conflict')).body).toMatchObject({
      blockers: ['no_trigger'],
      detail: 'Not ready.',
    });
  });
  test("a database error's data is not logged", () => {
    expect(kit.logText()).not.toContain('a@b.c');
  });
});

describe('request id, log, audit', () => {
  test('a sane id is taken over, another is replaced', async () => {
    expect((await call('GET', '/', { headers: { 'x-request-id': 'abc-1' } })).headers.get('x-request-id')).toBe(
      'abc-1',
    );
    expect((await call('GET', '/', { headers: { 'x-request-id': 'a b<' } })).headers.get('x-request-id')).toMatch(
      /^req_\w{26}$/,
    );
  });
  test('the access log has the request and none of its secrets', async () => {
    const headers = { ...json, 'x-request-id': 'logged-1', cookie: 'session=cookie-secret' };
    await call('POST', '/echo/path-secret?api_key=query-secret&page=2', {
      headers,
      body: '{"password":"body-secret"}',
    });
    const line = kit.log.find((entry) => entry['request_id'] === 'logged-1');
    expect(line).toMatchObject({
      method: 'POST',
      route: 'things.echo',
      status: 200,
      query: { api_key: '[redacted]', page: '2' },
    });
    expect(kit.logText()).not.toMatch(/path-secret|query-secret|body-secret|cookie-secret|Bearer/);
  });
  test('changing calls that succeed are audited', async () => {
    const before = kit.audit.length;
    await post('/things', { name: 'x' }, { ...json, 'x-request-id': 'audit-1' });
    await post('/things', {});
    await post('/echo/t', '{}');
    await call('GET', '/things', { headers: owner });
    await call('DELETE', '/things/def_1', { headers: owner });
    expect(kit.audit.slice(before)).toMatchObject([
      { action: 'things.create', entityType: 'things', workspaceId: 'ws_ann', actorId: 'ann', requestId: 'audit-1' },
      { action: 'things.remove', entityType: 'things', entityId: 'def_1' },
    ]);
  });
});

describe('headers for browsers', () => {
  test('security headers are on every reply', async () => {
    const { headers } = await call('GET', '/nothing');
    expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('strict-transport-security')).toBeNull();
  });
  test('an allowed origin may call, with its preflight; another may not', async () => {
    const origin = 'https://app.example.com';
    const ask = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
    const preflight = await call('OPTIONS', '/things', { headers: { origin, ...ask } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    const refused = await call('GET', '/things', { headers: { origin } });
    expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
    const foreign = await call('OPTIONS', '/things', { headers: { origin: 'https://evil.example', ...ask } });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  });
});
