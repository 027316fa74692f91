import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import type { Person } from '../support/api.js';
import { callEvents, callerOf, insertAgent, publishLine, type Caller, type Said } from '../support/calls.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { listenTo } from '../support/sse.js';
import { until } from '../support/until.js';

let platform: TestPlatform;
let person: Person;
let caller: Caller;

beforeAll(async () => {
  platform = await startTestPlatform();
  person = await platform.signUp();
  caller = callerOf(person);
  const agents = [
    { name: 'reception', greeting: 'Good day, this is the front desk.' },
    { name: 'orders' },
    { name: 'billing', greeting: 'Billing here.' },
  ];
  await publishLine(platform.db, person, { slug: 'desk', agents });
}, 120_000);
afterAll(() => platform.close());

const refOf = (runId: string) => ({ workspaceId: person.workspace.id, runId });

async function eventsOf(callId: string): Promise<readonly string[]> {
  const events = await callEvents(platform.db, refOf(callId));
  return events
    .map(({ data }) => [data['event'], data['status'], data['agent'], data['previous_agent'], data['role']])
    .map((parts) => parts.filter((part) => typeof part === 'string').join(' '));
}

const over = (callId: string) =>
  until(
    () => caller.get(callId),
    ({ ended_at: endedAt }) => endedAt !== null,
  );

/** What the stand-in for a model answers. */
const quoted = (agent: string, message: string): string =>
  `[scripted] Written by rule, since no language model is configured (KELSON_LLM_BASE_URL). As ${agent} I was asked (words: ${message.split(' ').length}): ${message}`.replace(
    'KELSON',
    'KEELSON',
  );

test('a call is greeted, answered, handed over twice and ended by an agent', async () => {
  const started = await person.call('POST', '/api/v1/calls', {
    body: { workflow_slug: 'desk', user_id: 'customer-7', user_context: { name: 'Ada' }, metadata: { order: 7 } },
  });
  expect(started.status).toBe(201);
  const { call_id: id, url, livekit_url: older, token, room_name: room } = started.body;
  expect(started.body).toMatchObject({ status: 'pending' });
  expect(room).toMatch(/^call-[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(url).toMatch(/^ws:\/\/localhost:\d+\/ws\/calls$/);
  expect(older).toBe(url);
  expect(String(token).split('.')).toHaveLength(3);
  const callId = String(id);
  const heard: string[] = [];
  const say = async (message?: string): Promise<Said> => {
    const said = await caller.say(callId, message);
    const asked = message === undefined ? [] : [`user ${listening}: ${message}`];
    heard.push(...asked, ...said.messages.map(({ role, agent, content }) => `${role} ${agent}: ${content}`));
    listening = said.current_agent ?? '';
    return said;
  };
  let listening = '';
  expect(await say()).toEqual({
    ...{ call_id: callId, status: 'active', current_agent: 'reception', ended: false },
    messages: [{ role: 'assistant', content: 'Good day, this is the front desk.', agent: 'reception' }],
  });
  const asked = await say('Where is my order?');
  expect(asked.messages).toEqual([
    { role: 'assistant', agent: 'reception', content: quoted('reception', 'Where is my order?') },
  ]);
  const handed = await say('Please handoff_to_orders');
  expect(handed).toMatchObject({ current_agent: 'orders', ended: false });
  expect(handed.messages.map(({ agent }) => agent)).toEqual(['reception', 'orders']);
  const greeted = await say('Then handoff_to_billing');
  expect(greeted.messages.at(-1)).toEqual({ role: 'assistant', agent: 'billing', content: 'Billing here.' });
  expect(await say('Thanks, end_call now')).toMatchObject({ status: 'completed', ended: true });
  expect(await caller.get(callId)).toMatchObject({
    ...{ id: callId, workflow_slug: 'desk', user_id: 'customer-7', status: 'completed' },
    ...{ direction: 'outbound', call_type: 'voip', livemode: true, current_agent: 'billing' },
    ...{ user_context: { name: 'Ada' }, metadata: { order: 7 } },
    metrics: { stt_latency_ms: null, tts_latency_ms: null, total_tokens: 0, agent_handoffs: 2 },
    agent_history: ['reception', 'orders', 'billing'].map((agent) =>
      expect.objectContaining({ agent, node_id: agent }),
    ),
  });
  expect(await caller.transcript(callId)).toEqual(heard);
  expect(await eventsOf(callId)).toEqual([
    'call.started pending',
    'call.connected active reception',
    'call.transcript active reception assistant',
    'call.transcript active reception user',
    'call.transcript active reception assistant',
    'call.transcript active reception user',
    'call.transcript active reception assistant',
    'call.agent_changed active orders reception',
    'call.transcript active orders assistant',
    'call.transcript active orders user',
    'call.transcript active orders assistant',
    'call.agent_changed active billing orders',
    'call.transcript active billing assistant',
    'call.transcript active billing user',
    'call.transcript active billing assistant',
    'call.completed completed billing',
  ]);
  const late = await person.call('POST', `/api/v1/calls/${callId}/turns`, { body: { message: 'Hello?' } });
  expect([late.status, late.body['error']]).toEqual([
    409,
    expect.objectContaining({ message: 'The call is over (completed): start a new one.' }),
  ]);
  expect((await caller.end(callId)).status).toBe(409);
});

test('hanging up ends a call, with its reason', async () => {
  const callId = await caller.start('desk');
  await caller.say(callId);
  const ended = await caller.end(callId, { reason: 'customer left' });
  expect(ended.status).toBe(200);
  expect(ended.body).toMatchObject({ id: callId, status: 'disconnected', status_reason: 'customer left' });
  expect((await eventsOf(callId)).at(-1)).toBe('call.disconnected disconnected reception');
});

test('a call that is not taken up yet can be hung up', async () => {
  const callId = await caller.start('desk');
  const ended = await caller.end(callId);
  expect(ended.body).toMatchObject({ status: 'disconnected', status_reason: 'hangup' });
});

test('silence ends a call whose agent does not wait for ever', async () => {
  await publishLine(platform.db, person, {
    slug: 'short',
    agents: [{ name: 'hasty', greeting: 'Quick!', silence: 1 }],
  });
  const callId = await caller.start('short');
  expect(await over(callId)).toMatchObject({ status: 'timeout', status_reason: 'silence' });
  expect(await eventsOf(callId)).toEqual([
    'call.started pending',
    'call.connected active hasty',
    'call.transcript active hasty assistant',
    'call.timeout timeout hasty',
  ]);
});

test('a worker that dies between turns loses none and says none twice', async () => {
  const callId = await caller.start('desk');
  await caller.say(callId, 'One');
  await platform.restartWorker();
  await caller.say(callId, 'Two, handoff_to_orders');
  await platform.restartWorker();
  await caller.say(callId, 'Three, end_call');
  expect((await caller.transcript(callId)).filter((line) => line.startsWith('user'))).toEqual([
    'user reception: One',
    'user reception: Two, handoff_to_orders',
    'user orders: Three, end_call',
  ]);
  expect(await over(callId)).toMatchObject({ status: 'completed' });
});

test('two who speak at once are both heard, one after the other', async () => {
  const callId = await caller.start('desk');
  await caller.say(callId);
  const [a, b] = await Promise.all([caller.say(callId, 'From A'), caller.say(callId, 'From B')]);
  expect(a.messages.map(({ content }) => content)).toEqual([quoted('reception', 'From A')]);
  expect(b.messages.map(({ content }) => content)).toEqual([quoted('reception', 'From B')]);
  const words = await caller.transcript(callId);
  expect(words).toHaveLength(5);
  expect(words.filter((line) => line.startsWith('user')).toSorted()).toEqual([
    'user reception: From A',
    'user reception: From B',
  ]);
});

test('a turn under one Idempotency-Key is heard once, a call under one is one call', async () => {
  const headers = { 'idempotency-key': 'one-call' };
  const body = { workflow_slug: 'desk' };
  const [first, again] = [
    await person.call('POST', '/api/v1/calls', { body, headers }),
    await person.call('POST', '/api/v1/calls', { body, headers }),
  ];
  expect(again.body).toEqual(first.body);
  const path = `/api/v1/calls/${String(first.body['call_id'])}/turns`;
  const turn = { body: { message: 'Once' }, headers: { 'idempotency-key': 'one-turn' } };
  const answers = await Promise.all([person.call('POST', path, turn), person.call('POST', path, turn)]);
  expect(answers[0]?.body).toEqual(answers[1]?.body);
  const words = await caller.transcript(String(first.body['call_id']));
  expect(words.filter((line) => line === 'user reception: Once')).toHaveLength(1);
});

test('a call follows its agents as they are when it begins', async () => {
  await publishLine(platform.db, person, { slug: 'later', agents: [{ name: 'changing', greeting: 'Old words.' }] });
  const before = await caller.start('later');
  expect((await caller.say(before)).messages[0]?.content).toBe('Old words.');
  await platform.db.deleteFrom('agents').where('name', '=', 'changing').execute();
  await insertAgent(platform.db, person, { name: 'changing', greeting: 'New words.' });
  const after = await caller.start('later');
  expect((await caller.say(after)).messages[0]?.content).toBe('New words.');
  await platform.db.updateTable('agents').set({ is_active: false }).where('name', '=', 'changing').execute();
  const refused = await person.call('POST', '/api/v1/calls', { body: { workflow_slug: 'later' } });
  expect(refused.status).toBe(409);
  expect(refused.body['error']).toMatchObject({ message: expect.stringContaining('Activate the agent "changing"') });
  expect((await caller.say(before, 'Still there?')).messages).toHaveLength(1);
});

describe('the streams of calls', () => {
  const headersOf = () => ({ authorization: `Bearer ${person.token}` });

  test('of one: all that happens in order, going on where it was, and closed after the end', async () => {
    const callId = await caller.start('desk');
    const url = `${platform.url}/api/v1/sse/calls/${callId}/stream`;
    const first = await listenTo(url, { headers: headersOf() });
    expect(await first.next()).toMatchObject({ event: 'connected', data: { call_id: callId } });
    await first.until(({ event }) => event === 'transcript');
    first.cut();
    await caller.say(callId, 'handoff_to_orders');
    await caller.end(callId);
    const second = await listenTo(url, { headers: { ...headersOf(), 'last-event-id': first.lastId() ?? '' } });
    const rest = await second.until(() => false);
    expect(rest.map(({ event, data }) => [event, data?.['agent'] ?? data?.['status']])).toEqual([
      ['connected', undefined],
      ['transcript', 'reception'],
      ['transcript', 'reception'],
      ['agent_changed', 'orders'],
      ['transcript', 'orders'],
      ['ended', 'disconnected'],
    ]);
    expect(rest[3]?.data).toEqual({
      ...{ call_id: callId, agent: 'orders', previous_agent: 'reception', timestamp: expect.any(String) },
    });
    expect(rest.at(-1)?.data).toEqual({
      ...{ call_id: callId, status: 'disconnected', status_reason: 'hangup', timestamp: expect.any(String) },
      duration_seconds: expect.any(Number),
    });
    expect(await second.over).toBe('ended');
    const third = await listenTo(url, { headers: { ...headersOf(), 'last-event-id': second.lastId() ?? '' } });
    expect((await third.until(() => false)).map(({ event }) => event)).toEqual(['connected', 'ended']);
  });

  test('of all: how many are open, and which changed', async () => {
    const other = await platform.signUp();
    await publishLine(platform.db, other, { slug: 'desk', agents: [{ name: 'ana', greeting: 'Hi.' }] });
    const theirs = callerOf(other);
    const stream = await listenTo(`${platform.url}/api/v1/sse/calls/stream`, {
      headers: { authorization: `Bearer ${other.token}` },
    });
    const [connected, count, shown] = [await stream.next(), await stream.next(), await stream.next()];
    expect(connected).toMatchObject({ event: 'connected', data: { tenant_id: expect.stringMatching(/^ten_/) } });
    expect(count).toMatchObject({ event: 'active_count', data: { count: 0 } });
    expect(shown).toMatchObject({ event: 'calls_update', data: { calls: [] } });
    const callId = await theirs.start('desk');
    const counted = await stream.until(({ event }) => event === 'active_count');
    expect(counted.at(-1)?.data).toMatchObject({ count: 1 });
    await theirs.say(callId);
    await theirs.end(callId);
    const seen = await stream.until(({ event, data }) => event === 'active_count' && data?.['count'] === 0);
    const calls = seen.flatMap(({ data }) => (data?.['calls'] ?? []) as readonly { id: string; status: string }[]);
    expect(new Set(calls.map(({ id }) => id))).toEqual(new Set([callId]));
    expect(calls.at(-1)).toMatchObject({ status: 'disconnected' });
    stream.cut();
  });
});
