import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { z } from 'zod';
import { forbidden, unauthenticated } from '../../api/http/errors.js';
import { socketRoute, type Socket } from '../../api/http/sockets.js';
import type { Database } from '../../db/client.js';
import { currentScope } from '../../db/scope.js';
import { testDatabase } from '../support/database.js';
import { send } from '../support/http.js';
import { startKit as start, type KitServer } from '../support/kit.js';
import { openSocket } from '../support/socket.js';

const running: KitServer[] = [];
let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
}, 60_000);
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ close }) => close()));
});
afterAll(() => drop());

type More = Omit<Parameters<typeof start>[0], 'db' | 'rows'>;

async function startKit(open: (socket: Socket) => Promise<(frame: unknown) => Promise<void>>, more: More = {}) {
  const row = socketRoute({
    id: 'numbers.socket',
    path: '/ws/numbers',
    summary: 'Numbers',
    tag: 'numbers',
    auth: 'member',
    query: z.object({ token: z.string().optional() }),
    sent: z.object({ n: z.number() }),
    received: z.object({ type: z.string() }),
    open,
  });
  const kit = await start({ db, rows: [row], ...more });
  running.push(kit);
  return kit;
}

const echo = (socket: Socket) =>
  Promise.resolve((frame: unknown) => Promise.resolve(socket.send(JSON.stringify({ type: 'echo', frame }))));
const open = ({ url }: KitServer, name = 'ann') => openSocket(`${url}/ws/numbers?token=${name}`);

test('a client that takes nothing is closed with the reason, and nobody else notices', async () => {
  const text = JSON.stringify({ type: 'long', text: 'x'.repeat(50_000) });
  let made = 0;
  const kit = await startKit(
    async (socket) =>
      Promise.resolve(async () => {
        for (let n = 0; n < 2_000 && !socket.signal.aborted; n += 1) {
          made += 1;
          socket.send(text);
          await socket.room();
        }
      }),
    { sockets: { patienceMs: 50 } },
  );
  const slow = await open(kit);
  slow.pause();
  slow.send({ n: 1 });
  const quick = await open(kit, 'bob');
  quick.send({ n: 1 });
  let seen = 0;
  await quick.until(() => (seen += 1) === 2_000);
  expect(kit.logText()).not.toContain('broke off');
  slow.resume();
  expect(await slow.over).toEqual({ code: 4408, reason: 'too slow' });
  // 100 MB were to be sent to each
  expect(made).toBeLessThan(2_000 + 1_000);
});

test('a peer that does not answer is let go', async () => {
  const kit = await startKit(echo, { sockets: { heartbeatMs: 100 } });
  const dead = connect(kit.port, '127.0.0.1');
  dead.write(
    'GET /ws/numbers?token=bob HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  dead.resume();
  await once(dead, 'close');
  while (!kit.log.some(({ msg }) => msg === 'socket')) await send(`${kit.url}/health`);
  expect(kit.log.find(({ msg }) => msg === 'socket')).toMatchObject({ code: 1006 });
});

test('a caller that may no longer listen is closed with the code that says why', async () => {
  let refuse: Error | undefined;
  const kit = await startKit(echo, {
    sockets: { recheckMs: 10 },
    onAuthenticate: () => {
      if (refuse !== undefined) throw refuse;
    },
  });
  const [revoked, weakened] = [await open(kit), await open(kit)];
  refuse = unauthenticated('Signed out.');
  expect(await revoked.over).toEqual({ code: 4401, reason: 'Signed out.' });
  refuse = undefined;
  const again = await open(kit);
  refuse = forbidden('No more.');
  expect(await again.over).toEqual({ code: 4403, reason: 'No more.' });
  weakened.close();
});

test('one caller has so many sockets and no more, and gets its place back', async () => {
  const kit = await startKit(echo, { streams: { mostOfOne: 2 } });
  const [first] = [await open(kit), await open(kit)];
  expect((await (await open(kit)).over).code).toBe(4429);
  const other = await open(kit, 'bob');
  other.send({ n: 1 });
  expect(await other.next()).toMatchObject({ type: 'echo' });
  first.close();
  await first.over;
  const again = await open(kit);
  again.send({ n: 1 });
  expect(await again.next()).toMatchObject({ type: 'echo' });
});

test('frames are worked off one after the other, in the scope of their caller', async () => {
  const order: string[] = [];
  const kit = await startKit((socket) =>
    Promise.resolve(async (frame) => {
      const { n } = frame as { readonly n: number };
      order.push(`begin ${n}`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`end ${n}`);
      socket.send(JSON.stringify({ type: 'done', scope: currentScope().workspaceId }));
    }),
  );
  const socket = await open(kit);
  for (let n = 0; n < 3; n += 1) socket.send({ n });
  for (let n = 0; n < 3; n += 1) expect(await socket.next()).toEqual({ type: 'done', scope: 'ws_ann' });
  expect(order).toEqual(['begin 0', 'end 0', 'begin 1', 'end 1', 'begin 2', 'end 2']);
  socket.close();
});

test('work that fails closes the socket without its words; a token in the address is in no log', async () => {
  const kit = await startKit(() => Promise.resolve(() => Promise.reject(new Error('of the inside'))));
  const socket = await openSocket(`${kit.url}/ws/numbers?token=verysecret`);
  socket.send({ n: 1 });
  expect(await socket.over).toEqual({ code: 1011, reason: 'internal error' });
  while (!kit.log.some(({ msg }) => msg === 'socket')) await send(`${kit.url}/health`);
  expect(kit.log.find(({ msg }) => msg === 'socket')).toMatchObject({
    method: 'WS',
    path: '/ws/numbers',
    route: 'numbers.socket',
    query: { token: '[redacted]' },
    code: 1011,
  });
});

test('an upgrade to something else is answered as a request', async () => {
  const kit = await startKit(echo);
  const socket = connect(kit.port, '127.0.0.1');
  socket.write('GET /docs HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'close');
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
});

test('the document describes the frames of both sides', async () => {
  const kit = await startKit(echo);
  const { body } = await send(`${kit.url}/openapi.json`);
  expect(body).toMatchObject({
    paths: {
      '/ws/numbers': {
        get: {
          responses: { 101: {}, 426: {} },
          'x-websocket': { sent: { properties: { n: {} } }, received: { properties: { type: {} } } },
        },
      },
    },
  });
});
