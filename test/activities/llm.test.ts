import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createLlmPort } from '../../activities/llm/create.js';
import { scriptedProvider } from '../../activities/llm/scripted.js';
import { Failure } from '../../workflows/contract/failures.js';
import { inline } from '../../workflows/definition/values.js';
import { buildContext, buildDeps, failureOf, plainRunners } from './peers.js';
import { startModelPeer, type ModelPeer, type Said } from './model-peer.js';
import { openStage, wordsOf, type NodeConfigOf, type Stage } from './stage.js';

let stage: Stage;
let peer: ModelPeer;
let answers: (Said | 'break')[];
const prices = { inputPerMtok: 2, outputPerMtok: 10 };
const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } as const;

beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.fresh();
  answers = [];
  peer = await startModelPeer((_request, _count, response) => {
    const next = answers.shift() ?? { text: 'One two three' };
    if (next !== 'break') return next;
    response.socket?.destroy();
    return null;
  });
});
afterEach(() => peer.close());

const deps = () => ({ llm: createLlmPort({ baseUrl: `${peer.url}/v1`, model: 'm' }), prices });
const ask = (config: NodeConfigOf<'llm'>) => ({ kind: 'llm', config, deps: deps() }) as const;

describe('llm', () => {
  test('answers text, shows it as it comes, and says what it cost', async () => {
    const config = { system: 'For {{ input.id }}', prompt: 'Say {{ text }}', temperature: 0.5, max_tokens: 9 };
    const { outputs } = await stage.attempt(ask(config));
    const usage = { input_tokens: 11, output_tokens: 7 };
    expect(outputs).toEqual([inline({ text: 'One two three', model: 'm-1', provider: 'openai-compatible', usage })]);
    expect((await stage.step()).cost).toEqual({ usd: (11 * 2 + 7 * 10) / 1_000_000, ...usage });
    const tokens = await stage.events('token');
    expect(wordsOf(tokens)).toBe('One two three');
    expect(tokens[0]).toMatchObject({ key: 'n/1', node_id: 'n', attempt: 1, index: 0 });
    expect(peer.asked()).toMatchObject([
      {
        stream: true,
        temperature: 0.5,
        max_tokens: 9,
        messages: [
          { role: 'system', content: 'For 7' },
          { role: 'user', content: 'Say hello' },
        ],
      },
    ]);
  });

  test.each(['{"n": 5}', '```json\n{"n": 5}\n```', ' \n{"n":5}'])(
    'with a schema answers the JSON itself: %j',
    async (text) => {
      answers = [{ text }];
      const { outputs } = await stage.attempt(ask({ schema }));
      expect(outputs).toEqual([inline({ n: 5 })]);
      expect(peer.asked()[0]).toMatchObject({ response_format: { type: 'json_schema', json_schema: { schema } } });
      expect(String(peer.asked()[0]?.messages[0]?.content)).toContain('"required":["n"]');
    },
  );

  test.each([
    ['{"n": "five"}', 'n must be an integer'],
    ['Sure! n is 5.', 'it is no JSON'],
  ])('an answer that does not fit is asked for again, and paid for: %j', async (text, problem) => {
    answers = [{ text }, { text: '{"n":5}' }];
    const failed = await stage.failure(ask({ schema }));
    expect(failed).toMatchObject({ type: Failure.attemptFailed, message: expect.stringContaining(problem) });
    expect(await stage.step()).toMatchObject({ error: { type: 'model_output_invalid' }, cost: { input_tokens: 11 } });
    await stage.attempt(ask({ schema }));
    expect(await stage.step()).toMatchObject({ status: 'completed', cost: { input_tokens: 22, output_tokens: 14 } });
  });

  test('an answer that breaks off is asked for again; what was shown stays under its attempt', async () => {
    answers = ['break', { text: 'whole' }];
    expect(await stage.failure(ask({}))).toMatchObject({ type: Failure.attemptFailed });
    await stage.attempt(ask({}));
    expect(await stage.events('token')).toEqual([{ key: 'n/1', node_id: 'n', attempt: 2, index: 0, text: 'whole' }]);
  });

  test('a model is told no secret', async () => {
    const { llm } = plainRunners(buildDeps());
    for (const config of [{ system: '{{secret:KEY}}' }, { prompt: 'a {{ secret:KEY }}' }])
      expect(await failureOf(llm(buildContext('llm', config)))).toMatchObject({
        type: 'template_invalid',
        retryable: false,
      });
  });

  test('a test run shows the question and asks nobody', async () => {
    const { outputs } = await stage.attempt({ ...ask({ prompt: 'Say {{ text }}' }), step: { isStubbed: true } });
    expect(outputs).toEqual([inline({ stubbed: true, would: { system: '', message: 'Say hello' } })]);
    expect(peer.requests).toHaveLength(0);
  });
});

describe('without a model', () => {
  const { llm } = plainRunners(buildDeps({ llm: scriptedProvider }));

  test('a schema is answered by a sample that fits it', async () => {
    const wanted = {
      type: 'object',
      properties: {
        kind: { enum: ['refund', 'other'] },
        at: { type: 'string', format: 'date-time' },
        list: { type: 'array', items: { type: 'number', minimum: 3 }, minItems: 2 },
        maybe: { anyOf: [{ type: 'null' }, { type: 'string' }] },
      },
      required: ['kind', 'at', 'list'],
    } as const;
    expect(await llm(buildContext('llm', { schema: wanted }))).toEqual({
      kind: 'refund',
      at: '2026-01-01T00:00:00Z',
      list: [3, 3],
      maybe: null,
    });
  });
});

describe('knowledge', () => {
  const hits = [{ text: 'Refunds take 5 days.', score: 0.9, source: 'faq' }];
  const found = { search: () => Promise.resolve(hits) };

  test('without a knowledge base says so, and does not pretend that nothing is known', async () => {
    const { knowledge } = plainRunners(buildDeps());
    const failure = await failureOf(
      knowledge(buildContext('knowledge', { collection: 'faq', top_k: 5, synthesize: false })),
    );
    expect(failure).toMatchObject({ type: 'knowledge_not_configured', retryable: false });
    expect(failure.message).toContain('the collection "faq"');
  });

  test('answers what was found, and lets a model speak from it', async () => {
    const { knowledge } = plainRunners(buildDeps({ knowledge: found, llm: deps().llm }));
    const config = { query: 'When {{ text }}?', top_k: 3, synthesize: false };
    expect(await knowledge(buildContext('knowledge', config))).toEqual({
      query: 'When hello?',
      text: 'Refunds take 5 days.',
      results: hits,
    });
    expect(await knowledge(buildContext('knowledge', { ...config, synthesize: true }))).toMatchObject({
      text: 'One two three',
      results: hits,
    });
    expect(JSON.stringify(peer.asked()[0]?.messages)).toContain('[1] (faq) Refunds take 5 days.');
  });
});
