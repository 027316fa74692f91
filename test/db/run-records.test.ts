import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { beginStep, endStep, writeEnd, writeFlush, writeSettlement, type StepEnd } from '../../db/run-records.js';
import { insertWait, openWaits, recordVotes } from '../../db/waits.js';
import type { Database } from '../../db/client.js';
import type { RunRef, Vote, WaitKind, WaitSettlement } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

let database: TestDatabase;
let db: Database;
let run: RunRef;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  run = await seedRun(db);
});

const runRow = (of = run) => db.selectFrom('runs').selectAll().where('id', '=', of.runId).executeTakeFirstOrThrow();
const stepRow = (key: string) =>
  db
    .selectFrom('run_steps')
    .selectAll()
    .where('run_id', '=', run.runId)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
const waitRow = (id: string) => db.selectFrom('waits').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const events = (of = run) =>
  db.selectFrom('run_events').selectAll().where('run_id', '=', of.runId).orderBy('seq').execute();

const start = {
  key: 'a/1',
  nodeId: 'a',
  visit: 1,
  scope: '',
  seq: 10,
  kind: 'http',
  label: 'A',
  input: inline('in'),
  round: 0,
};
const end: StepEnd = {
  key: 'a/1',
  status: 'completed',
  output: inline('out'),
  error: null,
  failed: false,
  finished: null,
  vars: null,
  cost: null,
  decidedBy: null,
};
const error = { type: 'http_status', message: 'answered 500', node_id: 'a' };
const cost = { usd: 0.5, input_tokens: 10, output_tokens: 2 };

describe('a step', () => {
  test('answers with what it gave when it is begun again', async () => {
    expect(await beginStep(db, run, { step: start, flush: noFlush })).toEqual({
      status: 'running',
      output: null,
      failures: 0,
      attempt: 1,
      started_at: expect.any(Date),
      vars: null,
    });
    await endStep(db, run, { ...end, vars: { total: inline(3) }, cost, decidedBy: 'pinned' });
    const again = await beginStep(db, run, { step: { ...start, round: 1 }, flush: noFlush });
    expect(again).toMatchObject({ status: 'completed', output: inline('out'), vars: { total: inline(3) } });
    expect(await stepRow('a/1')).toMatchObject({ attempt: 1, cost, decided_by: 'pinned' });
  });

  test('that a person starts anew forgets its failures and its error, not what it cost', async () => {
    const { started_at } = await beginStep(db, run, { step: start, flush: noFlush });
    await endStep(db, run, { ...end, status: 'failed', output: null, error, failed: true, cost });
    const parked = stepRecord('a', 20, { status: 'parked', error, endedAt: null });
    await writeFlush(db, run, { ...noFlush, steps: [parked], seq: 20 });
    expect(await stepRow('a/1')).toMatchObject({ status: 'parked', failures: 1, error });
    const begun = await beginStep(db, run, { step: { ...start, seq: 25, round: 1 }, flush: noFlush });
    expect(begun).toMatchObject({ status: 'running', failures: 0, attempt: 2, started_at });
    expect(await stepRow('a/1')).toMatchObject({ error: null, ended_at: null, round: 1, seq: 25 });
    await writeFlush(db, run, { ...noFlush, steps: [parked], seq: 20 });
    expect(await stepRow('a/1')).toMatchObject({ status: 'running' });
    await endStep(db, run, { ...end, cost });
    expect(await stepRow('a/1')).toMatchObject({ cost: { usd: 1, input_tokens: 20, output_tokens: 4 } });
  });

  test('told of twice in one write is written as it was last', async () => {
    const steps = [stepRecord('a', 3, { status: 'waiting', endedAt: null }), stepRecord('a', 5, { port: 'approved' })];
    await beginStep(db, run, { step: { ...start, key: 'b/1', nodeId: 'b' }, flush: { ...noFlush, steps, seq: 5 } });
    expect(await stepRow('a/1')).toMatchObject({ status: 'completed', port: 'approved', seq: 5 });
  });

  test('takes what Postgres cannot keep as the replacement character', async () => {
    const odd = { type: 'http_status', message: 'nul \u0000 and half \ud800' };
    await beginStep(db, run, { step: start, flush: noFlush });
    await endStep(db, run, { ...end, status: 'failed', output: null, error: odd });
    expect(await stepRow('a/1')).toMatchObject({ error: { message: 'nul \uFFFD and half \uFFFD' } });
  });

  test('of another workspace is not written', async () => {
    const foreign = { ...run, workspaceId: 'ws_2' };
    await expect(beginStep(db, foreign, { step: start, flush: noFlush })).rejects.toThrow('neither written nor found');
    await writeFlush(db, foreign, { ...noFlush, steps: [stepRecord('a', 1)], status: 'running' });
    expect(await runRow()).toMatchObject({ status: 'queued' });
    expect(await events()).toHaveLength(1);
  });
});

const addWait = (nodeId: string, kind: WaitKind = 'decision'): Promise<boolean> =>
  insertWait(db, {
    token: `${run.runId}_${nodeId}`,
    key: `${nodeId}/1`,
    nodeId,
    visit: 1,
    scope: '',
    run,
    kind,
    prompt: 'Pay?',
    context: { b: 1, a: 2 },
    quorum: 2,
    expiresAt: null,
  });
const settlement = (nodeId: string, outcome: WaitSettlement['outcome'], votes: readonly Vote[] = []) => ({
  token: `${run.runId}_${nodeId}`,
  outcome,
  by: 'usr_bo',
  note: null,
  value: inline('yes'),
  at: 5_000,
  votes,
});
const vote = (by: string): Vote => ({ by, decision: 'approve', note: null, value: null, at: 4_000, shownHash: 'abc' });

describe('a wait', () => {
  test.each([
    ['decision', 'approved', 'approved'],
    ['decision', 'rejected', 'denied'],
    ['decision', 'expired', 'denied'],
    ['decision', 'cancelled', 'denied'],
    ['event', 'resolved', 'resolved'],
    ['event', 'expired', 'expired'],
    ['message', 'cancelled', 'cancelled'],
    ['parked', 'approved', 'resolved'],
  ] as const)('of kind %s that was %s is %s', async (kind, outcome, status) => {
    await addWait('ok', kind);
    await writeSettlement(db, run, { settlement: settlement('ok', outcome), status: 'running', seq: 4 });
    expect(await waitRow(`${run.runId}_ok`)).toMatchObject({ status, decided_by: 'usr_bo', result: inline('yes') });
  });

  test('is settled once, and its votes are kept as they were cast', async () => {
    await addWait('ok');
    const token = `${run.runId}_ok`;
    await recordVotes(db, { run, token, votes: [vote('usr_ana')] });
    expect(await openWaits(db, run)).toMatchObject([
      { token, prompt: 'Pay?', quorum: 2, votes: [{ by: 'usr_ana', decision: 'approve' }], context: { a: 2, b: 1 } },
    ]);
    const settled = settlement('ok', 'approved', [{ ...vote('usr_ana'), decision: 'reject' }, vote('usr_bo')]);
    await writeFlush(db, run, { ...noFlush, settlements: [settled], seq: 3 });
    await writeFlush(db, run, { ...noFlush, settlements: [settlement('ok', 'expired')], seq: 9 });
    expect(await waitRow(token)).toMatchObject({ status: 'approved' });
    const votes = await db.selectFrom('wait_votes').selectAll().where('wait_id', '=', token).orderBy('by').execute();
    expect(votes).toMatchObject([
      { by: 'usr_ana', decision: 'approve', workspace_id: 'ws_1' },
      { by: 'usr_bo', decision: 'approve', shown_hash: 'abc' },
    ]);
    expect(await openWaits(db, run)).toEqual([]);
  });

  test('is withdrawn with its run', async () => {
    await addWait('ok');
    await addWait('told', 'event');
    await addWait('said', 'message');
    const flush = { ...noFlush, settlements: [settlement('said', 'resolved')], seq: 7 };
    await writeEnd(db, run, { flush, end: { status: 'cancelled', error: null } });
    expect(await waitRow(`${run.runId}_ok`)).toMatchObject({ status: 'denied', decided_by: 'system:run-ended' });
    expect(await waitRow(`${run.runId}_told`)).toMatchObject({ status: 'cancelled' });
    expect(await waitRow(`${run.runId}_said`)).toMatchObject({ status: 'resolved' });
  });
});

describe('a run', () => {
  test('answers its caller once, in whatever order the answers come', async () => {
    await writeFlush(db, run, { ...noFlush, status: 'waiting', seq: 9 });
    await writeFlush(db, run, { ...noFlush, response: inline('first'), seq: 3 });
    await writeFlush(db, run, { ...noFlush, response: inline('second'), status: 'running', seq: 10 });
    expect(await runRow()).toMatchObject({ status: 'running', response: inline('first'), seq: 10 });
  });

  test('paused goes on, and ended stays ended', async () => {
    await writeFlush(db, run, { ...noFlush, status: 'paused', seq: 2 });
    expect(await runRow()).toMatchObject({ status: 'paused' });
    const flush = { ...noFlush, response: inline('late'), steps: [stepRecord('a', 4)], seq: 4 };
    await writeEnd(db, run, { flush, end: { status: 'completed', output: inline('done') } });
    await writeFlush(db, run, { ...noFlush, status: 'running', seq: 99 });
    expect(await runRow()).toMatchObject({ status: 'completed', output: inline('done'), response: inline('late') });
  });

  test('that fails alike has the same fingerprint, and only a failed one has any', async () => {
    const fail = async (message: string, nodeId = 'a') => {
      const of = await seedRun(db);
      const failed = { type: 'http_status', message, node_id: nodeId };
      await writeEnd(db, of, { flush: noFlush, end: { status: 'failed', error: failed } });
      return (await runRow(of)).fingerprint;
    };
    const first = await fail('POST "https://a.example/1" answered 503 after 1,204 ms');
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await fail('POST "https://b.example/27" answered 500 after 9 ms')).toBe(first);
    expect(await fail('POST "https://a.example/1" answered 503 after 1,204 ms', 'b')).not.toBe(first);
    expect(await fail('The receiver did not answer.')).not.toBe(first);
    await writeEnd(db, run, { flush: noFlush, end: { status: 'cancelled', error } });
    expect(await runRow()).toMatchObject({ fingerprint: null });
  });

  test('that ends with its last step ends in one write, with one event for each', async () => {
    await beginStep(db, run, { step: start, flush: { ...noFlush, status: 'running', seq: 1 } });
    await endStep(db, run, { ...end, finished: { ...noFlush, seq: 10 } });
    expect(await runRow()).toMatchObject({ status: 'completed', output: inline('out'), event_seq: 5 });
    const told = (await events()).map(({ seq, type, data }) => `${seq} ${type} ${JSON.stringify(data['status'])}`);
    expect(told.toSorted()).toEqual([
      '1 run "queued"',
      ...['2', '3'].map((seq) => expect.stringMatching(`^${seq} (step|run) "running"$`)),
      ...['4', '5'].map((seq) => expect.stringMatching(`^${seq} (step|run) "completed"$`)),
    ]);
  });
});
