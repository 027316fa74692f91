import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Failure } from '../../workflows/contract/failures.js';
import { keyOf } from './stage.js';
import { startHttpPeer, type HttpPeer } from './peers.js';
import { openTurns, tool, turnOf, type TurnRun, type TurnStage } from './turn-stage.js';

/** Actions that call other systems, and what a crash between them leaves. */

let stage: TurnStage;
let peer: HttpPeer;
/** How the peer answers the request of this number, from 1. */
let answer: (response: ServerResponse, count: number) => void;

const json = (response: ServerResponse, body: object, status = 200): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

beforeAll(async () => {
  stage = await openTurns();
  peer = await startHttpPeer((response) => answer(response, peer.requests.length));
}, 60_000);
afterAll(async () => {
  await stage.close();
  await peer.close();
});
beforeEach(async () => {
  await stage.fresh();
  peer.requests.length = 0;
  answer = (response) => json(response, { state: 'sent' });
});

const parameters = [{ name: 'id', type: 'integer', required: true }];
const withTool = (config: object, of: TurnRun = {}): TurnRun => ({
  ...of,
  config: { tools: [tool('act', { parameters, ...config })], ...of.config },
});
const act = (config: object, of: TurnRun = {}) => stage.calling([['act', { id: 7 }]], withTool(config, of));
const call = (more: object = {}) => ({ type: 'api_call', url: `${peer.url}/orders/{{ params.id }}`, ...more });
const partsOf = async () =>
  (await stage.effects()).map(({ key, kind, status }) => [key.slice(keyOf(stage.run()).length), kind, status]);

test('a webhook posts its body under a key of its own; the reply is told, and kept where it shall be', async () => {
  const { told, vars } = await act(
    {
      actions: [
        {
          ...call({ save_as: 'booking.reply', headers: { 'X-Key': '{{secret:KEY}}' } }),
          type: 'webhook',
          payload: { id: 'params.id', who: '{{ user.name }}', token: '{{secret:KEY}}' },
        },
      ],
    },
    { vars: { user: { name: 'Ada' } } },
  );
  expect(peer.requests).toMatchObject([
    {
      method: 'POST',
      path: '/orders/7',
      body: '{"id":7,"who":"Ada","token":"secret-value-1"}',
      headers: { 'x-key': 'secret-value-1', 'idempotency-key': `${keyOf(stage.run())}/tool/1/0` },
    },
  ]);
  expect(told).toEqual([{ ok: true, result: { state: 'sent' } }]);
  expect(vars['context']).toEqual({ booking: { reply: { state: 'sent' } } });
  expect(await partsOf()).toEqual([
    ['/llm/1', 'llm', 'done'],
    ['/llm/2', 'llm', 'done'],
    ['/tool/1/0', 'webhook', 'done'],
  ]);
});

test('an api_call gets, or posts what it has; a webhook without a body sends what the tool was called with', async () => {
  const actions = [call(), call({ body: 'text of {{ params.id }}' }), { type: 'webhook', url: `${peer.url}/hook` }];
  await act({ actions });
  expect(peer.requests.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['GET', '/orders/7', ''],
    ['POST', '/orders/7', 'text of 7'],
    ['POST', '/hook', '{"id":7}'],
  ]);
});

test('what a peer echoes of a secret is told to nobody', async () => {
  answer = (response, count) =>
    count === 1 ? json(response, { echo: 'it was secret-value-1' }) : json(response, { error: 'secret-value-1' }, 400);
  const headers = { authorization: 'Bearer {{secret:KEY}}' };
  const { told, output } = await act({ actions: [call({ headers, save_as: 'reply' }), call()] });
  expect(told).toEqual([{ ok: false, error: expect.stringContaining('[secret:KEY]') }]);
  const seen = JSON.stringify([output, stage.asked, await stage.effects(), await stage.step()]);
  expect(seen).toContain('[secret:KEY]');
  expect(seen).not.toContain('secret-value-1');
});

describe('an endpoint of the organisation', () => {
  const endpoints = {
    order: { path: '/v2/orders/{{ params.id }}', method: 'PUT' },
    wild: { path: '{{ user.path }}', method: 'GET' },
  };
  const settings = (api: object) =>
    stage.settings({ endpoints, api_config: { base_url: `${peer.url}/base/`, ...api } });

  test('is called below the base address by its own method', async () => {
    await settings({});
    await act({ actions: [{ type: 'api_call', endpoint: 'order', body: { a: 1 } }] });
    expect(peer.requests).toMatchObject([{ method: 'PUT', path: '/base/v2/orders/7', body: '{"a":1}' }]);
  });

  test('stays on its host whatever is put into its path', async () => {
    await settings({});
    for (const path of ['@127.0.0.2/x', '//127.0.0.2/x', 'https://127.0.0.2/x'])
      await stage
        .fresh()
        .then(() => act({ actions: [{ type: 'api_call', endpoint: 'wild' }] }, { vars: { user: { path } } }));
    expect(peer.requests.map(({ path }) => path)).toEqual([
      '/base/@127.0.0.2/x',
      '/base///127.0.0.2/x',
      '/base/https://127.0.0.2/x',
    ]);
  });

  test('is called again as often as its settings say, under the same key; then the tool fails', async () => {
    await settings({ retry_count: 2 });
    answer = (response) => json(response, {}, 503);
    const failing = {
      actions: [{ type: 'webhook', endpoint: 'order' }],
      on_failure: [{ type: 'flag.set', flag: 'down' }],
    };
    const { told, vars } = await act(failing);
    expect(told).toEqual([{ ok: false, error: expect.stringContaining('503') }]);
    expect(vars['flags']).toEqual({ down: true });
    expect(new Set(peer.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect([peer.requests.length, stage.pauses]).toEqual([3, [1_000, 2_000]]);
  });

  test('has the time that its settings give it', async () => {
    await settings({ timeout: 1, retry_count: 1 });
    answer = (response, count) => {
      if (count > 1) json(response, { late: false });
    };
    // nobody answers the first: its time runs out, and the second goes under the same key
    const { told } = await act({ actions: [{ type: 'webhook', endpoint: 'order' }] });
    expect(told).toEqual([{ ok: true, result: { late: false } }]);
  });

  test.each([
    ['an endpoint that is not there', { endpoint: 'nowhere' }, 'no endpoint "nowhere"'],
    ['neither url nor endpoint', {}, 'give a url or the name of an endpoint'],
    ['an address it may not reach', { url: 'http://169.254.169.254/latest' }, '169.254.169.254'],
    ['a GET with a body', { url: 'http://127.0.0.1:9/x', method: 'GET', body: {} }, 'a GET carries none'],
    ['a header of ours', { url: 'http://127.0.0.1:9/x', headers: { Host: 'x' } }, 'set by the platform'],
  ])('%s: the tool fails, and nothing is sent', async (_what, more, problem) => {
    await settings({});
    const { told } = await act({ actions: [{ type: 'api_call', ...more }] });
    expect(told).toEqual([{ ok: false, error: expect.stringContaining(problem) }]);
    expect((await partsOf()).filter(([, , status]) => status === 'claimed')).toEqual([]);
  });

  test('without a base address the tool says what to set', async () => {
    await stage.settings({ endpoints });
    const { told } = await act({ actions: [{ type: 'api_call', endpoint: 'order' }] });
    expect(told).toEqual([{ ok: false, error: expect.stringContaining('settings.api_config.base_url') }]);
  });
});

describe('after a failure', () => {
  test('the actions behind it are left out, on_failure reads it, and its own calls have keys of their own', async () => {
    answer = (response, count) => json(response, { count }, count === 2 ? 422 : 200);
    const alarm = { type: 'webhook', url: `${peer.url}/alarm`, body: '{{ error.message }}' };
    const { told } = await act({ actions: [call(), call(), call()], on_success: [call()], on_failure: [alarm] });
    expect(told).toEqual([{ ok: false, error: expect.stringContaining('422') }]);
    expect(peer.requests.map(({ path, headers }) => [path, headers['idempotency-key']])).toEqual(
      [
        ['/orders/7', '/tool/1/0'],
        ['/orders/7', '/tool/1/1'],
        ['/alarm', '/tool/1/failure.0'],
      ].map(([path, part]) => [path, `${keyOf(stage.run())}${part}`]),
    );
    expect(peer.requests[2]?.body).toContain('422');
  });

  test('a peer that is busy fails the attempt; in the last the tool fails', async () => {
    answer = (response) => json(response, {}, 503);
    const of = withTool({ actions: [call({ method: 'POST' })] }, { policy: { maxAttempts: 2 } });
    stage.script = (_request, count) => (count === 0 ? { calls: [['act', { id: 7 }]] } : { text: 'Later.' });
    expect(await stage.failure(of)).toMatchObject({ type: Failure.attemptFailed });
    const { told, output } = turnOf(await stage.attempt(of));
    expect(told).toEqual([{ ok: false, error: expect.stringContaining('503') }]);
    expect([output.text, peer.requests.length, stage.asked.length]).toEqual(['Later.', 2, 2]);
  });
});

describe('after a crash', () => {
  const actions = () => [
    { type: 'context.set', key: 'count[+]', value: 'params.id' },
    call({ method: 'POST', body: { at: '{{ now }}' }, save_as: 'first' }),
    {
      type: 'condition',
      if: 'context.first.state == "sent"',
      then: [{ type: 'wait', seconds: 1 }, call({ method: 'PUT' })],
    },
  ];
  const crash = (): never => {
    throw new Error('the worker was killed');
  };

  test('between two effects the first is not repeated, and the turn comes to the same', async () => {
    const of = withTool({ actions: actions() });
    stage.script = (_request, count) => (count === 0 ? { calls: [['act', { id: 7 }]] } : { text: 'Done.' });
    await stage.failure({ ...of, deps: { pause: crash } });
    expect(peer.requests.map(({ method }) => method)).toEqual(['POST']);
    const { output, vars } = turnOf(await stage.attempt(of));
    expect(peer.requests.map(({ method, headers }) => [method, headers['idempotency-key']])).toEqual([
      ['POST', `${keyOf(stage.run())}/tool/1/1`],
      ['PUT', `${keyOf(stage.run())}/tool/1/2.then.1`],
    ]);
    expect(vars['agent_context']).toEqual({ n: { count: [7], first: { state: 'sent' } } });
    expect([output.text, stage.asked.length, output.usage.input_tokens]).toEqual(['Done.', 2, 6]);
  });

  test('a call that is on its way goes again under the same key with the same bytes', async () => {
    answer = (response, count) => (count === 1 ? void response.socket?.destroy() : json(response, { state: 'held' }));
    const of = withTool({ actions: actions() });
    stage.script = (_request, count) => (count === 0 ? { calls: [['act', { id: 7 }]] } : { text: 'Done.' });
    await stage.failure(of);
    await stage.attempt(of);
    const [first, second] = peer.requests;
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
    expect(second?.body).toBe(first?.body);
    expect(peer.requests).toHaveLength(2);
  });

  test('what the model was told to have failed does not happen after all', async () => {
    answer = (response, count) => json(response, {}, count === 1 ? 404 : 200);
    const of = withTool({ actions: [call({ method: 'POST' })] });
    stage.script = (_request, count) => {
      if (count === 1) crash();
      return count === 0 ? { calls: [['act', { id: 7 }]] } : { text: 'Sorry.' };
    };
    await stage.failure(of);
    const { told, output } = turnOf(await stage.attempt(of));
    expect(told).toEqual([{ ok: false, error: expect.stringContaining('404') }]);
    expect([output.text, peer.requests.length]).toEqual(['Sorry.', 1]);
  });

  test('until a person starts the step anew', async () => {
    answer = (response, count) => json(response, { count }, count === 1 ? 404 : 200);
    const of = withTool({ actions: [call({ method: 'POST' })] });
    stage.script = ({ messages }) =>
      messages.at(-1)?.role === 'tool' ? { text: 'Done.' } : { calls: [['act', { id: 7 }]] };
    await stage.attempt(of);
    await stage.db.updateTable('run_steps').set({ status: 'failed', output: null }).execute();
    const { told } = turnOf(await stage.attempt({ ...of, step: { round: 1 } }));
    expect(told).toEqual([{ ok: true, result: { count: 2 } }]);
    expect(peer.requests[1]?.headers['idempotency-key']).toBe(`${keyOf(stage.run())}/tool/1/0/again-1`);
  });
});
