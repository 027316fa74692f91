import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { startKit, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';
import { collect, sendRaw, type RawAnswer } from '../support/raw.js';

const MEGABYTE = 1024 * 1024;
let database: TestDatabase;
const running: KitServer[] = [];

beforeAll(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ close }) => close()));
});
afterAll(() => database.close());

async function start(
  more: { readonly discardMs?: number; readonly requestTimeoutMs?: number } = {},
): Promise<KitServer> {
  const rows = kitRows({ ran: 0, open: Promise.resolve() });
  const kit = await startKit({ db: database.db, rows, drainMs: 100, ...more });
  running.push(kit);
  return kit;
}

const head = (more: string): string =>
  `POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann\r\nContent-Type: application/json\r\n${more}\r\n`;

/** Writes as fast as the other end takes it, until all is written or the connection is gone. */
async function pour(
  port: number,
  of: { readonly head: string; readonly chunk: Buffer; readonly count: number; readonly tail?: string },
): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1').setMaxListeners(0);
  const answer = collect(socket);
  socket.write(of.head);
  for (let sent = 0; sent < of.count && !socket.destroyed; sent += 1) {
    if (!socket.write(of.chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  socket.end(of.tail ?? '');
  return answer;
}

test('100 MB are refused with a whole answer, and never held in memory', async () => {
  const kit = await start();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 5);
  const chunk = Buffer.alloc(64 * 1024, 97);
  const declared = await pour(kit.port, { head: head(`Content-Length: ${100 * MEGABYTE}\r\n`), chunk, count: 1_600 });
  const framed = Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from('\r\n')]);
  const chunked = await pour(kit.port, {
    head: head('Transfer-Encoding: chunked\r\n'),
    chunk: framed,
    count: 1_600,
    tail: '0\r\n\r\n',
  });
  clearInterval(watch);
  for (const answer of [declared, chunked]) {
    expect(answer.status).toBe(413);
    const length = Number(/content-length: (\d+)/i.exec(answer.head.join('\n'))?.[1]);
    expect(answer.body).toHaveLength(length);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'payload_too_large' } });
  }
  expect(most).toBeLessThan(40 * MEGABYTE);
});

test('an upload that never ends is answered and then cut off', async () => {
  const kit = await start({ discardMs: 100 });
  const socket = connect(kit.port, '127.0.0.1').setMaxListeners(0);
  const answer = collect(socket);
  const chunk = Buffer.from(`10000\r\n${'x'.repeat(64 * 1024)}\r\n`);
  socket.write(head('Transfer-Encoding: chunked\r\n'));
  while (!socket.destroyed) {
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    else await new Promise(setImmediate);
  }
  expect((await answer).status).toBe(413);
});

test('a body that drips, and a head that does, are given up in time', async () => {
  const kit = await start({ requestTimeoutMs: 150 });
  const body = await sendRaw(kit.port, head('Transfer-Encoding: chunked\r\n') + '1\r\n{\r\n');
  const headers = await sendRaw(kit.port, 'GET /things HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  for (const answer of [body, headers]) expect([400, 408]).toContain(answer.status);
  expect(headers.text).toContain('took too long to arrive');
});

test.each([
  ['one huge header', `X-Long: ${'x'.repeat(20_000)}\r\n`],
  ['very many headers', Array.from({ length: 3_000 }, (_, at) => `X-${at}: ${at}\r\n`).join('')],
  ['a huge cookie', `Cookie: ${'a=b; '.repeat(10_000)}\r\n`],
])('%s is 431 in the envelope', async (_name, more) => {
  const kit = await start();
  const answer = await sendRaw(kit.port, `GET /things HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
  expect(answer.status).toBe(431);
  expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'headers_too_large' } });
});

test('a huge path is refused and not repeated whole', async () => {
  const kit = await start();
  const long = await sendRaw(kit.port, `GET /${'a'.repeat(10_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  expect(long.status).toBe(404);
  expect(long.text.length).toBeLessThan(4_000);
  const longer = await sendRaw(kit.port, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  expect(longer.status).toBe(431);
});

test.each([
  ['two lengths', 'Content-Length: 4\r\nContent-Length: 5\r\n', '{"a"'],
  ['a length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'],
  ['a length that is none', 'Content-Length: +4\r\n', '{}  '],
  ['a negative length', 'Content-Length: -1\r\n', ''],
  ['chunks in another coding', 'Transfer-Encoding: gzip, chunked, identity\r\n', ''],
  ['a chunk size that is none', 'Transfer-Encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'],
  ['a folded header', 'X-A: b\r\n c: d\r\n', ''],
  ['a space before the colon', 'X-A : b\r\n', ''],
])('%s hides no second request', async (_name, headers, body) => {
  const kit = await start();
  const smuggled = `${body}GET /things/count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const answer = await sendRaw(kit.port, head(headers) + smuggled);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.text).not.toContain('"count":1');
});
