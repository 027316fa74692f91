import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { guardedFetch } from '../../api/services/guarded-fetch.js';
import { parseEgressAllow } from '../../db/egress.js';

let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: `http://localhost:${port}/` }).end();
    else if (request.url === '/large') response.end('x'.repeat(2_000_000));
    else if (request.url === '/empty') response.writeHead(204).end();
    else request.pipe(response.writeHead(200, { 'x-method': request.method ?? '' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // -- reason: a server on a port has an AddressInfo
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

const fetchWith = (allow: string) => guardedFetch({ allow: parseEgressAllow(allow) });
const listed = () => fetchWith(`127.0.0.1:${port}`);
const at = (path = '/') => `http://127.0.0.1:${port}${path}`;

test('what the operator lists is asked, by address and by name', async () => {
  const form = new URLSearchParams({ a: '1' });
  const reply = await listed()(at(), { method: 'POST', body: form });
  expect([reply.status, reply.headers.get('x-method'), await reply.text()]).toEqual([200, 'POST', 'a=1']);
  expect((await fetchWith(`localhost:${port}`)(`http://localhost:${port}/`, {})).status).toBe(200);
  expect((await listed()(at('/empty'), {})).status).toBe(204);
});

test.each([
  ['a private address', 'http://10.0.0.1/'],
  ['this machine', 'http://127.0.0.1:9/'],
  ['this machine by name', 'http://localhost:9/'],
  ['another spelling of it', 'http://0x7f000001:9/'],
  ['no web address', 'file:///etc/passwd'],
  ['a user in the address', 'http://a:b@example.com/'],
])('%s is refused', async (_, url) => {
  await expect(fetchWith('')(url, {})).rejects.toMatchObject({ status: 502 });
});

test('a port that is not listed is refused', async () => {
  await expect(fetchWith('127.0.0.1:1')(at(), {})).rejects.toMatchObject({ status: 502 });
});

test('a public name that stands for a private address is refused as the connection is opened', async () => {
  const lookup = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
  const fetch = guardedFetch({ allow: [], lookup });
  await expect(fetch(`http://id.example.com:${port}/`, {})).rejects.toMatchObject({ status: 502 });
});

test('no redirect is followed', async () => {
  const reply = await listed()(at('/moved'), {});
  expect(reply.status).toBe(302);
});

test('a reply that is too large is cut off', async () => {
  await expect(listed()(at('/large'), {})).rejects.toMatchObject({ code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' });
});

test('a caller who gives up is heard', async () => {
  await expect(listed()(at(), { signal: AbortSignal.abort() })).rejects.toThrow();
});
