import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ScheduleNotFoundError } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { createScheduleActivities } from '../../activities/schedules.js';
import type { ScheduleService } from '../../api/services/schedules.js';
import { newSeed } from '../../db/ids.js';
import { runWorkflowId, scheduleTemporalId } from '../../workflows/contract/ids.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import type { RunStatus } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import {
  DAILY,
  openBench,
  refusal,
  startScheduleHarness,
  type ScheduleBench,
  type ScheduleHarness,
} from './harness.js';
import { bundleTicks, record, seedChain, seedWorkspace } from './setup.js';

let harness: ScheduleHarness;
let service: ScheduleService;
let workspaceId: string;
let create: ScheduleBench['create'];
let inTemporal: ScheduleBench['inTemporal'];
let rowOf: ScheduleBench['rowOf'];

jest.setTimeout(60_000);
beforeAll(async () => {
  harness = await startScheduleHarness();
  ({ service } = harness);
});
afterAll(async () => {
  await harness.close();
});
beforeEach(async () => {
  ({ workspaceId, create, inTemporal, rowOf } = await openBench(harness));
});

async function addRun(
  scheduleId: string,
  run: { readonly status: RunStatus; readonly output?: Json; readonly error?: string },
): Promise<void> {
  const { run_id: runId } = await service.fire({ workspaceId, scheduleId, seed: newSeed(), actor: 'test' });
  await harness.db
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
    const { beginTick, skipTick } = createScheduleActivities({ db: harness.db });
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
    const { id, next_run_at: next } = await create(DAILY, harness.away);
    expect(next).toEqual(expect.any(Date));
    await expect(inTemporal(id)).rejects.toThrow(ScheduleNotFoundError);
    expect(await harness.away.syncPending()).toBe(0);
    expect(await service.syncPending()).toBe(1);
    expect((await inTemporal(id)).info.nextActionTimes[0]).toEqual(next);
    await harness.away.remove({ workspaceId, scheduleId: id });
    expect(await service.list(workspaceId)).toEqual([]);
    expect((await inTemporal(id)).state.paused).toBe(false);
    expect(await service.syncPending()).toBe(1);
    await expect(inTemporal(id)).rejects.toThrow(ScheduleNotFoundError);
    expect(await service.syncPending()).toBe(0);
    expect(await harness.db.selectFrom('schedules').select('id').where('id', '=', id).execute()).toEqual([]);
  });

  test('a next time that is over is reckoned anew', async () => {
    const { id, next_run_at: next } = await create(DAILY);
    for (const by of [service, harness.away]) {
      await harness.db
        .updateTable('schedules')
        .set({ next_run_at: new Date(0) })
        .where('id', '=', id)
        .execute();
      expect(await by.list(workspaceId)).toMatchObject([{ next_run_at: next }]);
      expect(await harness.db.selectFrom('schedules').select('next_run_at').where('id', '=', id).execute()).toEqual([
        { next_run_at: next },
      ]);
    }
  });

  test('a schedule is renewed when its corrections run out', async () => {
    const { id } = await create(DAILY);
    expect(await service.syncPending()).toBe(0);
    await harness.db
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
    const chain = await seedChain(harness.db, workspaceId, 'nightly');
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
    expect(harness.started.at(-1)).toMatchObject({ source: { versionId: chain.versionId } });
    await service.setChainSchedule({ ...wanted, cron: '0 3 * * *' });
    expect(await service.list(workspaceId)).toMatchObject([{ id: key.scheduleId, cron_expr: '0 3 * * *' }]);
    await service.setChainSchedule({ ...ref, cron: null });
    await service.setChainSchedule({ ...ref, cron: null });
    expect(await service.list(workspaceId)).toEqual([]);
    await expect(inTemporal(key.scheduleId)).rejects.toThrow(ScheduleNotFoundError);
  });

  test('a chain of another workspace is not there', async () => {
    const { workspaceId: other } = await seedWorkspace(harness.db);
    const chain = await seedChain(harness.db, other, 'theirs');
    expect(await refusal(service.setChainSchedule({ workspaceId, chainId: chain.id, cron: null }))).toMatchObject({
      status: 404,
    });
  });
});

test('Temporal fires it and the run starts', async () => {
  const worker = await Worker.create({
    connection: harness.env.nativeConnection,
    taskQueue: ENGINE_QUEUE,
    workflowBundle: await bundleTicks(),
    activities: { ...createScheduleActivities({ db: harness.db }) },
  });
  await worker.runUntil(async () => {
    const { id } = await create(DAILY);
    const handle = harness.env.client.schedule.getHandle(scheduleTemporalId(workspaceId, id));
    await handle.trigger();
    const workflowId = await eventually(
      async () => (await handle.describe()).info.recentActions[0]?.action.workflow.workflowId,
    );
    const tick = harness.env.client.workflow.getHandle(workflowId);
    expect(await tick.result()).toBe('started');
    const [entry] = await service.history({ workspaceId, scheduleId: id });
    expect(entry).toMatchObject({ status: 'running', request: { scheduled_at: expect.any(Date) } });
    const runId = entry?.run_id ?? '';
    expect(await harness.env.client.workflow.getHandle(runWorkflowId(workspaceId, runId)).result()).toMatchObject({
      run: { workspaceId, runId },
      input: { json: 'Good morning' },
    });
    const { searchAttributes } = await tick.describe();
    expect(searchAttributes['TemporalScheduledStartTime']).toEqual([entry?.request.scheduled_at]);
    await record('cron-tick-fired', await tick.fetchHistory());
  });
});

/** Asks until there is an answer; the test's own time limit is the only one. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
}
