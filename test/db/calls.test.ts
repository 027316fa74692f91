import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { insertCall } from '../../db/calls.js';
import { beginStep, endStep, writeEnd, writeFlush } from '../../db/run-records.js';
import { storeValue } from '../../db/values.js';
import { markLost } from '../../db/reconcile.js';
import type { Database } from '../../db/client.js';
import type { RunRef, StepRecord } from '../../workflows/contract/run.js';
import { inline, type Json, type Value } from '../../workflows/definition/values.js';
import { callEvents, someCall } from '../support/calls.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  await db
    .insertInto('definitions')
    .values({
      id: 'def_1',
      workspace_id: 'ws_1',
      kind: 'agent_dag',
      slug: 'desk',
      name: 'Desk',
      status: 'published',
      document: '{}',
      created_by: 'usr_ana',
      version_id: null,
      deleted_at: null,
      published_at: null,
    })
    .execute();
}, 60_000);
afterAll(() => database.close());

/** A call whose run is queued. */
async function seedCall(): Promise<RunRef> {
  const run = await seedRun(db, { trigger: 'call', kind: 'agent_dag', isConversation: true });
  await insertCall(db, run, { ...someCall, definitionId: 'def_1', roomName: `call-${run.runId}` });
  return run;
}

const rowOf = (run: RunRef) =>
  db.selectFrom('calls').selectAll().where('run_id', '=', run.runId).executeTakeFirstOrThrow();

/** The call's part of the log, as `event status` and what else is of interest. */
async function logOf(run: RunRef): Promise<readonly string[]> {
  const events = await callEvents(db, run);
  return events.map(({ data }) =>
    ['event', 'status', 'previous_agent', 'role', 'agent', 'content']
      .map((name) => data[name])
      .filter((each) => typeof each === 'string')
      .join(' '),
  );
}

const listen = (agent: string, seq: number, more: Partial<StepRecord> = {}): StepRecord =>
  stepRecord(`${agent}.listen`, seq, { kind: 'listen', label: agent, status: 'waiting', endedAt: null, ...more });

const heard = (agent: string, seq: number, text: string): StepRecord =>
  listen(agent, seq, {
    status: 'completed',
    output: inline({ text }),
    decidedBy: 'user',
    endedAt: 3_000,
  });

const turnKey = (agent: string) => ({ key: `${agent}/1`, nodeId: agent, visit: 1, scope: '' });

const begin = (run: RunRef, agent: string, flushed: readonly StepRecord[]) =>
  beginStep(db, run, {
    step: {
      ...turnKey(agent),
      seq: 10,
      kind: 'agent_turn',
      label: agent,
      input: inline(null),
      round: 0,
    },
    flush: { ...noFlush, steps: flushed, status: 'running', seq: 10 },
  });

const answered = (text: string, more: Readonly<Record<string, Json>> = {}): Json => ({
  ...{ text, agent: 'x', outcome: 'stay', llm_ms: 12, usage: { input_tokens: 3, output_tokens: 2 } },
  ...more,
});

const end = (run: RunRef, key: string, output: Value) =>
  endStep(db, run, {
    ...{ key, status: 'completed', output, error: null, failed: false, finished: null, vars: null, cost: null },
    decidedBy: null,
  });

const finish = (run: RunRef, output: Json, steps: readonly StepRecord[] = []) =>
  writeEnd(db, run, { flush: { ...noFlush, steps, seq: 900 }, end: { status: 'completed', output: inline(output) } });

test('a call follows its run from the first wait to its end, and its log says so in order', async () => {
  const run = await seedCall();
  expect(await rowOf(run)).toMatchObject({ status: 'pending', agent_history: [], duration_seconds: null });
  await writeFlush(db, run, { ...noFlush, status: 'running', seq: 1 });
  expect(await rowOf(run)).toMatchObject({ status: 'connecting', connected_at: null });
  await writeFlush(db, run, { ...noFlush, steps: [listen('ana', 2, { said: 'Hello!' })], status: 'waiting', seq: 2 });
  expect(await rowOf(run)).toMatchObject({ status: 'active', current_agent: 'ana' });
  await begin(run, 'ana', [heard('ana', 3, 'My order?')]);
  await end(run, 'ana/1', inline(answered('Bo knows.', { outcome: 'handoff' })));
  await begin(run, 'bo', []);
  await end(run, 'bo/1', await storeValue(db, run, { json: answered('It is on its way.'), limitBytes: 1 }));
  await writeFlush(db, run, { ...noFlush, steps: [listen('bo', 30)], status: 'waiting', seq: 30 });
  await finish(run, { status: 'completed', reason: 'agent' });
  expect(await logOf(run)).toEqual([
    'call.started pending',
    'call.connected active ana',
    'call.transcript active assistant ana Hello!',
    'call.transcript active user ana My order?',
    'call.transcript active assistant ana Bo knows.',
    'call.agent_changed active ana bo',
    'call.transcript active assistant bo It is on its way.',
    'call.completed completed bo',
  ]);
  const row = await rowOf(run);
  expect(row).toMatchObject({ status: 'completed', status_reason: 'agent' });
  expect(row.metrics).toEqual({ turns: 2, llm_ms: 24, input_tokens: 6, output_tokens: 4, handoffs: 1 });
  expect(row.agent_history).toEqual([
    { agent: 'ana', node_id: 'ana', started_at: '1970-01-01T00:00:01.000Z', ended_at: expect.any(String) },
    { agent: 'bo', node_id: 'bo', started_at: expect.any(String), ended_at: row.ended_at?.toISOString() },
  ]);
  expect(row.agent_history[0]?.ended_at).toBe(row.agent_history[1]?.started_at);
});

test('a last word that is written with the end comes before it', async () => {
  const run = await seedCall();
  await writeFlush(db, run, { ...noFlush, steps: [listen('ana', 1)], status: 'waiting', seq: 1 });
  const steps = [heard('ana', 2, 'Never mind')];
  await finish(run, { status: 'disconnected', reason: 'hangup' }, steps);
  expect(await logOf(run)).toEqual([
    'call.started pending',
    'call.connected active ana',
    'call.transcript active user ana Never mind',
    'call.disconnected disconnected ana',
  ]);
});

test('what a step adds after the end is not told any more', async () => {
  const run = await seedCall();
  await writeFlush(db, run, { ...noFlush, steps: [listen('ana', 1)], status: 'waiting', seq: 1 });
  await begin(run, 'ana', [heard('ana', 2, 'Hi')]);
  await finish(run, { status: 'disconnected', reason: 'hangup' });
  const before = await rowOf(run);
  await end(run, 'ana/1', inline(answered('Too late')));
  expect(await rowOf(run)).toEqual(before);
  expect((await logOf(run)).at(-1)).toBe('call.disconnected disconnected ana');
});

test.each([
  ['the end node', { status: 'timeout', reason: 'silence' }, 'timeout', 'silence'],
  ['an end that says nothing', null, 'completed', null],
])('%s says how a call ended', async (...[, output, status, reason]) => {
  const run = await seedCall();
  await finish(run, output);
  expect(await rowOf(run)).toMatchObject({ status, status_reason: reason, duration_seconds: 0 });
});

test('a failed run is a failed call, a cancelled one is disconnected', async () => {
  const failed = await seedCall();
  const error = { type: 'llm_unavailable', message: 'The model does not answer.', node_id: 'ana' };
  await writeEnd(db, failed, { flush: noFlush, end: { status: 'failed', error } });
  expect(await rowOf(failed)).toMatchObject({ status: 'failed', status_reason: error.message });
  const cancelled = await seedCall();
  await markLost(db, cancelled, { status: 'cancelled', error: { type: 'terminated', message: 'Stopped.' } });
  expect(await rowOf(cancelled)).toMatchObject({ status: 'disconnected', status_reason: 'terminated' });
});

test('long words are cut in the log', async () => {
  const run = await seedCall();
  await begin(run, 'ana', [heard('ana', 1, 'x'.repeat(9_000))]);
  const words = (await callEvents(db, run)).find(({ data }) => data['role'] === 'user');
  expect(words?.data).toMatchObject({ cut: true, content: 'x'.repeat(8_000) });
});

test('writing the same step again says nothing twice', async () => {
  const run = await seedCall();
  const waiting = { ...noFlush, steps: [listen('ana', 1, { said: 'Hello!' })], status: 'waiting', seq: 1 } as const;
  await writeFlush(db, run, waiting);
  await writeFlush(db, run, waiting);
  await begin(run, 'ana', [heard('ana', 2, 'Hi')]);
  await begin(run, 'ana', [heard('ana', 2, 'Hi')]);
  await end(run, 'ana/1', inline(answered('Good day')));
  await end(run, 'ana/1', inline(answered('Good day')));
  expect((await logOf(run)).filter((line) => line.startsWith('call.transcript'))).toHaveLength(3);
  expect((await rowOf(run)).metrics.turns).toBe(1);
});

test('runs that are no calls pass by the triggers: only their conditions are looked at', async () => {
  const run = await seedRun(db);
  const { rows } = await sql<{ 'QUERY PLAN': readonly { Triggers: readonly { 'Trigger Name': string }[] }[] }>`
    explain (analyze, format json) insert into run_steps (run_id, key, node_id, visit, seq, kind, label, status, started_at)
    values (${run.runId}, 'a/1', 'a', 1, 1, 'http', 'A', 'running', now())`.execute(db);
  const fired = rows[0]?.['QUERY PLAN'][0]?.Triggers.map((trigger) => trigger['Trigger Name']) ?? [];
  expect(fired).toContain('run_steps_insert');
  expect(fired.filter((name) => name.endsWith('_of_call'))).toEqual([]);
});
