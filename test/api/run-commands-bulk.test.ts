import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { agent, linePlan } from '../support/plans.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { publish, runAt, type Published } from '../support/commands.js';
import { noFlush, stepRecord } from '../support/runs.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';

const temporal = scriptedTemporal();
const plan = linePlan(agent('a'), agent('b'));
let api: TestApi;
let person: Person;
let definition: Published;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
}, 60_000);
afterAll(() => api.close());
beforeEach(async () => {
  temporal.play({});
  person = await api.signUp();
  definition = await publish(api.db, person, { slug: 'many', plan });
});

const open = (tags: readonly string[] = []) => runAt(api.db, person, { status: 'running', definition, plan, tags });

async function failed(type: string, message: string): Promise<RunRef> {
  const run = await open();
  const error = { type, message, node_id: 'b' };
  const steps = [stepRecord('a', 1, { output: { json: 1 } }), stepRecord('b', 2, { status: 'failed', error })];
  await writeEnd(api.db, run, { flush: { ...noFlush, steps, seq: 2 }, end: { status: 'failed', error } });
  return run;
}

const bulk = (body: object) => person.call('POST', '/v1/runs/bulk', { body });
const ids = (runs: readonly RunRef[]): readonly string[] => runs.map(({ runId }) => runId);
const cancelledIds = () => temporal.asked('cancelRun').map(([run]) => (run as RunRef).runId);

describe('POST /v1/runs/bulk', () => {
  test('acts on the runs that a filter finds, and only where the action can be meant', async () => {
    const tagged = [await open(['x']), await open(['x', 'y'])];
    await open();
    await failed('http_500', 'x');
    temporal.play({ cancelRun: () => Promise.resolve(true) });
    const filter = { tag: 'x', definition: 'many' };
    expect(await bulk({ filter, action: 'cancel' })).toMatchObject({
      status: 200,
      body: { matched: 2, done: 2, failed: [] },
    });
    expect(cancelledIds().toSorted()).toEqual(ids(tagged).toSorted());
  });

  test('goes on where the last call ended', async () => {
    const runs = [await open(['p']), await open(['p']), await open(['p'])];
    temporal.play({ cancelRun: () => Promise.resolve(true) });
    const body = { filter: { tag: 'p' }, action: 'cancel', limit: 2 };
    const first = await bulk(body);
    expect(first.body).toMatchObject({ matched: 2, next_cursor: expect.any(String) });
    const second = await bulk({ ...body, cursor: first.body['next_cursor'] });
    expect(second.body).toEqual({ matched: 1, done: 1, failed: [] });
    expect(cancelledIds().toSorted()).toEqual(ids(runs).toSorted());
    expect((await bulk({ ...body, cursor: 'x' })).status).toBe(422);
  });

  test('says of each run why it did not work', async () => {
    const [ended, running] = [await failed('http_500', 'x'), await open()];
    temporal.play({ terminateRun: () => Promise.resolve(true) });
    const unknown = 'run_00000000000000000000000000';
    const done = await bulk({ filter: { ids: [ended.runId, running.runId, unknown] }, action: 'terminate' });
    expect(done.body).toMatchObject({ matched: 2, done: 1 });
    expect(done.body['failed']).toEqual([
      { id: ended.runId, error: expect.stringContaining('has ended') },
      { id: unknown, error: expect.stringContaining(unknown) },
    ]);
  });

  test('continues all failures of one cause', async () => {
    const [one, two] = [await failed('http_500', 'Order 1 failed'), await failed('http_500', 'Order 2 failed')];
    await failed('timeout', 'Too late');
    const groups = await person.call('GET', '/v1/runs/failures');
    const [group] = (groups.body['items'] as { fingerprint: string; count: number }[]).filter(
      ({ count }) => count === 2,
    );
    const done = await bulk({ filter: { fingerprint: group?.fingerprint }, action: 'continue' });
    expect(done.body).toMatchObject({ matched: 2, done: 2 });
    const made = await api.db
      .selectFrom('runs')
      .selectAll()
      .where('trigger', '=', 'continue')
      .where('definition_id', '=', definition.id)
      .execute();
    expect(made.map(({ origin }) => String(origin?.run_id)).toSorted()).toEqual(ids([one, two]).toSorted());
  });

  test('retries every parked node', async () => {
    const run = await open();
    await writeFlush(api.db, run, {
      ...noFlush,
      steps: [stepRecord('a', 1, { status: 'parked' }), stepRecord('b', 2, { status: 'parked' })],
    });
    await open();
    temporal.play({ retryNode: () => Promise.resolve({ outcome: 'done', value: { status: 'running', seq: 3 } }) });
    expect((await bulk({ filter: { definition: 'many' }, action: 'retry' })).body).toMatchObject({
      matched: 1,
      done: 1,
    });
    expect(temporal.asked('retryNode')).toMatchObject([
      [run, { nodeId: 'a' }],
      [run, { nodeId: 'b' }],
    ]);
  });

  test('refuses a filter that names nothing', async () => {
    expect(await bulk({ filter: {}, action: 'cancel' })).toMatchObject({
      status: 422,
      body: { error: { details: [{ field: 'filter' }] } },
    });
  });

  test('reaches no run of another workspace', async () => {
    const run = await open(['z']);
    const stranger = await api.signUp();
    const filter = { ids: [run.runId] };
    const done = await stranger.call('POST', '/v1/runs/bulk', { body: { filter, action: 'cancel' } });
    expect(done.body).toMatchObject({ matched: 0, done: 0, failed: [{ id: run.runId }] });
    expect(temporal.asked('cancelRun')).toEqual([]);
  });
});

test('failures are grouped by what they failed of', async () => {
  const [, newest] = [await failed('http_500', 'Order 1 failed'), await failed('http_500', 'Order 2 failed')];
  await failed('timeout', 'Too late');
  const groups = await person.call('GET', '/v1/runs/failures?definition=many');
  expect(groups.status).toBe(200);
  expect(groups.body['items']).toMatchObject([
    { count: 1, type: 'timeout', definition_id: definition.id },
    { count: 2, type: 'http_500', node_id: 'b', message: 'Order 2 failed' },
  ]);
  const [, twice] = groups.body['items'] as { run_ids: string[] }[];
  expect(twice?.run_ids[0]).toBe(newest.runId);
});
