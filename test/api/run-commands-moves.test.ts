import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFlush } from '../../db/run-records.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { HttpConfig } from '../../workflows/definition/nodes/effects.js';
import { defaultPolicy, type PlanNode } from '../../workflows/definition/plan.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { openWaitOf, runAt } from '../support/commands.js';
import { linePlan, pass } from '../support/plans.js';
import { noFlush, stepRecord } from '../support/runs.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';

const temporal = scriptedTemporal();
let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
  person = await api.signUp();
}, 60_000);
afterAll(() => api.close());
beforeEach(() => temporal.play({}));

const command = ({ runId }: RunRef, name: string, body?: object) =>
  person.call('POST', `/v1/runs/${runId}/${name}`, body === undefined ? {} : { body });
const rowOf = ({ runId }: RunRef) =>
  api.db.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirstOrThrow();

describe('pause and unpause', () => {
  test('say where the run stands, and so does its record', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    temporal.play({ pauseRun: () => Promise.resolve({ outcome: 'done', value: { status: 'paused', seq: 4 } }) });
    expect(await command(run, 'pause')).toMatchObject({ status: 200, body: { id: run.runId, status: 'paused' } });
    expect((await rowOf(run)).status).toBe('paused');
    temporal.play({ pauseRun: () => Promise.resolve({ outcome: 'done', value: { status: 'running', seq: 5 } }) });
    expect(await command(run, 'unpause')).toMatchObject({ status: 200, body: { status: 'running' } });
    expect(temporal.asked('pauseRun')).toMatchObject([[run, { paused: false, by: person.userId }]]);
  });

  test('of a run that is so already, or has ended, are 409', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    temporal.play({ pauseRun: () => Promise.resolve({ outcome: 'nothing_to_change', message: 'x' }) });
    expect(await command(run, 'pause')).toMatchObject({ status: 409, body: { detail: 'The run is paused already.' } });
    expect(await command(run, 'unpause')).toMatchObject({ status: 409, body: { detail: 'The run is not paused.' } });
    const ended = await runAt(api.db, person, { status: 'completed' });
    expect((await command(ended, 'pause')).status).toBe(409);
    expect(temporal.asked('pauseRun')).toHaveLength(2);
  });

  test('of a busy run may be tried again', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    temporal.play({ pauseRun: () => Promise.resolve({ outcome: 'busy', message: 'x' }) });
    const refused = await command(run, 'pause');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  });
});

const http: PlanNode = {
  ...{ id: 'call', label: 'call', dialectKind: 'http', policy: defaultPolicy },
  kind: 'http',
  config: HttpConfig.parse({ url: 'https://example.com' }),
};

describe('retry', () => {
  const parkedRun = async () => {
    const run = await runAt(api.db, person, { status: 'waiting', plan: linePlan(http) });
    await writeFlush(api.db, run, { ...noFlush, steps: [stepRecord('call', 1, { status: 'parked' })] });
    return run;
  };

  test('starts a parked node anew, with a change to its configuration', async () => {
    const run = await parkedRun();
    temporal.play({ retryNode: () => Promise.resolve({ outcome: 'done', value: { status: 'running', seq: 7 } }) });
    const patch = { url: 'https://example.com/other', method: 'POST' };
    expect(await command(run, 'retry', { node_id: 'call', patch })).toMatchObject({
      status: 200,
      body: { status: 'running' },
    });
    expect(temporal.asked('retryNode')).toMatchObject([[run, { nodeId: 'call', patch, by: person.userId }]]);
  });

  test('holds the change to the schema of the kind of node', async () => {
    const run = await parkedRun();
    const refused = await command(run, 'retry', { node_id: 'call', patch: { method: 'FETCH' } });
    expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'patch.method' }] } } });
    expect(temporal.asked('retryNode')).toEqual([]);
  });

  test('of a node that is not parked is 409 and names one that is', async () => {
    const run = await parkedRun();
    const refused = await command(run, 'retry', { node_id: 'cal' });
    expect(refused).toMatchObject({ status: 409, body: { detail: '"cal" is not parked; the nearest is "call".' } });
    temporal.play({ retryNode: () => Promise.resolve({ outcome: 'not_parked', message: 'x' }) });
    expect((await command(run, 'retry', { node_id: 'call' })).status).toBe(409);
  });
});

describe('cancel', () => {
  const cancelled: NodeError = { type: 'cancelled', message: 'The run was cancelled.' };

  test('asks the run to stop and remembers who asked first; asked again it answers the same', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    temporal.play({ cancelRun: () => Promise.resolve(true) });
    expect(await command(run, 'cancel', { reason: 'wrong order' })).toMatchObject({
      status: 202,
      body: { id: run.runId, status: 'running' },
    });
    const first = await rowOf(run);
    expect(first).toMatchObject({ cancel_requested_by: person.userId, status: 'running' });
    expect(await command(run, 'cancel')).toMatchObject({ status: 202 });
    expect((await rowOf(run)).cancel_requested_at).toEqual(first.cancel_requested_at);
    const events = await api.db.selectFrom('run_events').selectAll().where('run_id', '=', run.runId).execute();
    expect(events.filter(({ type }) => type === 'cancel')).toMatchObject([
      { data: { by: person.userId, reason: 'wrong order' } },
    ]);
  });

  test('of a run that Temporal does not know leaves no room for it to start later', async () => {
    const run = await runAt(api.db, person, { status: 'queued' });
    expect(await command(run, 'cancel')).toMatchObject({ status: 202, body: { status: 'cancelled' } });
    expect(temporal.asked('takePlace')).toMatchObject([[{ run }]]);
    expect(temporal.asked('startRun')).toEqual([]);
    expect(await rowOf(run)).toMatchObject({ status: 'cancelled', error: cancelled });
    expect(await command(run, 'cancel')).toMatchObject({ status: 202, body: { status: 'cancelled' } });
  });

  test('of a run that is started at that very moment is heard by the run', async () => {
    const run = await runAt(api.db, person, { status: 'queued' });
    let isStarted = false;
    temporal.play({
      takePlace: () => Promise.resolve(!(isStarted = true)),
      cancelRun: () => Promise.resolve(isStarted),
    });
    expect(await command(run, 'cancel')).toMatchObject({ status: 202, body: { status: 'queued' } });
    expect(temporal.asked('cancelRun')).toEqual([[run], [run]]);
  });

  test('is accepted while Temporal is away', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    temporal.play({ cancelRun: () => Promise.reject(new Error('away')) });
    expect(await command(run, 'cancel')).toMatchObject({ status: 202, body: { status: 'running' } });
    expect((await rowOf(run)).cancel_requested_at).not.toBeNull();
  });

  test('of a run that ended in another way is 409', async () => {
    const run = await runAt(api.db, person, { status: 'completed' });
    expect((await command(run, 'cancel')).status).toBe(409);
  });
});

describe('terminate', () => {
  test('ends the record with all that was open in it, and cancels the runs it started', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    const steps = [
      stepRecord('a', 1),
      stepRecord('b', 2, { status: 'running' }),
      stepRecord('c', 3, { status: 'parked' }),
    ];
    await writeFlush(api.db, run, { ...noFlush, steps });
    const token = await openWaitOf(api.db, run);
    const child = await runAt(api.db, person, { status: 'running', parentRunId: run.runId, parentKey: 'sub/1' });
    temporal.play({ terminateRun: () => Promise.resolve(true), cancelRun: () => Promise.resolve(true) });
    expect(await command(run, 'terminate', { reason: 'runs away' })).toMatchObject({
      status: 200,
      body: { status: 'cancelled' },
    });
    expect(await rowOf(run)).toMatchObject({
      status: 'cancelled',
      error: { type: 'terminated', message: 'The run was terminated: runs away' },
    });
    const left = await api.db
      .selectFrom('run_steps')
      .selectAll()
      .where('run_id', '=', run.runId)
      .orderBy('seq')
      .execute();
    expect(left.map(({ status }) => status)).toEqual(['completed', 'cancelled', 'cancelled']);
    const wait = await api.db.selectFrom('waits').selectAll().where('id', '=', token).executeTakeFirstOrThrow();
    expect(wait.status).toBe('denied');
    expect(temporal.asked('cancelRun')).toEqual([[child]]);
    expect((await rowOf(child)).cancel_requested_by).toBe(person.userId);
    expect((await command(run, 'terminate')).status).toBe(200);
  });

  test('needs Temporal, and a run that has not ended', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    temporal.play({ terminateRun: () => Promise.reject(Object.assign(new Error('away'), { code: 14 })) });
    expect((await command(run, 'terminate')).status).toBe(503);
    expect((await rowOf(run)).status).toBe('running');
    const ended = await runAt(api.db, person, { status: 'failed' });
    temporal.play({});
    expect((await command(ended, 'terminate')).status).toBe(409);
  });
});

describe('replay', () => {
  test('is a new run of the same plan and input, or another input', async () => {
    const run = await runAt(api.db, person, { status: 'failed', plan: linePlan(pass('a')), tags: ['t'], priority: 2 });
    for (const [body, input] of [
      [undefined, 'in'],
      [{ input: { other: 1 } }, { other: 1 }],
    ] as const) {
      const replayed = await command(run, 'replay', body);
      expect(replayed).toMatchObject({ status: 202, body: { status: 'queued' } });
      const row = await rowOf({ ...run, runId: String(replayed.body['id']) });
      expect(row).toMatchObject({
        trigger: 'replay',
        origin: { kind: 'replay', run_id: run.runId },
        plan: linePlan(pass('a')),
        input: { json: input },
        tags: ['t'],
        priority: 2,
        actor: person.userId,
      });
    }
  });
});

test('runs of another workspace are not there', async () => {
  const run = await runAt(api.db, person, { status: 'running' });
  const stranger = await api.signUp();
  for (const name of ['pause', 'unpause', 'cancel', 'terminate', 'replay', 'continue']) {
    expect((await stranger.call('POST', `/v1/runs/${run.runId}/${name}`)).status).toBe(404);
  }
});
