import { afterEach, expect, test } from '@jest/globals';
import { createLlmPort } from '../../activities/llm/create.js';
import { buildContext, buildDeps, failureOf, plainRunners, startHttpPeer, type HttpPeer } from './peers.js';

const peers: HttpPeer[] = [];
const API_KEY = 'sk-test-0123456789';

afterEach(async () => {
  await Promise.all(peers.splice(0).map(({ close }) => close()));
});

interface ChatRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

/** Answers as an OpenAI-compatible endpoint does: the path, the key, the error form and the usage. */
async function startModelPeer(answer?: Parameters<typeof startHttpPeer>[0]): Promise<HttpPeer> {
  const peer = await startHttpPeer((response, request, count) => {
    response.setHeader('content-type', 'application/json');
    if (answer !== undefined) return answer(response, request, count);
    if (request.path !== '/v1/chat/completions')
      return response.writeHead(404).end('{"error":{"message":"no such path"}}');
    if (request.headers.authorization !== `Bearer ${API_KEY}`)
      return response.writeHead(401).end(
        JSON.stringify({
          error: { message: `Incorrect API key ${request.headers.authorization}`, type: 'invalid_request_error' },
        }),
      );
    const { model, messages } = JSON.parse(request.body) as ChatRequest; // -- the SDK under test writes it
    const reply = { role: 'assistant', content: `You said: ${messages.at(-1)?.content ?? ''}` };
    return response.end(
      JSON.stringify({
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1,
        model: `${model}-2026`,
        choices: [{ index: 0, message: reply, finish_reason: 'stop' }],
        usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
      }),
    );
  });
  peers.push(peer);
  return peer;
}

const runnersAt = (peer: HttpPeer, settings: object = {}): ReturnType<typeof plainRunners> =>
  plainRunners(
    buildDeps({ llm: createLlmPort({ baseUrl: `${peer.url}/v1`, apiKey: API_KEY, model: 'm-default', ...settings }) }),
  );
const config = { agent: 'Refunds', instructions: 'Be kind to {{ input.name }}.', message: 'Case: {{ text }}' };
const input = { name: 'Ann', text: 'broken lamp' };

test('agent and assistant send one request and answer text, model and usage', async () => {
  const peer = await startModelPeer();
  const { agent, assistant } = runnersAt(peer);
  expect(await agent(buildContext('agent', config, { input }))).toEqual({
    text: 'You said: Case: broken lamp',
    model: 'm-default-2026',
    provider: 'openai-compatible',
    usage: { input_tokens: 11, output_tokens: 7 },
  });
  const plain = { agent: 'Desk', model: 'm-own' };
  expect(await assistant(buildContext('assistant', plain, { input }))).toMatchObject({
    text: 'You said: broken lamp',
    model: 'm-own-2026',
  });
  expect(JSON.parse(peer.requests[0]?.body ?? '')).toEqual({
    model: 'm-default',
    messages: [
      { role: 'system', content: 'You are the AI agent "Refunds".\n\nBe kind to Ann.' },
      { role: 'user', content: 'Case: broken lamp' },
    ],
  });
  expect(peer.requests[0]?.headers['idempotency-key']).toBe('run_1/step-2/1');
  expect(JSON.parse(peer.requests[1]?.body ?? '')).toMatchObject({
    messages: [{ role: 'system', content: 'You are the assistant "Desk".' }, {}],
  });
});

test.each([
  [400, 'model_rejected', false],
  [403, 'model_rejected', false],
  [404, 'model_rejected', false],
  [429, 'model_failed', true],
  [500, 'model_failed', true],
  [529, 'model_failed', true],
])('%i: %s, once and not repeated here', async (status, type, retryable) => {
  const peer = await startModelPeer((response) =>
    response.writeHead(status, { 'retry-after': '3' }).end('{"error":{"message":"too much"}}'),
  );
  const failure = await failureOf(runnersAt(peer).agent(buildContext('agent', config)));
  expect(failure).toMatchObject({ type, retryable, message: `The model endpoint answered ${status}: too much` });
  expect(failure.retryAfterMs).toBe(retryable ? 3_000 : undefined);
  expect(peer.requests).toHaveLength(1);
});

test('a refused key is final and not quoted', async () => {
  const peer = await startModelPeer();
  const failure = await failureOf(
    runnersAt(peer, { apiKey: 'sk-wrong-987654321' }).agent(buildContext('agent', config)),
  );
  expect(failure).toMatchObject({
    type: 'model_rejected',
    retryable: false,
    message: 'The model endpoint answered 401: Incorrect API key Bearer [secret:KEELSON_LLM_API_KEY]',
  });
});

test.each([
  ['not JSON', 'a form that is not understood'],
  ['{"choices":[]}', 'could not be used'],
  [
    '{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}',
    'without text',
  ],
])('an answer of %s is worth another try', async (text, problem) => {
  const peer = await startModelPeer((response) => response.end(text));
  const failure = await failureOf(runnersAt(peer).agent(buildContext('agent', config)));
  expect(failure).toMatchObject({ type: 'model_failed', retryable: true });
  expect(failure.message).toContain(problem);
});

test('an endpoint that is away is worth another try; the signal ends one that hangs', async () => {
  const time = new AbortController();
  const peer = await startModelPeer(() => time.abort());
  const runners = runnersAt(peer);
  expect(await failureOf(runners.agent(buildContext('agent', config, { signal: time.signal })))).toMatchObject({
    type: 'timeout',
    retryable: true,
  });
  await peer.close();
  expect(await failureOf(runners.agent(buildContext('agent', config)))).toMatchObject({
    type: 'model_failed',
    retryable: true,
    message: 'The model endpoint could not be reached.',
  });
});

test('no model named anywhere is refused with a sentence', async () => {
  const peer = await startModelPeer();
  const failure = await failureOf(runnersAt(peer, { model: undefined }).agent(buildContext('agent', config)));
  expect(failure).toMatchObject({ type: 'config_invalid', retryable: false });
  expect(peer.requests).toHaveLength(0);
});

test('without an endpoint the answer is scripted, says so and repeats', async () => {
  const { agent } = plainRunners(buildDeps({ llm: createLlmPort({}) }));
  const context = buildContext('agent', config, { input });
  const output = await agent(context);
  expect(output).toEqual({
    text: '[scripted] Written by rule, since no language model is configured (KEELSON_LLM_BASE_URL). As the AI agent "Refunds" I was asked (words: 3): Case: broken lamp',
    model: 'scripted',
    provider: 'scripted',
    usage: { input_tokens: 0, output_tokens: 0 },
  });
  expect(await agent({ ...context, attempt: 2, idempotencyKey: 'other' })).toEqual(output);
});

test('a key without an endpoint is a setting gone wrong', () => {
  expect(() => createLlmPort({ apiKey: 'x' })).toThrow('KEELSON_LLM_BASE_URL');
});
