import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { createEgress, type Egress, type EgressRequest, type EgressSettings } from '../../activities/egress/egress.js';
import { retryAfterMs } from '../../activities/egress/retry-after.js';
import { parseEgressAllow } from '../../db/egress.js';
import { failureOf, startHttpPeer, type HttpPeer } from './peers.js';

const open: { readonly close: () => Promise<void> }[] = [];
const peerOf = async (...args: Parameters<typeof startHttpPeer>): Promise<HttpPeer> => {
  const peer = await startHttpPeer(...args);
  open.push(peer);
  return peer;
};
const egressOf = (settings: EgressSettings): Egress => {
  const egress = createEgress(settings);
  open.push(egress);
  return egress;
};
const buildRequest = (url: string, overrides: Partial<EgressRequest> = {}): EgressRequest => ({
  workspaceId: 'ws_1',
  method: 'POST',
  url,
  headers: {},
  body: '{}',
  signal: new AbortController().signal,
  replyLimitBytes: 1_000,
  ...overrides,
});
const ok: Parameters<typeof startHttpPeer>[0] = (response) => response.end('ok');

afterEach(async () => {
  await Promise.all(open.splice(0).map(({ close }) => close()));
});

test('loopback is refused before anything is sent, and reached when listed', async () => {
  const peer = await peerOf(ok);
  const failure = await failureOf(egressOf({ allow: [] }).send(buildRequest(peer.url)));
  expect(failure).toMatchObject({ type: 'address_refused', retryable: false });
  expect(peer.requests).toHaveLength(0);
  const reply = await egressOf({ allow: parseEgressAllow(`127.0.0.1:${peer.port}`) }).send(buildRequest(peer.url));
  expect(reply).toMatchObject({ status: 200, text: 'ok', truncated: false });
});

test('a name that resolves to a private address is refused', async () => {
  const peer = await peerOf(ok);
  for (const address of ['127.0.0.1', '169.254.169.254', '10.0.0.1']) {
    const egress = egressOf({ allow: [], lookup: () => Promise.resolve([{ address, family: 4 }]) });
    const failure = await failureOf(egress.send(buildRequest(`http://innocent.example:${peer.port}/`)));
    expect(failure).toMatchObject({ type: 'address_refused', retryable: false });
    expect(failure.message).toContain('innocent.example');
  }
  expect(peer.requests).toHaveLength(0);
});

test('a name that is rebound between two connections is refused at the second', async () => {
  const peer = await peerOf((response) => response.setHeader('connection', 'close').end('ok'));
  const answers = ['127.0.0.1', '127.0.0.2'];
  const egress = egressOf({
    allow: parseEgressAllow('127.0.0.1'),
    lookup: () => Promise.resolve([{ address: answers.shift() ?? '', family: 4 }]),
  });
  const request = buildRequest(`http://rebind.example:${peer.port}/`);
  expect((await egress.send(request)).status).toBe(200);
  expect(await failureOf(egress.send(request))).toMatchObject({ type: 'address_refused' });
  expect(peer.requests).toHaveLength(1);
});

test('of several addresses only those that may be called are tried', async () => {
  const peer = await peerOf(ok);
  const lookup = () => Promise.resolve(['10.0.0.1', '127.0.0.1'].map((address) => ({ address, family: 4 })));
  const egress = egressOf({ allow: parseEgressAllow('127.0.0.1'), lookup });
  expect((await egress.send(buildRequest(`http://two.example:${peer.port}/`))).status).toBe(200);
});

test('a listed host passes wherever it resolves to, on its port only', async () => {
  const peer = await peerOf(ok);
  const lookup = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
  const egress = egressOf({ allow: parseEgressAllow(`hooks.internal:${peer.port}`), lookup });
  expect((await egress.send(buildRequest(`http://hooks.internal:${peer.port}/`))).status).toBe(200);
  expect(await failureOf(egress.send(buildRequest('http://hooks.internal:9/')))).toMatchObject({
    type: 'address_refused',
  });
});

test('a redirect is handed back, not followed', async () => {
  const peer = await peerOf((response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end());
  const reply = await egressOf({ allow: parseEgressAllow('127.0.0.1') }).send(buildRequest(peer.url));
  expect(reply.status).toBe(302);
  expect(peer.requests).toHaveLength(1);
});

test('a long body is cut and its connection dropped', async () => {
  let dropped: Promise<unknown> = Promise.resolve();
  const peer = await peerOf((response) => {
    dropped = once(response, 'close');
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(64 * 1024)));
    };
    response.on('drain', more);
    more();
  });
  const reply = await egressOf({ allow: parseEgressAllow('127.0.0.1') }).send(buildRequest(peer.url));
  expect(reply).toMatchObject({ status: 200, truncated: true, text: 'x'.repeat(1_000) });
  await dropped;
});

test('the signal ends a request whose body never comes', async () => {
  const time = new AbortController();
  const peer = await peerOf((response) => {
    response.write('begun');
    time.abort();
  });
  const egress = egressOf({ allow: parseEgressAllow('127.0.0.1') });
  const failure = await failureOf(egress.send(buildRequest(peer.url, { signal: time.signal })));
  expect(failure).toMatchObject({ type: 'timeout', retryable: true });
});

test('a closed port and a name that is unknown are network errors, worth repeating', async () => {
  const peer = await startHttpPeer(ok);
  await peer.close();
  const egress = egressOf({
    allow: parseEgressAllow('127.0.0.1'),
    lookup: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
  });
  expect(await failureOf(egress.send(buildRequest(peer.url)))).toMatchObject({
    type: 'network_error',
    retryable: true,
    message: 'Could not reach 127.0.0.1: ECONNREFUSED.',
  });
  expect(await failureOf(egress.send(buildRequest('http://nowhere.example/')))).toMatchObject({
    message: 'Could not reach nowhere.example: ENOTFOUND.',
    retryable: true,
  });
});

test('Retry-After is read as seconds or as a date, and capped at an hour', () => {
  expect(retryAfterMs('7')).toBe(7_000);
  expect(retryAfterMs('86400')).toBe(3_600_000);
  expect(retryAfterMs(new Date(0).toUTCString())).toBe(0);
  expect(retryAfterMs(new Date(Date.now() + 1e9).toUTCString())).toBe(3_600_000);
  expect(retryAfterMs('soon')).toBeUndefined();
  expect(retryAfterMs(undefined)).toBeUndefined();
});
