import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { EventStream, eventStreamType, route, type Route, type StreamMessage } from '../../api/http/route.js';
import { unauthenticated } from '../../api/http/errors.js';
import type { Database } from '../../db/client.js';
import { testDatabase } from '../support/database.js';
import { send } from '../support/http.js';
import { startKit as start, type KitServer } from '../support/kit.js';
import { listenTo, type Listen, type Listening } from '../support/sse.js';

type Messages = (signal: AbortSignal) => AsyncIterable<StreamMessage<{ readonly n: number; readonly hidden?: string }>>;

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

const rowOf = (messages: Messages): Route =>
  route({
    id: 'numbers.stream',
    method: 'GET',
    path: '/numbers',
    summary: 'Numbers',
    tag: 'numbers',
    auth: 'member',
    produces: eventStreamType,
    reply: z.object({ n: z.number() }),
    handle: () => Promise.resolve(new EventStream(messages)),
  });

async function startKit(messages: Messages, streams: Parameters<typeof start>[0]['streams'] = {}): Promise<KitServer> {
  const kit = await start({ db, rows: [rowOf(messages)], streams });
  running.push(kit);
  return kit;
}

const listen = ({ url }: KitServer, more: Listen = {}): Promise<Listening> =>
  listenTo(`${url}/numbers`, { ...more, headers: { authorization: 'Bearer ann', ...more.headers } });

const raised = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });

async function* upTo(last: number): AsyncGenerator<StreamMessage<{ n: number; hidden: string }>> {
  for (let n = 1; n <= last; n += 1)
    yield await Promise.resolve({ id: `${n}`, event: 'number', data: { n, hidden: 'x' } });
}

test('messages arrive as they were given, through the reply schema, and the stream ends', async () => {
  const kit = await startKit(() => upTo(3));
  const stream = await listen(kit);
  expect(stream.status).toBe(200);
  expect(stream.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  expect(await stream.until(() => false)).toEqual([1, 2, 3].map((n) => ({ id: `${n}`, event: 'number', data: { n } })));
  expect(await stream.over).toBe('ended');
  expect(stream.lastId()).toBe('3');
});

test('who may not call gets an error, not a stream; HEAD gets the headers', async () => {
  const kit = await startKit(() => upTo(3));
  expect((await send(`${kit.url}/numbers`)).status).toBe(401);
  const head = await listen(kit, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers['content-type']).toBe('text/event-stream');
  expect(await head.over).toBe('ended');
});

test('a caller that leaves ends its stream', async () => {
  let left: () => void = () => undefined;
  const hasLeft = new Promise<void>((resolve) => (left = resolve));
  const kit = await startKit(async function* (signal) {
    yield { data: { n: 1 } };
    await raised(signal);
    left();
  });
  const stream = await listen(kit);
  await stream.next();
  stream.cut();
  await hasLeft;
});

test('a caller that does not read is not read for: nothing is made that it has no room for', async () => {
  let made = 0;
  const text = 'x'.repeat(100_000);
  const rows = [
    route({
      ...rowOf(() => upTo(0)),
      reply: z.object({ text: z.string() }),
      handle: () =>
        Promise.resolve(
          new EventStream(async function* () {
            for (let n = 0; n < 400; n += 1) {
              made += 1;
              yield await Promise.resolve({ data: { text } });
            }
          }),
        ),
    }),
  ];
  const kit = await start({ db, rows });
  running.push(kit);
  const stream = await listen(kit);
  stream.pause();
  // the rest of the server goes on, so that the stream had every chance to
  for (let i = 0; i < 40; i += 1) await send(`${kit.url}/health`);
  expect(made).toBeLessThan(300);
  stream.resume();
  expect(await stream.until(() => false)).toHaveLength(400);
  expect(made).toBe(400);
});

test('a quiet stream is kept alive by comments', async () => {
  const kit = await startKit(
    async function* (signal) {
      yield { data: { n: 1 } };
      await raised(signal);
    },
    { heartbeatMs: 5 },
  );
  const stream = await listen(kit);
  await stream.next();
  while (stream.comments() < 4) await send(`${kit.url}/health`);
  stream.cut();
});

test('a stream may say itself what it opens with and how its heart beats', async () => {
  const framing = { opening: null, heartbeat: () => 'heartbeat now' };
  const quiet = async function* (signal: AbortSignal) {
    yield { id: '1', event: 'number', data: { n: 1 } };
    await raised(signal);
  };
  const row = { ...rowOf(quiet), handle: () => Promise.resolve(new EventStream(quiet, framing)) };
  const kit = await start({ db, rows: [row], streams: { heartbeatMs: 5 } });
  running.push(kit);
  const left = new AbortController();
  const response = await fetch(`${kit.url}/numbers`, { headers: { authorization: 'Bearer ann' }, signal: left.signal });
  expect(response.headers.get('connection')).toBe('keep-alive');
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk);
    if (text.split(': heartbeat now').length > 3) break;
  }
  left.abort();
  expect(text).toMatch(/^id: 1\nevent: number\ndata: \{"n":1\}\n\n(: heartbeat now\n\n)+/);
});

test('closing the API ends every stream in order', async () => {
  const kit = await startKit(async function* (signal) {
    yield { data: { n: 1 } };
    await raised(signal);
  });
  const streams = await Promise.all(Array.from({ length: 15 }, () => listen(kit)));
  await Promise.all(streams.map((stream) => stream.next()));
  await kit.close();
  expect(new Set(await Promise.all(streams.map(({ over }) => over)))).toEqual(new Set(['ended']));
});

test('a stream that fails breaks off, so that its caller knows to come back', async () => {
  let fail = (): void => undefined;
  const failing = new Promise<void>((resolve) => (fail = resolve));
  const kit = await startKit(async function* () {
    yield { data: { n: 1 } };
    await failing;
    throw new Error('the source is gone');
  });
  const stream = await listen(kit);
  expect(await stream.next()).toMatchObject({ data: { n: 1 } });
  fail();
  expect(await stream.over).toBe('broken');
  expect(kit.logText()).toContain('a stream broke off');
});

test('one caller has so many streams and no more, and gets its place back', async () => {
  const kit = await startKit(
    async function* (signal) {
      yield { data: { n: 1 } };
      await raised(signal);
    },
    { mostOfOne: 2 },
  );
  const first = await listen(kit);
  await listen(kit);
  const refused = await send(`${kit.url}/numbers`, { headers: { authorization: 'Bearer ann' } });
  expect(refused.status).toBe(429);
  expect(refused.body.error?.code).toBe('rate_limit_exceeded');
  const other = await listen(kit, { headers: { authorization: 'Bearer bob' } });
  expect(other.status).toBe(200);
  first.cut();
  let again = await listen(kit);
  while (again.status === 429) again = await listen(kit);
  expect(again.status).toBe(200);
});

test('a caller that may no longer read is let go', async () => {
  let mayRead = true;
  const forever: Messages = async function* (signal) {
    yield { data: { n: 1 } };
    await raised(signal);
  };
  const kit = await start({
    db,
    rows: [rowOf(forever)],
    streams: { heartbeatMs: 5 },
    onAuthenticate: () => {
      if (!mayRead) throw unauthenticated('Signed out.');
    },
  });
  running.push(kit);
  const stream = await listen(kit);
  await stream.next();
  mayRead = false;
  expect(await stream.over).toBe('ended');
});

test('the document describes the data of a message and Last-Event-ID', async () => {
  const kit = await startKit(() => upTo(1));
  const { body } = await send(`${kit.url}/openapi.json`);
  expect(body).toMatchObject({
    paths: {
      '/numbers': {
        get: {
          parameters: expect.arrayContaining([expect.objectContaining({ name: 'Last-Event-ID', in: 'header' })]),
          responses: {
            200: { content: { 'text/event-stream': { schema: { properties: { n: { type: 'number' } } } } } },
          },
        },
      },
    },
  });
});
