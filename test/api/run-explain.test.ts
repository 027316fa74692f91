import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { insertWait, recordVotes, type NewWait } from '../../db/waits.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { NewRun } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import type { RunInspector, PendingActivity } from '../../api/temporal/run-inspector.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { OpenWait, RunRef, RunStatus, StepRecord } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { agent, cronDelay, delay, linePlan, pass } from '../support/plans.js';
import { noFlush, seedRun, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let db: Database;
let ana: Person;
/** What Temporal says in this test. */
let temporal: RunInspector;

const running = (...pendingActivities: readonly PendingActivity[]): RunInspector => ({
  describeRun: () => Promise.resolve({ status: 'RUNNING', pendingActivities, historyLength: 12 }),
  pollers: () => Promise.resolve(1),
  waitsInRun: () => Promise.resolve([]),
});

beforeAll(async () => {
  api = await startTestApi({
    temporal: () => ({
      ...silentTemporal(),
      describeRun: (run) => temporal.describeRun(run),
      pollers: (queue) => temporal.pollers(queue),
      waitsInRun: (run) => temporal.waitsInRun(run),
    }),
  });
  ({ db } = api);
  ana = await api.signUp();
}, 60_000);
beforeEach(() => {
  temporal = running();
});
afterAll(() => api.close());

const plan = linePlan(
  pass('in'),
  agent('charge', { action: 'park' }, { maxAttempts: 5 }),
  delay('nap', 3_600),
  cronDelay('nine', '0 9 * * *'),
);

const newRun = (more: Partial<NewRun> = {}): Promise<RunRef> =>
  seedRun(db, { plan, ...more, run: { workspaceId: ana.workspace.id, runId: derivedId('run', newSeed()) } });

/** A run with this status and these steps under way. */
async function runAt(status: RunStatus, ...steps: readonly StepRecord[]): Promise<RunRef> {
  const run = await newRun();
  await writeFlush(db, run, { ...noFlush, status, seq: 10, steps });
  return run;
}

const open = (nodeId: string, more: Partial<StepRecord> = {}): StepRecord =>
  stepRecord(nodeId, 1, {
    status: 'running',
    label: `The ${nodeId}`,
    endedAt: null,
    startedAt: Date.now() - 7_000,
    ...more,
  });

async function explain({ runId }: RunRef) {
  const { status, body } = await ana.call('GET', `/v1/runs/${runId}/explain`);
  expect(status).toBe(200);
  // -- reason: the row's reply schema
  return body as unknown as {
    readonly sentence: string;
    readonly key: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly evidence: readonly { readonly source: string; readonly fact: string }[];
    readonly waiting_for: Readonly<Record<string, unknown>> | null;
    readonly action: { readonly method: string; readonly path: string; readonly body?: unknown } | null;
  };
}

const post = ({ runId }: RunRef, path: string, body?: unknown) => ({
  method: 'POST',
  path: `/v1/runs/${runId}${path}`,
  ...(body === undefined ? {} : { body }),
});

test('a queued run says what it waits for before it can start', async () => {
  const run = await newRun();
  await db
    .updateTable('runs')
    .set({ created_at: new Date(Date.now() - 90_000) })
    .where('id', '=', run.runId)
    .execute();
  expect(await explain(run)).toMatchObject({
    key: 'queued.starting',
    action: null,
    params: { seconds: expect.any(Number) },
  });
  temporal = { ...running(), describeRun: () => Promise.resolve(null) };
  expect(await explain(run)).toMatchObject({ key: 'queued.not_started' });
  expect(await explain(await newRun({ parentRunId: run.runId, parentKey: 'sub/1' }))).toMatchObject({
    key: 'queued.by_parent',
    sentence: expect.stringContaining(run.runId),
  });
  temporal = { ...running(), pollers: () => Promise.resolve(0) };
  expect(await explain(run)).toMatchObject({
    key: 'queued.no_worker',
    sentence: expect.stringMatching(/^The run has been queued for 9\d s, because no worker asks the queue "engine" /),
    waiting_for: { kind: 'worker' },
  });
  temporal = { ...running(), describeRun: () => Promise.reject(new Error('14 UNAVAILABLE')) };
  const away = await explain(run);
  expect(away.key).toBe('queued.temporal_away');
  expect(away.evidence).toContainEqual({
    source: 'temporal',
    fact: 'Temporal does not answer: 14 UNAVAILABLE',
    at: expect.any(String),
  });
});

const waitOf = (run: RunRef, nodeId: string, more: Partial<NewWait>): NewWait => ({
  ...{ token: `${run.runId}~${nodeId}`, key: `${nodeId}/1`, nodeId, visit: 1, scope: '', run, kind: 'decision' },
  ...{ prompt: 'Refund 20?', context: null, expiresAt: Date.parse('2031-01-02T03:04:05Z') },
  ...more,
});

test('a wait for a decision says who may decide, how far it is and the call that decides', async () => {
  const run = await runAt('waiting', open('ok', { status: 'waiting' }), open('side'));
  await insertWait(
    db,
    waitOf(run, 'ok', { audience: ['role:admin', 'bob@example.com'], quorum: 2, form: { type: 'object' } }),
  );
  const vote = { by: 'bob', decision: 'approve', note: null, value: null, at: 1, shownHash: null } as const;
  await recordVotes(db, { run, token: `${run.runId}~ok`, votes: [vote] });
  const found = await explain(run);
  expect(found).toMatchObject({
    key: 'waiting.decision',
    sentence:
      'The run waits at "The ok" for the decision of the role admin or above or bob@example.com: 1 of 2 approvals so far, until 2031-01-02T03:04:05.000Z. Besides, 1 other step is under way.',
    params: { node_id: 'ok', quorum: 2, approvals: 1, rejections: 0, prompt: 'Refund 20?' },
    waiting_for: { kind: 'decision', token: `${run.runId}~ok` },
    action: post(run, `/waits/${run.runId}~ok`, { decision: 'approve', data: {} }),
  });
  expect(found.evidence.map(({ source }) => source)).toEqual(
    expect.arrayContaining(['runs', 'run_steps', 'waits', 'temporal']),
  );
});

test('a wait for an event names it, one for a message says whose', async () => {
  const run = await runAt('waiting', open('paid', { status: 'waiting' }));
  await insertWait(db, waitOf(run, 'paid', { kind: 'event', event: { name: 'payment', key: 'o-7' }, expiresAt: null }));
  expect(await explain(run)).toMatchObject({
    key: 'waiting.event',
    sentence: 'The run waits at "The paid" for the event "payment" with the key "o-7".',
    action: post(run, '/events', { name: 'payment', key: 'o-7', payload: {} }),
  });
  const talk = await runAt('waiting', open('listen', { status: 'waiting' }));
  await insertWait(db, waitOf(talk, 'listen', { kind: 'message', expiresAt: null }));
  expect(await explain(talk)).toMatchObject({
    key: 'waiting.message',
    sentence: 'The run waits at "The listen" for the next message of its user.',
    action: post(talk, `/waits/${talk.runId}~listen`, { data: '' }),
  });
});

test('a wait for a time says until when, the run itself where nobody else knows', async () => {
  const at = Date.parse('2030-05-06T07:08:09Z');
  const run = await runAt('running', open('nap', { status: 'waiting', startedAt: at - 3_600_000 }));
  expect(await explain(run)).toMatchObject({
    key: 'waiting.time',
    sentence: 'The run waits at "The nap" until 2030-05-06T07:08:09.000Z.',
    action: null,
  });
  const cron = await runAt('running', open('nine', { status: 'waiting' }));
  expect(await explain(cron)).toMatchObject({ sentence: 'The run waits at "The nine" for its time to come.' });
  const wait: OpenWait = { token: 't', kind: 'until', nodeId: 'nine', visit: 1, scope: '', deadline: at, openedAt: 1 };
  temporal = { ...running(), waitsInRun: () => Promise.resolve([wait]) };
  expect(await explain(cron)).toMatchObject({ params: { until: '2030-05-06T07:08:09.000Z' } });
  temporal = { ...running(), waitsInRun: () => Promise.reject(new Error('late')) };
  expect(await explain(cron)).toMatchObject({ key: 'waiting.time', params: { until: null } });
});

test('a parked node says why and how to retry; an unknown outcome asks', async () => {
  const error: NodeError = { type: 'http_status', message: 'The shop answered 500.', node_id: 'charge' };
  const run = await runAt('waiting', open('charge', { status: 'parked', error }));
  await insertWait(db, waitOf(run, 'charge', { kind: 'parked', expiresAt: null }));
  expect(await explain(run)).toMatchObject({
    key: 'waiting.parked',
    sentence: 'The run is parked at "The charge" until somebody retries it, because it failed: The shop answered 500.',
    action: post(run, '/retry', { node_id: 'charge' }),
  });
  const unknown: NodeError = { type: 'outcome_unknown', message: 'No answer came.' };
  const asked = await runAt('waiting', open('charge', { status: 'parked', error: unknown }));
  await insertWait(db, waitOf(asked, 'charge', { kind: 'parked', expiresAt: null }));
  expect(await explain(asked)).toMatchObject({
    key: 'waiting.outcome',
    sentence: 'The run waits at "The charge" for somebody to say whether it happened: No answer came.',
    action: post(asked, `/waits/${asked.runId}~charge`, { decision: 'approve' }),
  });
});

test('a run at work says at what, and what is tried again says when and why', async () => {
  const run = await runAt('running', open('charge'));
  expect(await explain(run)).toMatchObject({
    key: 'running.activity',
    sentence: 'The run executes "The charge", for 7 s so far.',
    waiting_for: { kind: 'step', key: 'charge/1' },
  });
  const nextAttemptAt = new Date('2035-01-01T00:00:00Z');
  const pending = {
    type: 'runSegment',
    attempt: 3,
    lastFailure: 'The shop was away.',
    nextAttemptAt,
    state: 'scheduled',
  } as const;
  temporal = running(pending);
  expect(await explain(run)).toMatchObject({
    key: 'running.retrying',
    sentence:
      'The run tries "The charge" again (attempt 3 of 5, next at 2035-01-01T00:00:00.000Z), because the one before failed: The shop was away.',
    action: null,
  });
  temporal = { ...running(pending), pollers: () => Promise.resolve(0) };
  expect((await explain(run)).key).toBe('running.no_worker');
  temporal = { ...running(), pollers: () => Promise.reject(new Error('deadline')) };
  expect(await explain(run)).toMatchObject({
    key: 'running.temporal_away',
    sentence: expect.stringContaining('Temporal does not answer'),
  });
  expect((await explain(await runAt('running'))).key).toBe('running.temporal_away');
  temporal = running();
  expect((await explain(await runAt('running'))).key).toBe('running.between_steps');
});

test('a run that Temporal no longer has is said to be lost', async () => {
  const run = await runAt('running', open('charge'));
  temporal = { ...running(), describeRun: () => Promise.resolve(null) };
  expect(await explain(run)).toMatchObject({ key: 'running.lost', action: post(run, '/terminate') });
  temporal = {
    ...running(),
    describeRun: () => Promise.resolve({ status: 'TERMINATED', pendingActivities: [], historyLength: 3 }),
  };
  expect((await explain(run)).sentence).toContain('Temporal has ended it as terminated');
});

test('a run that waits for another is explained by that one, one level deep', async () => {
  const run = await runAt('running', open('sub'));
  const child = await newRun({ parentRunId: run.runId, parentKey: 'sub/1' });
  await writeFlush(db, child, { ...noFlush, status: 'waiting', seq: 1, steps: [open('ok', { status: 'waiting' })] });
  await insertWait(db, waitOf(child, 'ok', { expiresAt: null }));
  expect(await explain(run)).toMatchObject({
    key: 'running.child',
    sentence: `The run waits at "The sub" for the run ${child.runId}. Of that: The run waits at "The ok" for the decision of anyone who may decide: 0 of 1 approval so far.`,
    params: { child_run_id: child.runId, child_key: 'waiting.decision' },
    waiting_for: { kind: 'run', run_id: child.runId, of: { kind: 'decision' } },
    action: post(child, `/waits/${child.runId}~ok`, { decision: 'approve' }),
  });
});

test('pausing, cancelling and each end say what is left to do', async () => {
  const paused = await runAt('paused', open('charge'));
  expect(await explain(paused)).toMatchObject({
    key: 'paused',
    sentence: 'The run is paused: nothing new starts until it is unpaused. 1 of its steps still is under way.',
    action: post(paused, '/unpause'),
  });
  await db
    .updateTable('runs')
    .set({ cancel_requested_at: new Date('2030-01-01') })
    .where('id', '=', paused.runId)
    .execute();
  expect(await explain(paused)).toMatchObject({
    key: 'cancelling',
    sentence: 'The run is being cancelled since 2030-01-01T00:00:00.000Z; still stopping: The charge.',
    action: post(paused, '/terminate'),
  });

  const error: NodeError = { type: 'http_status', message: 'The shop answered 500.', node_id: 'charge' };
  const failed = await runAt('running', stepRecord('charge', 1, { status: 'failed', label: 'Charge', error }));
  await writeEnd(db, failed, { flush: noFlush, end: { status: 'failed', error } });
  expect(await explain(failed)).toMatchObject({
    key: 'failed',
    sentence: 'The run failed at "Charge": The shop answered 500.',
    action: post(failed, '/continue', { from: 'charge/1' }),
    waiting_for: null,
  });
  const refused = await newRun();
  await writeEnd(db, refused, {
    flush: noFlush,
    end: { status: 'failed', error: { type: 'input', message: 'No total' } },
  });
  expect(await explain(refused)).toMatchObject({
    sentence: 'The run failed: No total.',
    action: post(refused, '/replay'),
  });
  const done = await newRun();
  await writeEnd(db, done, { flush: noFlush, end: { status: 'completed', output: inline(1) } });
  expect(await explain(done)).toMatchObject({ key: 'completed', action: null, waiting_for: null });
  const stopped = await newRun();
  await writeEnd(db, stopped, { flush: noFlush, end: { status: 'cancelled', error: null } });
  expect(await explain(stopped)).toMatchObject({ key: 'cancelled', action: post(stopped, '/replay') });
});
