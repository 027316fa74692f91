import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { writeFlush } from '../../db/run-records.js';
import type { RunMessages } from '../../api/temporal/gateway.js';
import type { Turn } from '../../workflows/contract/messages.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { openWaitOf, runAt } from '../support/commands.js';
import { noFlush, stepRecord } from '../support/runs.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';
import { agent, sessionUser, type SessionUser } from '../support/sessions.js';

const temporal = scriptedTemporal();
let api: TestApi;
let person: Person;
let user: SessionUser;
let id: string;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
  person = await api.signUp();
  user = sessionUser(person);
  id = await user.draw({ nodes: [agent('root_agent', { greeting: 'Hello.' })], edges: [] });
});
afterAll(() => api.close());

const quiet: Turn = {
  isOver: true,
  status: 'waiting',
  said: [],
  trace: [],
  activeNode: 'root_agent.listen',
  vars: {},
};
const answering = (...turns: readonly (Turn | null)[]): RunMessages['takeTurn'] => {
  let asked = 0;
  return () => Promise.resolve({ outcome: 'done', value: turns[Math.min(asked++, turns.length - 1)] ?? null });
};
beforeEach(() => temporal.play({ takeTurn: answering(quiet) }));

const start = (body: object = {}) => person.call('POST', `/v1/runtime/workflows/${id}/sessions`, { body });
const turnOf = (sessionId: string) => `/v1/runtime/workflows/sessions/${sessionId}/turns`;
const say = (sessionId: string, message: unknown) => person.call('POST', turnOf(sessionId), { body: { message } });

test('a session is a run that waits for its user', async () => {
  const begun = await start({ variables: { tier: 'gold' }, message: ' hi ' });
  expect(begun).toMatchObject({
    status: 201,
    body: { state: 'awaiting_input', active_node: 'root_agent', use_draft: true },
  });
  const run = await api.db
    .selectFrom('runs')
    .selectAll()
    .where('id', '=', String(begun.body['session_id']))
    .executeTakeFirst();
  expect(run).toMatchObject({
    is_conversation: true,
    trigger: 'simulator',
    input: inline({ tier: 'gold', message: 'hi' }),
    tags: ['draft'],
  });
  expect(temporal.asked('takeTurn')).toMatchObject([[{ runId: run?.id }, { message: null }, expect.any(Number)]]);
  expect((await person.call('POST', `/v1/runtime/workflows/${id}/sessions`)).status).toBe(201);
});

test('what it begins with must be right', async () => {
  for (const body of [
    { message: '' },
    { message: ' ' },
    { variables: { message: 'hi' } },
    { variables: { big: 'x'.repeat(70_000) } },
    { nonsense: 1 },
  ])
    expect(await start(body)).toMatchObject({ status: 422 });
  const broken = await user.draw({ nodes: [{ id: 'a', type: 'nonsense' }], edges: [] });
  const refused = await person.call('POST', `/v1/runtime/workflows/${broken}/sessions`, { body: {} });
  expect(refused.status).toBe(422);
  expect(refused.body['blockers']).toContainEqual(expect.objectContaining({ code: 'unknown_type', node_id: 'a' }));
  expect(await start({ use_draft: false })).toMatchObject({ status: 409 });
});

test('who is asked for half a turn is asked again for the same turn', async () => {
  const begun = await start();
  const half = { ...quiet, isOver: false };
  const whole = { ...quiet, said: [{ node_id: 'root_agent', text: '', value: inline({ text: 'Long.' }) }] };
  temporal.play({ takeTurn: answering(half, whole) });
  const turn = await say(String(begun.body['session_id']), 'hi');
  expect(turn.body).toMatchObject({ messages: [{ role: 'assistant', text: 'Long.', node_id: 'root_agent' }] });
  const [first, second] = temporal.asked('takeTurn').map(([, request]) => request as Record<string, unknown>);
  expect(second).toMatchObject({ id: first?.['id'], message: inline({ text: 'hi' }), text: 'hi' });
  expect(second?.['requestId']).not.toBe(first?.['requestId']);
});

test('a turn that takes longer than its caller waits goes on, and says what it has come to', async () => {
  const run = await runAt(api.db, person, { status: 'running', kind: 'workflow', isConversation: true });
  temporal.play({ takeTurn: answering(null) });
  expect(await say(run.runId, 'hi')).toMatchObject({ status: 200, body: { state: 'working', messages: [] } });
  await openWaitOf(api.db, run, { kind: 'message', nodeId: 'a' });
  const path = `/v1/runtime/workflows/sessions/${run.runId}`;
  expect((await person.call('GET', path)).body).toMatchObject({ state: 'awaiting_input', active_node: 'a' });
});

test('only open conversations are spoken to, and only with something to say', async () => {
  const plain = await runAt(api.db, person, { status: 'waiting', kind: 'workflow' });
  const over = await runAt(api.db, person, { status: 'completed', kind: 'workflow', isConversation: true });
  const open = await runAt(api.db, person, { status: 'waiting', kind: 'workflow', isConversation: true });
  expect(await say(plain.runId, 'hi')).toMatchObject({ status: 404 });
  expect(await say('run_unknown', 'hi')).toMatchObject({ status: 404 });
  expect(await say(over.runId, 'hi')).toMatchObject({ status: 409 });
  for (const message of ['', '   ', undefined, 7])
    expect(await say(open.runId, message)).toMatchObject({ status: 422 });
  for (const outcome of ['closed', 'settled'] as const) {
    temporal.play({ takeTurn: () => Promise.resolve({ outcome, message: '' }) });
    expect(await say(open.runId, 'hi')).toMatchObject({ status: 409 });
  }
  temporal.play({ takeTurn: () => Promise.resolve({ outcome: 'late', message: '' }) });
  expect(await say(open.runId, 'hi')).toMatchObject({ status: 503 });
});

test('the whole conversation is read from its records', async () => {
  const run = await runAt(api.db, person, { status: 'waiting', kind: 'workflow', isConversation: true });
  const listened = { kind: 'listen', said: 'Hello.', output: null, status: 'waiting' } as const;
  await writeFlush(api.db, run, { ...noFlush, steps: [stepRecord('a', 1, listened)] });
  await writeFlush(api.db, run, { ...noFlush, steps: [stepRecord('a', 2, { kind: 'listen', output: inline('x') })] });
  const steps = await api.db
    .selectFrom('run_steps')
    .select(['said', 'status'])
    .where('run_id', '=', run.runId)
    .execute();
  expect(steps).toEqual([{ said: 'Hello.', status: 'completed' }]);
});

test('a workspace caps the sessions and turns of each of its workflows', async () => {
  const cap = (perMinute: number) =>
    api.db
      .updateTable('workspaces')
      .set({ settings: JSON.stringify({ rpm_cap_per_agent: perMinute }) })
      .where('id', '=', person.workspace.id)
      .execute();
  await cap(2);
  const begun = await start();
  expect(await say(String(begun.body['session_id']), 'hi')).toMatchObject({ status: 200 });
  const late = await say(String(begun.body['session_id']), 'hi');
  expect(late).toMatchObject({ status: 429, body: { error: { code: 'rate_limit_exceeded' } } });
  expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await start()).toMatchObject({ status: 429 });
  const other = await user.draw({ nodes: [agent('root_agent')], edges: [] });
  expect((await person.call('POST', `/v1/runtime/workflows/${other}/sessions`, { body: {} })).status).toBe(201);
  await cap(0);
  expect(await start()).toMatchObject({ status: 201 });
});
