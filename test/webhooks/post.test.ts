import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { createSlots } from '../../activities/webhooks/slots.js';
import { createPost, type Post } from '../../activities/webhooks/post.js';
import { createEgressClient, type EgressClient } from '../../db/egress-client.js';
import { parseEgressAllow } from '../../db/egress.js';
import { newWebhookSecret } from '../../db/webhook-signature.js';
import { startReceiver, type Receiver } from '../support/receiver.js';

const [SECRET, BEFORE] = [newWebhookSecret(), newWebhookSecret()];
const BODY = JSON.stringify({ id: 'evt_1', data: { text: 'Grüße' } });

let receiver: Receiver;
let client: EgressClient;
let post: Post;

beforeAll(async () => {
  receiver = await startReceiver();
  client = createEgressClient({ allow: parseEgressAllow(receiver.address) });
  post = createPost({ client, limitsOf: () => Promise.resolve({ allow: [], deny: [] }) });
});
afterAll(async () => {
  await client.close();
  await receiver.close();
});

const send = (path: string, more: Partial<Parameters<Post>[0]> = {}) =>
  post({
    workspaceId: 'ws_1',
    url: `${receiver.url}${path}`,
    headers: { 'x-shop': 'one' },
    id: 'evt_1',
    body: BODY,
    secrets: [SECRET],
    timeoutMs: 10_000,
    stopping: new AbortController().signal,
    ...more,
  });

/** As a receiver that knows the form `t=,v1=` checks it. */
function isTimed(header: string, secret: string): boolean {
  const [time = '', ...signatures] = header.split(',');
  const t = time.replace('t=', '');
  const wanted = createHmac('sha256', secret).update(`${t}.${BODY}`).digest('hex');
  return Math.abs(Date.now() / 1_000 - Number(t)) < 300 && signatures.includes(`v1=${wanted}`);
}

describe('what is sent', () => {
  test('is signed so that the official library and a check by hand accept it', async () => {
    expect(await send('/signed')).toMatchObject({ status: 200, error: null, response: 'ok' });
    const [hook] = receiver.at('/signed');
    expect(hook?.body).toBe(BODY);
    expect(hook?.headers).toMatchObject({ 'x-shop': 'one', 'webhook-id': 'evt_1', 'content-type': 'application/json' });
    expect(new Webhook(SECRET).verify(BODY, hook?.headers ?? {})).toEqual(JSON.parse(BODY));
    expect(isTimed(hook?.headers['x-webhook-signature'] ?? '', SECRET)).toBe(true);
    expect(() => new Webhook(SECRET).verify(`${BODY} `, hook?.headers ?? {})).toThrow();
    expect(() => new Webhook(BEFORE).verify(BODY, hook?.headers ?? {})).toThrow();
  });

  test('is signed with both secrets while they overlap', async () => {
    await send('/both', { secrets: [SECRET, BEFORE] });
    const [hook] = receiver.at('/both');
    for (const secret of [SECRET, BEFORE]) {
      expect(new Webhook(secret).verify(BODY, hook?.headers ?? {})).toEqual(JSON.parse(BODY));
      expect(isTimed(hook?.headers['x-webhook-signature'] ?? '', secret)).toBe(true);
    }
    expect(hook?.headers['x-webhook-signature']).toMatch(/^t=\d+,v1=[0-9a-f]{64},v1=[0-9a-f]{64}$/);
  });
});

describe('what counts as failed', () => {
  test('a redirect, which is not followed', async () => {
    receiver.answer('/moved', () => ({ status: 307, headers: { location: `${receiver.url}/elsewhere` } }));
    expect(await send('/moved')).toMatchObject({ status: 307, error: expect.stringContaining('is not followed') });
    expect(receiver.at('/elsewhere')).toEqual([]);
  });

  test('no answer in time', async () => {
    receiver.answer('/silent', () => ({ status: 0 }));
    const result = await send('/silent', { timeoutMs: 50 });
    expect(result).toMatchObject({
      status: null,
      error: expect.stringContaining('did not answer within the time limit'),
    });
  });

  test.each(['http://10.0.0.1/', 'http://169.254.169.254/latest', 'http://localhost:1/', 'http://[::1]/'])(
    'a private address: %s',
    async (url) => {
      const result = await send('/', { url });
      expect(result).toMatchObject({ status: null, error: expect.stringContaining('local, private or reserved') });
    },
  );

  test('an address that the organisation shuts out', async () => {
    const limits = { allow: [], deny: parseEgressAllow('127.0.0.1') };
    const denied = createPost({ client, limitsOf: () => Promise.resolve(limits) });
    const stopping = new AbortController().signal;
    const result = await denied({
      ...{ workspaceId: 'ws_1', url: `${receiver.url}/denied`, headers: {}, id: 'evt_1', body: BODY },
      ...{ secrets: [SECRET], timeoutMs: 1_000, stopping },
    });
    expect(result).toMatchObject({ status: null, error: expect.stringContaining('deny list') });
    expect(receiver.at('/denied')).toEqual([]);
  });

  test('an error, of which the first 1,024 bytes are kept without the secret', async () => {
    receiver.answer('/echo', () => ({ status: 500, body: `key ${SECRET} ${'x'.repeat(5_000)}` }));
    const { response, error } = await send('/echo');
    expect(error).toBe('The receiver answered 500; only 2xx counts as received.');
    expect(response).toMatch(/^key \[secret:WEBHOOK_SECRET\] x+$/);
    expect(response?.length).toBeLessThanOrEqual(1_024);
  });

  test('a process that stops is no answer: the attempt comes again', async () => {
    receiver.answer('/stopping', () => ({ status: 0 }));
    const stopping = new AbortController();
    const sending = send('/stopping', { stopping: stopping.signal });
    stopping.abort();
    await expect(sending).rejects.toThrow();
  });
});

test('one endpoint, and all of them together, have so many requests at once', () => {
  const slots = createSlots({ perKey: 2, total: 3 });
  const held = [slots.take('a'), slots.take('a')];
  expect(held.every((release) => release !== null)).toBe(true);
  expect(slots.take('a')).toBeNull();
  const other = slots.take('b');
  expect(other).not.toBeNull();
  expect(slots.take('c')).toBeNull();
  held[0]?.();
  held[0]?.();
  expect(slots.take('a')).not.toBeNull();
  expect(slots.take('b')).toBeNull();
});
