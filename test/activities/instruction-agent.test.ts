import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createLlmPort } from '../../activities/llm/create.js';
import { scriptedProvider } from '../../activities/llm/scripted.js';
import { Failure } from '../../workflows/contract/failures.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { startHttpPeer, type HttpPeer } from './peers.js';
import { startModelPeer, type ChatRequest, type ModelPeer, type Said } from './model-peer.js';
import { keyOf, openStage, wordsOf, type NodeConfigOf, type Stage } from './stage.js';

let stage: Stage;
let model: ModelPeer;
let shop: HttpPeer;
/** What the model says to each request, by how many tool results it has seen. */
let say: (request: ChatRequest, toolResults: number) => Said | null;
let shopStatus: () => number;

const lookUp = (args: string): Said => ({ calls: [{ name: 'order', args }] });

beforeAll(async () => {
  stage = await openStage();
  shop = await startHttpPeer((response, { path }) => {
    const status = shopStatus();
    if (status === 0) response.socket?.destroy();
    else
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ path, state: 'sent' }));
  });
  const row = { id: 'tool_1', workspace_id: 'ws_1', name: 'order', description: 'Looks an order up', method: 'POST' };
  const parameters = { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] };
  await stage.db
    .insertInto('workspace_tools')
    .values({
      ...row,
      url: `${shop.url}/orders/{{ id }}`,
      headers: JSON.stringify({ 'X-Key': '{{secret:KEY}}' }),
      body: null,
      parameters: JSON.stringify(parameters),
      outputs: JSON.stringify({ order_state: '$.state' }),
    })
    .execute();
}, 60_000);
afterAll(async () => {
  await stage.close();
  await shop.close();
});
beforeEach(async () => {
  await stage.fresh();
  shop.requests.length = 0;
  shopStatus = () => 200;
  model = await startModelPeer((request, _count, response) => {
    const said = say(request, request.messages.filter(({ role }) => role === 'tool').length);
    if (said === null) response.socket?.destroy();
    return said;
  });
});
afterEach(() => model.close());

const deps = () => ({
  llm: createLlmPort({ baseUrl: `${model.url}/v1`, model: 'm' }),
  prices: { inputPerMtok: 1, outputPerMtok: 1 },
});
const base = { instructions: 'Help {{ input.id }}.', tools: ['order'], max_steps: 5, memory: true };
const turn = (config: NodeConfigOf<'instruction_agent'> = {}) =>
  ({ kind: 'instruction_agent', config: { ...base, ...config }, deps: deps() }) as const;
const lookThenAnswer = (_request: ChatRequest, seen: number): Said =>
  seen === 0 ? lookUp('{"id":7}') : { text: 'It is on its way.' };

test('thinks, calls its tool, answers, remembers, and says what it cost', async () => {
  say = lookThenAnswer;
  const result = await stage.attempt(turn());
  const usage = { input_tokens: 22, output_tokens: 14 };
  const call = {
    name: 'order',
    args: { id: 7 },
    output: { path: '/orders/7', state: 'sent' },
    duration_ms: expect.any(Number),
  };
  expect(result.outputs).toEqual([
    { json: { text: 'It is on its way.', model: 'm-1', provider: 'openai-compatible', usage, tool_calls: [call] } },
  ]);
  expect(result.vars).toEqual({
    order_state: inline('sent'),
    _agent_memory_n: inline([
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'It is on its way.' },
    ]),
  });
  expect(await stage.step()).toMatchObject({ cost: usage, vars: { order_state: inline('sent') } });
  expect(shop.requests[0]).toMatchObject({
    path: '/orders/7',
    body: '{"id":7}',
    headers: { 'x-key': 'secret-value-1' },
  });
  expect(shop.requests[0]?.headers['idempotency-key']).toBe(`${keyOf(stage.run())}/tool/1`);
  expect(
    (await stage.effects()).map(({ key, kind, status }) => [key.slice(keyOf(stage.run()).length), kind, status]),
  ).toEqual([
    ['/llm/1', 'llm', 'done'],
    ['/llm/2', 'llm', 'done'],
    ['/tool/1', 'tool', 'done'],
  ]);
  expect(wordsOf(await stage.events('token'))).toBe('It is on its way.');
  const [, second] = model.asked();
  expect(second?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool']);
  expect(second?.tools?.[0]?.function).toMatchObject({ name: 'order', parameters: { required: ['id'] } });
});

test('after a crash goes on where it was: nothing is paid for or done twice', async () => {
  say = (request, seen) => (seen === 0 ? lookThenAnswer(request, 0) : null);
  expect(await stage.failure(turn())).toMatchObject({ type: Failure.attemptFailed });
  say = lookThenAnswer;
  const { outputs } = await stage.attempt(turn());
  expect(outputs).toMatchObject([{ json: { text: 'It is on its way.', usage: { input_tokens: 22 } } }]);
  expect(model.requests).toHaveLength(3);
  expect(shop.requests).toHaveLength(1);
  expect(await stage.step()).toMatchObject({ cost: { input_tokens: 22, output_tokens: 14 } });
});

test('a tool whose answer was lost is called again under the same key', async () => {
  say = lookThenAnswer;
  shopStatus = () => (shop.requests.length === 1 ? 0 : 200);
  expect(await stage.failure(turn())).toMatchObject({ type: Failure.attemptFailed });
  await stage.attempt(turn());
  const keys = shop.requests.map(({ headers }) => headers['idempotency-key']);
  expect(keys).toEqual(Array(2).fill(`${keyOf(stage.run())}/tool/1`));
  expect(model.requests).toHaveLength(2);
});

test('what a person changed is thought anew, and new calls are new effects', async () => {
  say = lookThenAnswer;
  await stage.attempt(turn());
  await stage.db.updateTable('run_steps').set({ status: 'failed', output: null }).execute();
  say = (request, seen) =>
    seen === 0 ? lookUp('{"id":8}') : { text: `again: ${String(request.messages[0]?.content)}` };
  const { outputs } = await stage.attempt({ ...turn({ instructions: 'Be quick.' }), step: { round: 1 } });
  expect(outputs).toMatchObject([{ json: { text: 'again: Be quick.' } }]);
  expect(shop.requests.map(({ path }) => path)).toEqual(['/orders/7', '/orders/8']);
  expect(shop.requests[1]?.headers['idempotency-key']).toBe(`${keyOf(stage.run())}/tool/1/r1`);
});

test.each([
  ['arguments that do not fit', lookUp('{"id":"x"}'), 'id must be an integer'],
  ['a tool that is not its own', { calls: [{ name: 'delete_all', args: '{}' }] }, 'There is no tool'],
  ['a tool that refuses', lookUp('{"id":404}'), 'The receiver answered 404'],
])('%s: the model is told and goes on', async (_what, wrong: Said, problem) => {
  shopStatus = () => 404;
  say = (_request, seen) => (seen === 0 ? wrong : { text: 'Sorry.' });
  const { outputs } = await stage.attempt(turn());
  expect(outputs).toMatchObject([
    { json: { text: 'Sorry.', tool_calls: [{ output: { error: expect.stringContaining(problem) } }] } },
  ]);
});

test('a tool that is busy fails the attempt; in the last the model is told', async () => {
  shopStatus = () => 503;
  say = (_request, seen) => (seen === 0 ? lookUp('{"id":7}') : { text: 'Later.' });
  const policy = { maxAttempts: 2 };
  expect(await stage.failure({ ...turn(), policy })).toMatchObject({ type: Failure.attemptFailed });
  const { outputs } = await stage.attempt({ ...turn(), policy });
  expect(outputs).toMatchObject([
    { json: { text: 'Later.', tool_calls: [{ output: { error: expect.stringContaining('503') } }] } },
  ]);
});

test('the last of its calls has no tools, so that it answers', async () => {
  say = ({ tools }) => (tools === undefined ? { text: 'Enough.' } : lookUp('{"id":1}'));
  const { outputs } = await stage.attempt(turn({ max_steps: 3 }));
  expect(outputs).toMatchObject([{ json: { text: 'Enough.' } }]);
  expect(model.requests).toHaveLength(3);
});

test('reads its memory and the message of the conversation; forgets what is older', async () => {
  say = () => ({ text: 'Yes.' });
  const old: Json = Array.from({ length: 40 }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: `m${index}`,
  }));
  const scope = { vars: { _agent_memory_n: inline(old) }, message: 'And now?' };
  const { vars } = await stage.attempt({ ...turn(), scope });
  expect(model.asked()[0]?.messages).toHaveLength(42);
  const kept = vars?.['_agent_memory_n'];
  expect(kept).toMatchObject({ json: expect.arrayContaining([{ role: 'user', content: 'And now?' }]) });
  expect(kept !== undefined && 'json' in kept ? kept.json : null).toHaveLength(40);
  expect(JSON.stringify(kept)).not.toContain('"m0"');
  await stage.fresh();
  expect((await stage.attempt({ ...turn({ memory: false }), scope })).vars).toBeUndefined();
});

test('without a model the scripted one calls a tool that is named, and says so', async () => {
  const message = 'please use order now';
  const { outputs } = await stage.attempt({ ...turn(), scope: { message }, deps: { llm: scriptedProvider } });
  expect(outputs).toMatchObject([
    {
      json: {
        text: expect.stringMatching(/^\[scripted\].* order gave: /),
        tool_calls: [{ name: 'order', args: { id: 0 } }],
      },
    },
  ]);
});

test('a test run asks no model and calls no tool', async () => {
  const { outputs } = await stage.attempt({ ...turn(), step: { isStubbed: true } });
  expect(outputs).toEqual([
    inline({ stubbed: true, would: { system: 'Help 7.', message: 'hello', tools: ['order'] } }),
  ]);
  expect(await stage.effects()).toEqual([]);
});
