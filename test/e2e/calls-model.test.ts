import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startModelPeer, type ChatRequest, type ModelPeer } from '../activities/model-peer.js';
import type { Person } from '../support/api.js';
import { callerOf, publishLine, type Caller } from '../support/calls.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { until } from '../support/until.js';

/** Calls whose agents ask a model: one that takes long, and one that does not answer. */

let model: ModelPeer;
let platform: TestPlatform;
let person: Person;
let caller: Caller;

const lastWords = ({ messages }: ChatRequest): string => String(messages.at(-1)?.content);

beforeAll(async () => {
  model = await startModelPeer((request, _count, response) => {
    const words = lastWords(request);
    if (words.includes('broken')) response.writeHead(401).end('{"error":{"message":"no"}}');
    if (words.includes('broken') || words.includes('slow')) return null;
    if (words.includes('pass')) return { calls: [{ name: 'handoff_to_second', args: '{}' }], text: 'One moment.' };
    return { text: `You said: ${words}` };
  });
  platform = await startTestPlatform({ KEELSON_LLM_BASE_URL: `${model.url}/v1`, KEELSON_LLM_MODEL: 'm-1' });
  person = await platform.signUp();
  caller = callerOf(person);
  const agents = [{ name: 'first' }, { name: 'second', greeting: 'Second here.' }];
  await publishLine(platform.db, person, { slug: 'line', agents });
}, 120_000);
afterAll(async () => {
  await platform.close();
  await model.close();
});

test('what the model took is measured', async () => {
  const callId = await caller.start('line');
  expect(await caller.say(callId)).toMatchObject({ messages: [], current_agent: 'first', status: 'active' });
  await caller.say(callId, 'Hello');
  const passed = await caller.say(callId, 'Please pass me on');
  expect(passed.messages).toEqual([
    { role: 'assistant', agent: 'first', content: 'One moment.' },
    { role: 'assistant', agent: 'second', content: 'Second here.' },
  ]);
  await caller.end(callId);
  const { metrics, duration_seconds: seconds } = await caller.get(callId);
  expect(metrics).toEqual({
    ...{ duration_seconds: seconds, stt_latency_ms: null, tts_latency_ms: null },
    ...{ llm_latency_ms: expect.any(Number), total_tokens: 36, agent_handoffs: 1 },
  });
  const summary = await person.call('GET', '/api/v1/analytics/summary?period=1h');
  expect(summary.body).toMatchObject({ total_tokens: 36, avg_llm_latency_ms: expect.any(Number) });
});

test('a call is hung up while its agent is at work', async () => {
  const callId = await caller.start('line');
  const asked = model.asked().length;
  const saying = person.call('POST', `/api/v1/calls/${callId}/turns`, { body: { message: 'Be slow' } });
  await until(
    () => Promise.resolve(model.asked().length),
    (count) => count > asked,
  );
  const ended = await caller.end(callId);
  expect([ended.status, ended.body['status'], ended.body['status_reason']]).toEqual([200, 'disconnected', 'hangup']);
  expect((await saying).body).toMatchObject({ ended: true, status: 'disconnected', messages: [] });
  expect(await caller.transcript(callId)).toEqual(['user first: Be slow']);
});

test('a call whose model refuses fails, and is listed with its error', async () => {
  const callId = await caller.start('line');
  const said = await caller.say(callId, 'This is broken');
  expect(said).toMatchObject({ status: 'failed', ended: true });
  const call = await caller.get(callId);
  expect(call).toMatchObject({ status: 'failed', status_reason: expect.stringContaining('401') });
  const errors = await person.call('GET', '/api/v1/analytics/errors?level=error');
  expect(errors.body).toEqual({
    items: [
      {
        ...{ id: `${callId}:end`, call_id: callId, level: 'error', error_type: 'model_rejected', agent: 'first' },
        ...{ message: call['status_reason'], timestamp: call['ended_at'] },
      },
    ],
    ...{ total: 1, limit: 50, offset: 0 },
  });
});
