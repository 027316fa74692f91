import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ScheduleNotFoundError } from '@temporalio/client';
import { createScheduleService, type ScheduleService } from '../../api/services/schedules.js';
import { createScheduleGateway } from '../../api/temporal/schedules.js';
import { newSeed } from '../../db/ids.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import {
  DAILY,
  openBench,
  refusal,
  startScheduleHarness,
  type ScheduleBench,
  type ScheduleHarness,
} from './harness.js';
import { seedChain, seedWorkspace } from './setup.js';

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

const LONG = 'x'.repeat(70_000);

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
    [{ ...DAILY, prompt: LONG }, expect.stringContaining('more than a schedule takes'), ['prompt']],
  ])('refusal %# is 400 and names the field', async (input, message, fields) => {
    expect(await refusal(create(input))).toEqual({ status: 400, message, fields });
    expect(await service.list(workspaceId)).toEqual([]);
  });

  test.each([
    ['an object', (chain: string) => ({ prompt: { chain, input: { a: 1 } } })],
    ['JSON in the prompt', (chain: string) => ({ prompt: JSON.stringify({ chain, input: { a: 1 } }) })],
    ['keys of its own', (chain: string) => ({ chain, input: { a: 1 } })],
  ])('runs a chain given as %s', async (_, input) => {
    await seedChain(harness.db, workspaceId, 'nightly');
    const { id } = await create({ cron_expr: '0 9 * * *', ...input('nightly') });
    expect(await rowOf(id)).toMatchObject({
      chain: 'nightly',
      prompt: '{"chain":"nightly","input":{"a":1}}',
      name: 'nightly',
    });
  });

  test('a chain of another workspace is not there', async () => {
    const other = await seedWorkspace(harness.db);
    await seedChain(harness.db, other.workspaceId, 'theirs');
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
    await seedChain(harness.db, workspaceId, 'nightly');
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
  const { workspaceId: other } = await seedWorkspace(harness.db);
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
    expect(harness.started.at(-1)).toMatchObject({
      run: { workspaceId, runId: fired.run_id },
      input: { json: 'Good morning' },
    });
    expect(await rowOf(id)).toMatchObject({ run_count: 1, next_run_at: null, last_run_at: expect.any(Date) });
    expect(await service.history(request)).toMatchObject([{ status: 'running', run_id: fired.run_id }]);
  });

  test('is answered although Temporal is away: the queued row is what counts', async () => {
    const { id } = await create(DAILY);
    const failing = createScheduleService({
      db: harness.db,
      schedules: createScheduleGateway({ client: harness.env.client }),
      runs: { startRun: () => Promise.reject(new Error('away')) },
    });
    const { run_id: runId } = await failing.fire({ workspaceId, scheduleId: id, seed: newSeed(), actor: 'x' });
    expect(await harness.db.selectFrom('runs').select('status').where('id', '=', runId).execute()).toEqual([
      { status: 'queued' },
    ]);
  });

  test('says why a chain cannot run', async () => {
    const chain = await seedChain(harness.db, workspaceId, 'nightly');
    const { id } = await create({ cron_expr: '0 9 * * *', chain: 'nightly' });
    await harness.db.updateTable('definitions').set({ status: 'paused' }).where('id', '=', chain.id).execute();
    expect(await refusal(service.fire({ workspaceId, scheduleId: id, seed: newSeed(), actor: 'x' }))).toMatchObject({
      status: 409,
      message: expect.stringContaining('chain "nightly" is paused'),
    });
  });
});
