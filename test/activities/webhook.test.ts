import { createHmac } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import { buildContext, buildDeps, failureOf, startHttpPeer, type HttpPeer, plainRunners } from './peers.js';

const peers: HttpPeer[] = [];
const runners = plainRunners(buildDeps());
const peerOf = async (...args: Parameters<typeof startHttpPeer>): Promise<HttpPeer> => {
  const peer = await startHttpPeer(...args);
  peers.push(peer);
  return peer;
};

afterEach(async () => {
  await Promise.all(peers.splice(0).map(({ close }) => close()));
});

test('posts the documented body, signed over the exact bytes, the same at every attempt', async () => {
  const peer = await peerOf((response) => response.setHeader('content-type', 'application/json').end('{"ok":true}'));
  const config = {
    url: `${peer.url}/hooks/{{ input.id }}`,
    secret: '{{secret:SIGN}}',
    headers: { Authorization: 'Bearer {{secret:TOKEN}}', 'X-Run': '{{ run.id }}' },
  };
  const secrets = { SIGN: 'signing key', TOKEN: 'tok-1234' };
  const input = { id: 'a1', note: 'ä €' };
  for (const attempt of [1, 2])
    expect(await runners.webhook(buildContext('webhook', config, { input, secrets, attempt }))).toEqual({
      status: 200,
      body: { ok: true },
    });
  const [first, second] = peer.requests;
  expect(first).toMatchObject({ method: 'POST', path: '/hooks/a1' });
  expect(first?.body).toBe(JSON.stringify({ run_id: 'run_1', step: 'Call', node_id: 'step-2', input }));
  expect(first?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'Keelson',
    'idempotency-key': 'run_1/step-2/1',
    'x-chain-signature': `sha256=${createHmac('sha256', 'signing key')
      .update(first?.body ?? '')
      .digest('hex')}`,
    authorization: 'Bearer tok-1234',
    'x-run': 'run_1',
  });
  expect({ ...second }).toEqual({ ...first });
});

test('without a secret there is no signature; without a label the id is the step', async () => {
  const peer = await peerOf((response) => response.writeHead(204).end());
  const context = buildContext('webhook', { url: peer.url });
  expect(await runners.webhook({ ...context, node: { ...context.node, label: '' } })).toEqual({
    status: 204,
    body: '',
  });
  expect(peer.requests[0]?.headers).not.toHaveProperty('x-chain-signature');
  expect(JSON.parse(peer.requests[0]?.body ?? '')).toMatchObject({ step: 'step-2' });
});

test.each([
  ['application/json', '{"a":[1]}', { a: [1] }],
  ['application/problem+json; charset=utf-8', '"x"', 'x'],
  ['application/json', 'not json', 'not json'],
  ['application/json', '{"a\\u0000":"\\ud800"}', { 'a\uFFFD': '\uFFFD' }],
  ['text/plain', '{"a":1}', '{"a":1}'],
  ['text/plain', 'nul\0', 'nul\uFFFD'],
])('a reply of %s %s becomes a storable value', async (type, text, body) => {
  const peer = await peerOf((response) => response.setHeader('content-type', type).end(text));
  expect(await runners.webhook(buildContext('webhook', { url: peer.url }))).toEqual({ status: 200, body });
});

test('JSON nested without end is kept as text', async () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  const peer = await peerOf((response) => response.setHeader('content-type', 'application/json').end(deep));
  expect(await runners.webhook(buildContext('webhook', { url: peer.url }))).toEqual({ status: 200, body: deep });
});

test('a reply over 1 MiB is cut and says so', async () => {
  const peer = await peerOf((response) =>
    response.setHeader('content-type', 'application/json').end('1'.repeat(1_100_000)),
  );
  expect(await runners.webhook(buildContext('webhook', { url: peer.url }))).toEqual({
    status: 200,
    body: '1'.repeat(1_048_576),
    truncated: true,
  });
});

test.each([
  [408, true],
  [425, true],
  [429, true],
  [500, true],
  [503, true],
  [400, false],
  [401, false],
  [404, false],
  [409, false],
  [410, false],
  [422, false],
  [301, false],
  [307, false],
])('%i: worth repeating is %s', async (status, retryable) => {
  const peer = await peerOf((response) =>
    response.writeHead(status, { 'retry-after': '5', location: 'http://10.0.0.1/' }).end('because\n of this'),
  );
  const failure = await failureOf(runners.webhook(buildContext('webhook', { url: peer.url })));
  expect(failure).toMatchObject({ type: 'http_status', retryable });
  expect(failure.retryAfterMs).toBe(retryable ? 5_000 : undefined);
  expect(failure.message).toContain(status < 400 ? 'a redirect, which is not followed; set url' : 'because of this');
  expect(peer.requests).toHaveLength(1);
});

test('an error never quotes a secret, even one cut in two by the excerpt', async () => {
  const peer = await peerOf((response, { headers }) => response.writeHead(400).end('x'.repeat(290) + headers['x-key']));
  const config = { url: peer.url, headers: { 'X-Key': '{{secret:KEY}}' } };
  const failure = await failureOf(
    runners.webhook(buildContext('webhook', config, { secrets: { KEY: 'abcdefghijklmnop' } })),
  );
  expect(failure.message).not.toContain('abcde');
});

test('a templated address is checked as it was rendered', async () => {
  const context = buildContext('webhook', { url: 'http://{{ input.host }}/x' }, { input: { host: '169.254.169.254' } });
  expect(await failureOf(runners.webhook(context))).toMatchObject({ type: 'address_refused', retryable: false });
});

test.each([
  [{ 'X-Chain-Signature': 'x' }, 'is set by the platform'],
  [{ 'idempotency-key': 'x' }, 'is set by the platform'],
  [{ Host: 'x' }, 'is set by the platform'],
  [{ 'bad name': 'x' }, 'not a valid header name'],
  [{ 'X-A': '{{ input.evil }}' }, 'holds a line break'],
])('header %j is refused', async (headers, problem) => {
  const context = buildContext('webhook', { url: 'https://example.com', headers }, { input: { evil: 'a\r\nX-B: c' } });
  const failure = await failureOf(runners.webhook(context));
  expect(failure).toMatchObject({ type: 'config_invalid', retryable: false });
  expect(failure.message).toContain(problem);
});

test('a secret that is missing or empty stops the delivery', async () => {
  const url = 'https://example.com';
  const missing = runners.webhook(buildContext('webhook', { url, secret: '{{secret:NO}}' }));
  expect(await failureOf(missing)).toMatchObject({ type: 'secret_missing' });
  const empty = runners.webhook(buildContext('webhook', { url, secret: '' }));
  expect(await failureOf(empty)).toMatchObject({ type: 'config_invalid' });
});

test('a node id beyond ASCII still makes a valid key', async () => {
  const peer = await peerOf((response) => response.end());
  await runners.webhook(buildContext('webhook', { url: peer.url }, { idempotencyKey: 'run_1/schön 1/1' }));
  expect(peer.requests[0]?.headers['idempotency-key']).toBe('run_1/sch%C3%B6n%201/1');
});

test('a body of its own is sent instead, signed as it is', async () => {
  const peer = await peerOf((response) => response.end());
  const config = {
    url: peer.url,
    secret: 'key',
    body: { id: '{{ input.id }}', by: ['{{ run.id }}', '{{secret:KEY}}'] },
  };
  await runners.webhook(buildContext('webhook', config, { input: { id: 7 }, secrets: { KEY: 'k-1234' } }));
  const [sent] = peer.requests;
  expect(sent?.body).toBe('{"id":7,"by":["run_1","k-1234"]}');
  expect(sent?.headers['x-chain-signature']).toBe(
    `sha256=${createHmac('sha256', 'key')
      .update(sent?.body ?? '')
      .digest('hex')}`,
  );
});

test('a test run shows what would be sent, without its secrets', async () => {
  const peer = await peerOf((response) => response.end());
  const config = { url: `${peer.url}/{{secret:KEY}}`, headers: { 'X-Key': '{{secret:KEY}}' } };
  const context = buildContext('webhook', config, { isStubbed: true, secrets: { KEY: 'k-1234' } });
  expect(await runners.webhook(context)).toEqual({
    stubbed: true,
    would: { method: 'POST', url: `${peer.url}/[secret:KEY]`, body: expect.stringContaining('"run_id":"run_1"') },
  });
  expect(peer.requests).toHaveLength(0);
});
