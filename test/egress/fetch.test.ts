import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { parseEgressAllow } from '../../db/egress.js';
import { createEgressClient, EgressError, type EgressSettings } from '../../db/egress-client.js';
import { fetchOver, guardedFetch, type FetchLimits } from '../../db/egress-fetch.js';
import { startHttpPeer, type HttpPeer } from '../activities/peers.js';

const open: { readonly close: () => Promise<void> }[] = [];
const peerOf = async (...args: Parameters<typeof startHttpPeer>): Promise<HttpPeer> => {
  const peer = await startHttpPeer(...args);
  open.push(peer);
  return peer;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ close }) => close()));
});

const fetchOf = (allow: string, more: Omit<EgressSettings, 'allow'> & FetchLimits = {}): typeof fetch => {
  const client = createEgressClient({ allow: parseEgressAllow(allow), ...more });
  open.push(client);
  return fetchOver(client, more);
};

const faultOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'answered',
    (error: unknown) => (error instanceof EgressError ? error.fault : error),
  );

test('is a fetch: method, headers and body go out, status, headers and body come back', async () => {
  const peer = await peerOf((response) =>
    response.writeHead(201, { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'] }).end('{"ok":true}'),
  );
  const send = fetchOf('127.0.0.1');
  const response = await send(`${peer.url}/token?x=1`, {
    method: 'POST',
    headers: { 'x-one': '1' },
    body: new URLSearchParams({ grant_type: 'code' }),
  });
  expect(response.status).toBe(201);
  expect(response.url).toBe(`${peer.url}/token?x=1`);
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(await response.json()).toEqual({ ok: true });
  expect(peer.requests).toMatchObject([
    {
      method: 'POST',
      path: '/token?x=1',
      body: 'grant_type=code',
      headers: {
        'x-one': '1',
        'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
        'user-agent': 'Keelson',
      },
    },
  ]);
  const empty = await peerOf((reply) => reply.writeHead(204).end());
  expect((await send(new Request(empty.url))).status).toBe(204);
});

test('of its own client it reaches nothing private either', async () => {
  const peer = await peerOf((response) => response.end('ok'));
  expect(await faultOf(guardedFetch({ allow: [] })(peer.url))).toBe('refused');
  expect(peer.requests).toHaveLength(0);
});

test('at most three redirects are followed, each checked as the first address was', async () => {
  const peer = await peerOf((response, { path }) => {
    const left = Number(path.slice(1));
    if (left === 0) response.end('there');
    else response.writeHead(302, { location: `/${left - 1}` }).end();
  });
  const send = fetchOf('127.0.0.1');
  expect(await (await send(`${peer.url}/3`)).text()).toBe('there');
  expect(await faultOf(send(`${peer.url}/4`))).toBe('redirected');
  expect(await faultOf(send(`${peer.url}/1`, { redirect: 'error' }))).toBe('redirected');
  expect((await send(`${peer.url}/1`, { redirect: 'manual' })).status).toBe(302);
});

test.each([
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166/',
  'http://0xa9fea9fe/',
  'http://[::ffff:169.254.169.254]/',
  'http://[64:ff9b::a9fe:a9fe]/',
  'http://localhost:1/',
  'http://inside.example/',
  'ftp://127.0.0.1/',
  'file:///etc/passwd',
])('a redirect to %s is refused', async (location) => {
  const peer = await peerOf((response) => response.writeHead(307, { location }).end());
  const lookup = (): Promise<{ address: string; family: number }[]> =>
    Promise.resolve([{ address: '10.0.0.1', family: 4 }]);
  expect(await faultOf(fetchOf(`127.0.0.1:${peer.port}`, { lookup })(peer.url))).toBe('refused');
  expect(peer.requests).toHaveLength(1);
});

test('credentials stay with the origin they were meant for; a POST that is sent elsewhere becomes a GET', async () => {
  const other = await peerOf((response) => response.end('ok'));
  const peer = await peerOf((response, { path }) => {
    if (path === '/same') response.end('ok');
    else response.writeHead(path === '/keep' ? 307 : 303, { location: path === '/here' ? '/same' : other.url }).end();
  });
  const send = fetchOf('127.0.0.1');
  const headers = { authorization: 'Bearer t', cookie: 'a=1', 'x-api-key': 'k', accept: 'text/plain' };
  const init = { method: 'POST', headers, body: 'secret' };
  await send(`${peer.url}/here`, init);
  expect(peer.requests[1]).toMatchObject({
    method: 'GET',
    body: '',
    headers: { authorization: 'Bearer t', 'x-api-key': 'k' },
  });
  await send(`${peer.url}/away`, init);
  await send(`${peer.url}/keep`, init);
  expect(other.requests).toMatchObject([
    { method: 'GET', body: '' },
    { method: 'POST', body: 'secret' },
  ]);
  for (const request of other.requests) {
    expect(request.headers).toMatchObject({ accept: 'text/plain' });
    for (const name of ['authorization', 'cookie', 'x-api-key']) expect(request.headers).not.toHaveProperty(name);
  }
});

test('an oversized body fails and its connection is dropped', async () => {
  let dropped: Promise<unknown> = Promise.resolve();
  const peer = await peerOf((response) => {
    dropped = once(response, 'close');
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(64 * 1024)));
    };
    response.on('drain', more);
    more();
  });
  expect(await faultOf(fetchOf('127.0.0.1', { replyLimitBytes: 1_000 })(peer.url))).toBe('too_large');
  await dropped;
});

test('the total time counts a body that drips and an answer that never begins; the caller may give up before', async () => {
  const dripping = await peerOf((response) => void response.write('a'));
  const silent = await peerOf(() => undefined);
  const send = fetchOf('127.0.0.1', { timeoutMs: 50 });
  expect(await faultOf(send(dripping.url))).toBe('timeout');
  expect(await faultOf(send(silent.url))).toBe('timeout');
  const gone = new AbortController();
  gone.abort();
  expect(await faultOf(fetchOf('127.0.0.1')(silent.url, { signal: gone.signal }))).toBe('timeout');
});
