import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeEnd } from '../../db/run-records.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { createRunEventService } from '../../api/services/run-events.js';
import { createRunService } from '../../api/services/runs.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { openWaitOf, runAt } from '../support/commands.js';
import { noFlush } from '../support/runs.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';

const temporal = scriptedTemporal();
const log = { warn: () => undefined };
let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
  person = await api.signUp();
}, 60_000);
afterAll(() => api.close());
beforeEach(() => temporal.play({ signalEvent: () => Promise.resolve(true) }));

const raise = (body: object, headers: Record<string, string> = {}) =>
  person.call('POST', '/v1/events', { body, headers });

async function waitingFor(name: string, key: string | null, status: 'waiting' | 'queued' = 'waiting'): Promise<RunRef> {
  const run = await runAt(api.db, person, { status });
  await openWaitOf(api.db, run, { nodeId: 'w', kind: 'event', event: { name, key } });
  return run;
}

const eventOf = (id: string) => api.db.selectFrom('events').selectAll().where('event_id', '=', id).executeTakeFirst();
const told = () => temporal.asked('signalEvent').map(([run]) => (run as RunRef).runId);

describe('POST /v1/events', () => {
  test('tells every run that waits for it, by key, and keeps it', async () => {
    const [exact, any] = [await waitingFor('paid', '7'), await waitingFor('paid', null)];
    await waitingFor('paid', '8');
    await waitingFor('shipped', '7');
    const raised = await raise({ name: 'paid', key: '7', id: 'e1', payload: { amount: 3 } });
    expect(raised).toMatchObject({ status: 202, body: { id: 'e1', duplicate: false } });
    expect(raised.body['delivered_to']).toEqual([exact.runId, any.runId].toSorted());
    expect(temporal.asked('signalEvent')).toHaveLength(2);
    expect(temporal.asked('signalEvent')[0]?.[1]).toEqual({
      ...{ id: 'e1', name: 'paid', key: '7' },
      payload: { json: { amount: 3 } },
    });
    expect(await eventOf('e1')).toMatchObject({ name: 'paid', delivered_at: expect.any(Date) });
  });

  test('is one event for one id: a double is said to be one, and nobody hears of it again', async () => {
    const run = await waitingFor('once', null);
    await raise({ name: 'once', id: 'e2' });
    expect((await raise({ name: 'once', id: 'e2' })).body).toEqual({ id: 'e2', duplicate: true, delivered_to: [] });
    expect(told()).toEqual([run.runId]);
    expect((await raise({ name: 'once', key: 'k', id: 'e2' })).body).toMatchObject({ duplicate: false });
  });

  test('without an id is one event for one request', async () => {
    const headers = { 'Idempotency-Key': 'event-once' };
    const [one, two] = [await raise({ name: 'free' }, headers), await raise({ name: 'free' }, headers)];
    expect(two.body['id']).toBe(one.body['id']);
    expect((await raise({ name: 'free' })).body['id']).not.toBe(one.body['id']);
  });

  test('of which a large payload travels as a reference', async () => {
    await waitingFor('large', null);
    await raise({ name: 'large', id: 'e3', payload: 'x'.repeat(100_000) });
    expect(temporal.asked('signalEvent')[0]?.[1]).toMatchObject({ payload: { ref: expect.stringMatching(/^blob_/) } });
  });

  test('that could not be told at once is told when Temporal answers, once', async () => {
    const run = await waitingFor('later', null);
    temporal.play({ signalEvent: () => Promise.reject(new Error('away')) });
    expect(await raise({ name: 'later', id: 'e4' })).toMatchObject({ status: 202, body: { delivered_to: [] } });
    await api.db
      .updateTable('events')
      .set({ created_at: new Date(Date.now() - 60_000) })
      .where('event_id', '=', 'e4')
      .execute();
    await api.db
      .updateTable('waits')
      .set({ created_at: new Date(Date.now() - 90_000) })
      .where('run_id', '=', run.runId)
      .execute();
    temporal.play({ signalEvent: () => Promise.resolve(true) });
    const { db } = api;
    const { gateway } = temporal;
    const events = createRunEventService({
      db,
      log,
      temporal: gateway,
      runs: createRunService({ db, log, temporal: gateway }),
    });
    await events.deliverPending();
    await events.deliverPending();
    expect(told().filter((runId) => runId === run.runId)).toEqual([run.runId]);
  });

  test('that is older than the wait is left to the run to find', async () => {
    await raise({ name: 'early', id: 'e5' });
    await api.db
      .updateTable('events')
      .set({ created_at: new Date(Date.now() - 60_000), delivered_at: null })
      .where('event_id', '=', 'e5')
      .execute();
    await waitingFor('early', null);
    expect((await raise({ name: 'early', id: 'e5' })).body).toEqual({ id: 'e5', duplicate: true, delivered_to: [] });
    expect(told()).toEqual([]);
  });
});

describe('POST /v1/runs/{id}/events', () => {
  const raiseOn = ({ runId }: RunRef, body: object) => person.call('POST', `/v1/runs/${runId}/events`, { body });

  test('tells this run alone', async () => {
    const run = await waitingFor('mine', null);
    await waitingFor('mine', null);
    const raised = await raiseOn(run, { name: 'mine', id: 'r1', payload: 1 });
    expect(raised).toMatchObject({ status: 202, body: { id: 'r1', duplicate: false, delivered_to: [run.runId] } });
    expect(temporal.asked('signalEvent')).toEqual([[run, { id: 'r1', name: 'mine', key: null, payload: { json: 1 } }]]);
    expect(await eventOf('r1')).toBeUndefined();
  });

  test('starts a run first that Temporal has not heard of', async () => {
    const run = await runAt(api.db, person, { status: 'queued' });
    let isStarted = false;
    temporal.play({
      startRun: () => Promise.resolve(void (isStarted = true)),
      signalEvent: () => Promise.resolve(isStarted),
    });
    expect((await raiseOn(run, { name: 'x' })).status).toBe(202);
  });

  test('of a run that has ended is 409, and of nobody’s 404', async () => {
    const run = await runAt(api.db, person, { status: 'running' });
    await writeEnd(api.db, run, { flush: { ...noFlush, seq: 2 }, end: { status: 'completed', output: { json: 1 } } });
    expect((await raiseOn(run, { name: 'x' })).status).toBe(409);
    expect((await raiseOn({ ...run, runId: 'run_unknown' }, { name: 'x' })).status).toBe(404);
    const open = await runAt(api.db, person, { status: 'running' });
    temporal.play({ signalEvent: () => Promise.resolve(false) });
    expect((await raiseOn(open, { name: 'x' })).status).toBe(409);
  });
});
