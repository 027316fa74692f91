import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Client, ScheduleNotFoundError, type Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createScheduleActivities } from '../../activities/schedules.js';
import { ApiError } from '../../api/http/errors.js';
import { createScheduleService, type ScheduleService } from '../../api/services/schedules.js';
import { createScheduleGateway } from '../../api/temporal/schedules.js';
import { newSeed } from '../../db/ids.js';
import { runWorkflowId, scheduleTemporalId } from '../../workflows/contract/ids.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import type { RunInput, RunStatus } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import {
  bundleTicks,
  createTestDatabase,
  seedChain,
  seedWorkspace,
  startTemporal,
  type TestDatabase,
} from './setup.js';

const REPLAY = fileURLToPath(new URL('../../../test/replay/', import.meta.url));

let env: TestWorkflowEnvironment;
let database: TestDatabase;
let service: ScheduleService;
let away: ScheduleService;
let awayConnection: Connection;
let workspaceId: string;
let started: RunInput[];

jest.setTimeout(60_000);

beforeAll(async () => {
  [env, database] = await Promise.all([startTemporal(), createTestDatabase()]);
  awayConnection = await connectThenLose(env.address);
  const runs = { startRun: (input: RunInput) => Promise.resolve(void started.push(input)) };
  const { db } = database;
  service = createScheduleService({ db, runs, schedules: createScheduleGateway({ client: env.client }) });
  const awayClient = new Client({ connection: awayConnection });
  away = createScheduleService({ db, runs, schedules: createScheduleGateway({ client: awayClient }) });
});
afterAll(async () => {
  await awayConnection.close();
  await Promise.all([env.teardown(), database.close()]);
});
beforeEach(async () => {
  started = [];
  ({ workspaceId } = await seedWorkspace(database.db));
});

const DAILY = { cron_expr: '0 9 * * *', prompt: 'Good morning' };

const create = (input: Parameters<ScheduleService['create']>[0]['input'], by = service) =>
  by.create({ workspaceId, seed: newSeed(), input });

const inTemporal = (scheduleId: string) =>
  env.client.schedule.getHandle(scheduleTemporalId(workspaceId, scheduleId)).describe();

async function refusal(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof ApiError
    ? { status: error.status, message: error.message, fields: error.details.map(({ field }) => field) }
    : error;
}

async function addRun(
  scheduleId: string,
  run: { readonly status: RunStatus; readonly output?: Json; readonly error?: string },
): Promise<void> {
  const { run_id: runId } = await service.fire({ workspaceId, scheduleId, seed: newSeed(), actor: 'test' });
  await database.db
    .updateTable('runs')
    .set({
      status: run.status,
      started_at: new Date(Date.now() - 1_500),
      ended_at: run.status === 'running' ? null : new Date(),
      output: run.output === undefined ? null : JSON.stringify({ json: run.output }),
      error: run.error === undefined ? null : JSON.stringify({ type: 'Failed', message: run.error }),
    })
    .where('id', '=', runId)
    .execute();
}

const rowOf = async (scheduleId: string) => (await service.list(workspaceId)).find(({ id }) => id === scheduleId);

describe('create', () => {
  test('answers with the next time and gives Temporal the schedule', async () => {
    const { id, ...reply } = await create({ ...DAILY, timezone: 'America/New_York', name: 'Morning' });
    expect(reply).toEqual({ status: 'created', next_run_at: expect.any(Date) });
    const { spec, state, policies, action, info } = await inTemporal(id);
    expect(spec.timezone).toBe('America/New_York');
    expect(spec.calendars).toHaveLength(1);
    expect(state.paused).toBe(false);
    expect(policies).toMatchObject({ overlap: 'ALLOW_ALL', catchupWindow: 25 * 3_600_000 });
    expect(action).toMatchObject({
      workflowType: 'cronTick',
      taskQueue: ENGINE_QUEUE,
      args: [{ workspaceId, scheduleId: id }],
    });
    expect(reply.next_run_at).toEqual(info.nextActionTimes[0]);
    expect(await service.list(workspaceId)).toMatchObject([
      {
        id,
        workspace_id: workspaceId,
        name: 'Morning',
        cron_expr: '0 9 * * *',
        expression: '0 9 * * *',
        timezone: 'America/New_York',
        prompt: 'Good morning',
        chain: null,
        enabled: true,
        overlap: 'skip',
        source: 'runtime',
        next_run_at: reply.next_run_at,
        last_run_at: null,
        run_count: 0,
        last_status: null,
        last_error: null,
      },
    ]);
  });

  test('takes `expression`, drops carriage returns and starts paused when disabled', async () => {
    const { id, next_run_at: next } = await create({ expression: '@daily', prompt: 'a\r\nb', enabled: false });
    expect(next).toBeNull();
    expect(await rowOf(id)).toMatchObject({ cron_expr: '0 0 * * *', prompt: 'a\nb', name: 'a', enabled: false });
    expect((await inTemporal(id)).state.paused).toBe(true);
  });

  test('a repeated request is one schedule', async () => {
    const request = { workspaceId, seed: newSeed(), input: DAILY };
    expect((await service.create(request)).id).toBe((await service.create(request)).id);
    expect(await service.list(workspaceId)).toHaveLength(1);
  });

  test.each([
    [{}, 'cron_expr and prompt are required', ['cron_expr', 'prompt']],
    [{ prompt: 'x' }, 'cron_expr and prompt are required', ['cron_expr']],
    [{ cron_expr: '0 9 * * *', prompt: ' \r\n' }, 'cron_expr and prompt are required', ['prompt']],
    [{ ...DAILY, timezone: 'Mars/Olympus' }, 'invalid timezone: Mars/Olympus', ['timezone']],
    [{ ...DAILY, cron_expr: '61 * * * *' }, expect.stringContaining('invalid cron expression'), ['cron_expr']],
    [{ expression: 'nope', prompt: 'x' }, expect.stringContaining('invalid cron expression'), ['expression']],
    [{ ...DAILY, prompt: { chain: 'none' } }, 'prompt.chain: no chain "none" in this workspace', ['prompt.chain']],
    [{ ...DAILY, chain: 'none' }, 'chain: no chain "none" in this workspace', ['chain']],
    [{ ...DAILY, prompt: 'x'.repeat(70_000) }, expect.stringContaining('more than a schedule takes'), ['prompt']],
  ])('%j is 400', async (input, message, fields) => {
    expect(await refusal(create(input))).toEqual({ status: 400, message, fields });
    expect(await service.list(workspaceId)).toEqual([]);
  });

  test.each([
    ['an object', (chain: string) => ({ prompt: { chain, input: { a: 1 } } })],
    ['JSON in the prompt', (chain: string) => ({ prompt: JSON.stringify({ chain, input: { a: 1 } }) })],
    ['keys of its own', (chain: string) => ({ chain, input: { a: 1 } })],
  ])('runs a chain given as %s', async (_, input) => {
    await seedChain(database.db, workspaceId, 'nightly');
    const { id } = await create({ cron_expr: '0 9 * * *', ...input('nightly') });
    expect(await rowOf(id)).toMatchObject({
      chain: 'nightly',
      prompt: '{"chain":"nightly","input":{"a":1}}',
      name: 'nightly',
    });
  });

  test('a chain of another workspace is not there', async () => {
    const other = await seedWorkspace(database.db);
    await seedChain(database.db, other.workspaceId, 'theirs');
    expect(await refusal(create({ cron_expr: '0 9 * * *', chain: 'theirs' }))).toMatchObject({ status: 400 });
  });
});

describe('update', () => {
  test('changes what is named and tells Temporal', async () => {
    const { id } = await create(DAILY);
    const key = { workspaceId, scheduleId: id };
    expect(await service.update({ ...key, input: { expression: '30 7 * * 1', timezone: 'Europe/Berlin' } })).toEqual({
      status: 'updated',
    });
    const next = (await inTemporal(id)).info.nextActionTimes[0];
    expect(await rowOf(id)).toMatchObject({ cron_expr: '30 7 * * 1', prompt: 'Good morning', next_run_at: next });
    await service.update({ ...key, input: { enabled: false } });
    expect((await inTemporal(id)).state.paused).toBe(true);
    expect(await rowOf(id)).toMatchObject({ enabled: false, next_run_at: null });
    await service.update({ ...key, input: { enabled: true, name: 'New', prompt: 'x\r' } });
    expect(await rowOf(id)).toMatchObject({ enabled: true, name: 'New', prompt: 'x', cron_expr: '30 7 * * 1' });
    expect((await inTemporal(id)).state.paused).toBe(false);
  });

  test('goes from prompt to chain and back', async () => {
    await seedChain(database.db, workspaceId, 'nightly');
    const { id } = await create(DAILY);
    const key = { workspaceId, scheduleId: id };
    expect(await refusal(service.update({ ...key, input: { input: 1 } }))).toMatchObject({
      status: 400,
      fields: ['input'],
    });
    await service.update({ ...key, input: { chain: 'nightly' } });
    await service.update({ ...key, input: { input: 'later' } });
    expect(await rowOf(id)).toMatchObject({ chain: 'nightly', prompt: '{"chain":"nightly","input":"later"}' });
    await service.update({ ...key, input: { prompt: 'again' } });
    expect(await rowOf(id)).toMatchObject({ chain: null, prompt: 'again' });
  });

  test('refuses a wrong field and leaves the row as it was', async () => {
    const { id } = await create(DAILY);
    const update = (input: object) => refusal(service.update({ workspaceId, scheduleId: id, input }));
    expect(await update({ cron_expr: '* *' })).toMatchObject({ status: 400, fields: ['cron_expr'] });
    expect(await update({ timezone: 'X/Y' })).toMatchObject({ status: 400, fields: ['timezone'] });
    expect(await update({ prompt: '' })).toMatchObject({ status: 400, fields: ['prompt'] });
    expect(await rowOf(id)).toMatchObject({ cron_expr: '0 9 * * *', timezone: 'UTC', prompt: 'Good morning' });
  });
});

test('delete removes it here and in Temporal', async () => {
  const { id } = await create(DAILY);
  expect(await service.remove({ workspaceId, scheduleId: id })).toEqual({ status: 'deleted' });
  expect(await service.list(workspaceId)).toEqual([]);
  await expect(inTemporal(id)).rejects.toThrow(ScheduleNotFoundError);
  expect(await refusal(service.remove({ workspaceId, scheduleId: id }))).toMatchObject({ status: 404 });
});

test('an unknown or foreign schedule is not there', async () => {
  const { id } = await create(DAILY);
  const { workspaceId: other } = await seedWorkspace(database.db);
  for (const key of [
    { workspaceId, scheduleId: 'sch_none' },
    { workspaceId: other, scheduleId: id },
  ]) {
    expect(await refusal(service.update({ ...key, input: {} }))).toMatchObject({ status: 404 });
    expect(await refusal(service.remove(key))).toMatchObject({ status: 404 });
    expect(await refusal(service.fire({ ...key, seed: newSeed(), actor: 'x' }))).toMatchObject({ status: 404 });
    expect(await service.history(key)).toEqual([]);
  }
});

describe('run now', () => {
  test('starts a run even of a disabled schedule, once a request', async () => {
    const { id } = await create({ ...DAILY, enabled: false });
    const request = { workspaceId, scheduleId: id, seed: newSeed(), actor: 'user:usr_1' };
    const fired = await service.fire(request);
    expect(fired).toEqual({
      status: 'fired',
      workspace_id: workspaceId,
      prompt: 'Good morning',
      run_id: expect.stringMatching(/^run_/),
    });
    expect(await service.fire(request)).toEqual(fired);
    expect(started[0]).toMatchObject({ run: { workspaceId, runId: fired.run_id }, input: { json: 'Good morning' } });
    expect(await rowOf(id)).toMatchObject({ run_count: 1, next_run_at: null, last_run_at: expect.any(Date) });
    expect(await service.history(request)).toMatchObject([{ status: 'running', run_id: fired.run_id }]);
  });

  test('says why a chain cannot run', async () => {
    const chain = await seedChain(database.db, workspaceId, 'nightly');
    const { id } = await create({ cron_expr: '0 9 * * *', chain: 'nightly' });
    await database.db.updateTable('definitions').set({ status: 'paused' }).where('id', '=', chain.id).execute();
    expect(await refusal(service.fire({ workspaceId, scheduleId: id, seed: newSeed(), actor: 'x' }))).toMatchObject({
      status: 409,
      message: expect.stringContaining('chain "nightly" is paused'),
    });
  });
});

describe('history and last status', () => {
  test('follow the runs and skipped ticks', async () => {
    const { id } = await create(DAILY);
    const key = { workspaceId, scheduleId: id };
    await addRun(id, { status: 'completed', output: { text: 'done' } });
    expect(await rowOf(id)).toMatchObject({ last_status: 'success', last_error: null, run_count: 1 });
    await addRun(id, { status: 'failed', error: 'HTTP 500' });
    expect(await rowOf(id)).toMatchObject({ last_status: 'error', last_error: 'HTTP 500', run_count: 2 });
    await addRun(id, { status: 'running' });
    expect(await rowOf(id)).toMatchObject({ last_status: 'error', run_count: 3 });
    const { beginTick, skipTick } = createScheduleActivities({ db: database.db });
    const tick = { ...key, scheduledAt: new Date().toISOString() };
    const decision = await beginTick(tick);
    if (decision.action !== 'busy') throw new Error(`unexpected ${decision.action}`);
    await skipTick({ ...tick, reason: decision.reason });
    expect(await rowOf(id)).toMatchObject({
      last_status: 'skipped',
      last_error: expect.stringMatching(/^skipped: workspace busy \(active_tasks=1\)/),
      run_count: 4,
    });
    expect(await service.history(key)).toMatchObject([
      { status: 'skipped', run_id: null, error_detail: expect.stringContaining('active_tasks=1') },
      { status: 'running', error_detail: null },
      { status: 'error', error_detail: 'HTTP 500', duration_ms: expect.any(Number) },
      { status: 'success', error_detail: null, request: { schedule_id: id, prompt: 'Good morning' } },
    ]);
  });

  test.each<readonly [Json, string]>([
    ['', 'stale'],
    [null, 'stale'],
    [{ text: ' ' }, 'stale'],
    ['hello', 'success'],
    [{ text: 'hello' }, 'success'],
    [{ rows: [] }, 'success'],
  ])('three replies of %j are %s', async (output, status) => {
    const { id } = await create(DAILY);
    await addRun(id, { status: 'completed', output });
    await addRun(id, { status: 'completed', output });
    expect(await rowOf(id)).toMatchObject({ last_status: 'success' });
    await addRun(id, { status: 'completed', output });
    expect(await rowOf(id)).toMatchObject({ last_status: status });
  });

  test('history is the last twenty, newest first', async () => {
    const { id } = await create(DAILY);
    for (let i = 0; i < 22; i += 1) await addRun(id, { status: 'completed', output: `${i}` });
    const history = await service.history({ workspaceId, scheduleId: id });
    expect(history).toHaveLength(20);
    expect(history.map(({ timestamp }) => timestamp.getTime())).toEqual(
      history.map(({ timestamp }) => timestamp.getTime()).toSorted((a, b) => b - a),
    );
  });
});

describe('while Temporal is away', () => {
  test('requests are answered, and a sweep makes up for it', async () => {
    const { id, next_run_at: next } = await create(DAILY, away);
    expect(next).toEqual(expect.any(Date));
    await expect(inTemporal(id)).rejects.toThrow(ScheduleNotFoundError);
    expect(await away.syncPending()).toBe(0);
    expect(await service.syncPending()).toBe(1);
    expect((await inTemporal(id)).info.nextActionTimes[0]).toEqual(next);
    await away.remove({ workspaceId, scheduleId: id });
    expect(await service.list(workspaceId)).toEqual([]);
    expect((await inTemporal(id)).state.paused).toBe(false);
    expect(await service.syncPending()).toBe(1);
    await expect(inTemporal(id)).rejects.toThrow(ScheduleNotFoundError);
    expect(await service.syncPending()).toBe(0);
    expect(await database.db.selectFrom('schedules').select('id').where('id', '=', id).execute()).toEqual([]);
  });

  test('a next time that is over is reckoned anew', async () => {
    const { id, next_run_at: next } = await create(DAILY);
    for (const by of [service, away]) {
      await database.db
        .updateTable('schedules')
        .set({ next_run_at: new Date(0) })
        .where('id', '=', id)
        .execute();
      expect(await by.list(workspaceId)).toMatchObject([{ next_run_at: next }]);
      expect(await database.db.selectFrom('schedules').select('next_run_at').where('id', '=', id).execute()).toEqual([
        { next_run_at: next },
      ]);
    }
  });

  test('a schedule is renewed when its corrections run out', async () => {
    const { id } = await create(DAILY);
    expect(await service.syncPending()).toBe(0);
    await database.db
      .updateTable('schedules')
      .set({ resync_at: new Date(0) })
      .where('id', '=', id)
      .execute();
    expect(await service.syncPending()).toBe(1);
    expect(await service.syncPending()).toBe(0);
  });
});

describe('setChainSchedule', () => {
  test('keeps one schedule a chain, which only the chain changes', async () => {
    const chain = await seedChain(database.db, workspaceId, 'nightly');
    const ref = { workspaceId, chainId: chain.id };
    const wanted = { ...ref, name: 'Nightly', cron: '0 2 * * *', timezone: 'Europe/Berlin' };
    await Promise.all([service.setChainSchedule(wanted), service.setChainSchedule(wanted)]);
    const [row, ...more] = await service.list(workspaceId);
    expect(more).toEqual([]);
    expect(row).toMatchObject({
      source: 'chain',
      chain: 'nightly',
      prompt: '{"chain":"nightly"}',
      cron_expr: '0 2 * * *',
    });
    const key = { workspaceId, scheduleId: row?.id ?? '' };
    const refused = { status: 409, message: expect.stringContaining('chain "nightly"') };
    expect(await refusal(service.update({ ...key, input: { enabled: false } }))).toMatchObject(refused);
    expect(await refusal(service.remove(key))).toMatchObject(refused);
    expect(await service.fire({ ...key, seed: newSeed(), actor: 'x' })).toMatchObject({ status: 'fired' });
    expect(started[0]).toMatchObject({ source: { versionId: chain.versionId } });
    await service.setChainSchedule({ ...wanted, cron: '0 3 * * *' });
    expect(await service.list(workspaceId)).toMatchObject([{ id: key.scheduleId, cron_expr: '0 3 * * *' }]);
    await service.setChainSchedule({ ...ref, cron: null });
    await service.setChainSchedule({ ...ref, cron: null });
    expect(await service.list(workspaceId)).toEqual([]);
    await expect(inTemporal(key.scheduleId)).rejects.toThrow(ScheduleNotFoundError);
  });

  test('a chain of another workspace is not there', async () => {
    const { workspaceId: other } = await seedWorkspace(database.db);
    const chain = await seedChain(database.db, other, 'theirs');
    expect(await refusal(service.setChainSchedule({ workspaceId, chainId: chain.id, cron: null }))).toMatchObject({
      status: 404,
    });
  });
});

test('Temporal fires it and the run starts', async () => {
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: ENGINE_QUEUE,
    workflowBundle: await bundleTicks(),
    activities: { ...createScheduleActivities({ db: database.db }) },
  });
  await worker.runUntil(async () => {
    const { id } = await create(DAILY);
    const handle = env.client.schedule.getHandle(scheduleTemporalId(workspaceId, id));
    await handle.trigger();
    const workflowId = await eventually(
      async () => (await handle.describe()).info.recentActions[0]?.action.workflow.workflowId,
    );
    const tick = env.client.workflow.getHandle(workflowId);
    expect(await tick.result()).toBe('started');
    const [entry] = await service.history({ workspaceId, scheduleId: id });
    expect(entry).toMatchObject({ status: 'running', request: { scheduled_at: expect.any(Date) } });
    const runId = entry?.run_id ?? '';
    expect(await env.client.workflow.getHandle(runWorkflowId(workspaceId, runId)).result()).toMatchObject({
      run: { workspaceId, runId },
      input: { json: 'Good morning' },
    });
    const { searchAttributes } = await tick.describe();
    expect(searchAttributes['TemporalScheduledStartTime']).toEqual([entry?.request.scheduled_at]);
    if (process.env['RECORD_HISTORIES'] === '1') {
      const history = historyToJSON(await tick.fetchHistory()).replaceAll(
        /"identity": "[^"]*"/g,
        '"identity": "worker"',
      );
      await writeFile(`${REPLAY}cron-tick-fired.json`, history);
    }
  });
});

/** Asks until there is an answer; the test's own time limit is the only one. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
}
