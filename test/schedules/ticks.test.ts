import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createScheduleActivities } from '../../activities/schedules.js';
import { newId } from '../../db/ids.js';
import { insertSchedule, type NewSchedule } from '../../db/schedules.js';
import type { RunStatus } from '../../workflows/contract/run.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { seedChain, seedWorkspace } from './setup.js';

let database: TestDatabase;
let workspaceId: string;
const NOON = '2027-06-01T12:00:00.000Z';

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await database.close();
});
beforeEach(async () => {
  ({ workspaceId } = await seedWorkspace(database.db));
});

const activities = (now = NOON) => createScheduleActivities({ db: database.db, now: () => Date.parse(now) });

async function buildSchedule(overrides: Partial<NewSchedule> = {}): Promise<string> {
  const id = newId('sch');
  await insertSchedule(database.db, {
    id,
    workspace_id: workspaceId,
    name: 'Report',
    cron_expr: '0 * * * *',
    timezone: 'UTC',
    prompt: 'Write the report',
    chain_id: null,
    chain_input: null,
    overlap: 'skip',
    enabled: true,
    source: 'runtime',
    next_run_at: null,
    ...overrides,
  });
  return id;
}

const tickOf = (scheduleId: string, scheduledAt = NOON) => ({ workspaceId, scheduleId, scheduledAt });

async function setStatus(status: RunStatus): Promise<void> {
  await database.db.updateTable('runs').set({ status }).where('workspace_id', '=', workspaceId).execute();
}

const runsOf = (scheduleId: string) =>
  database.db.selectFrom('runs').selectAll().where('schedule_id', '=', scheduleId).orderBy('id').execute();

const ticksOf = (scheduleId: string) =>
  database.db
    .selectFrom('schedule_ticks')
    .select(['run_id', 'skipped_reason'])
    .where('schedule_id', '=', scheduleId)
    .orderBy('scheduled_at')
    .execute();

const countOf = async (scheduleId: string) =>
  (await database.db.selectFrom('schedules').select('run_count').where('id', '=', scheduleId).executeTakeFirstOrThrow())
    .run_count;

describe('beginTick', () => {
  test('starts the prompt as a queued run of one agent', async () => {
    const scheduleId = await buildSchedule({ prompt: 'Say {{ hello }}' });
    const decision = await activities().beginTick(tickOf(scheduleId));
    expect(decision).toEqual({
      action: 'start',
      input: {
        run: { workspaceId, runId: expect.stringMatching(/^run_/) },
        source: { plan: expect.objectContaining({ entry: 'prompt' }) },
        input: { json: 'Say {{ hello }}' },
        startedBy: 'system:scheduler',
      },
    });
    expect(await runsOf(scheduleId)).toMatchObject([
      { status: 'queued', trigger: 'schedule', actor: 'system:scheduler', definition_kind: 'prompt', version_id: null },
    ]);
    expect(await countOf(scheduleId)).toBe(1);
  });

  test('starts a chain at its present version', async () => {
    const chain = await seedChain(database.db, workspaceId, 'nightly');
    const scheduleId = await buildSchedule({ chain_id: chain.id, chain_input: { topic: 'news' } });
    expect(await activities().beginTick(tickOf(scheduleId))).toMatchObject({
      action: 'start',
      input: { source: { versionId: chain.versionId }, input: { json: { topic: 'news' } } },
    });
    expect(await runsOf(scheduleId)).toMatchObject([{ definition_id: chain.id, definition_kind: 'chain', plan: null }]);
  });

  test('repeated calls are the same run, and nothing once it has begun', async () => {
    const scheduleId = await buildSchedule();
    const first = await activities().beginTick(tickOf(scheduleId));
    expect(await activities().beginTick(tickOf(scheduleId))).toEqual(first);
    await setStatus('running');
    expect(await activities().beginTick(tickOf(scheduleId))).toEqual({ action: 'ignore' });
    expect(await runsOf(scheduleId)).toHaveLength(1);
    expect(await countOf(scheduleId)).toBe(1);
  });

  test('calls at the same moment are one run', async () => {
    const scheduleId = await buildSchedule();
    const decisions = await Promise.all(Array.from({ length: 8 }, () => activities().beginTick(tickOf(scheduleId))));
    for (const decision of decisions) expect(decision).toEqual(decisions[0]);
    expect(await runsOf(scheduleId)).toHaveLength(1);
  });

  test.each<RunStatus>(['queued', 'running', 'waiting', 'paused'])(
    'is busy while its last run is %s',
    async (status) => {
      const scheduleId = await buildSchedule();
      await activities('2027-06-01T11:00:00Z').beginTick(tickOf(scheduleId, '2027-06-01T11:00:00.000Z'));
      await setStatus(status);
      expect(await activities().beginTick(tickOf(scheduleId))).toEqual({
        action: 'busy',
        reason: expect.stringMatching(/^skipped: workspace busy \(active_tasks=1\); run run_\w+ of this schedule is/),
      });
      await setStatus('completed');
      expect(await activities().beginTick(tickOf(scheduleId))).toMatchObject({ action: 'start' });
    },
  );

  test('is busy while other schedules use up the workspace', async () => {
    const [first, second] = [await buildSchedule(), await buildSchedule()];
    await activities().beginTick(tickOf(first));
    const busy = { action: 'busy', reason: 'skipped: workspace busy (active_tasks=1)' };
    expect(await activities().beginTick(tickOf(second))).toEqual(busy);
    await setStatus('waiting');
    expect(await activities().beginTick(tickOf(second))).toMatchObject({ action: 'start' });
  });

  test('never starts more than the workspace allows, however many fire at once', async () => {
    ({ workspaceId } = await seedWorkspace(database.db, { max_concurrent_tasks: 2 }));
    const ids = await Promise.all(Array.from({ length: 6 }, () => buildSchedule()));
    const decisions = await Promise.all(ids.map((id) => activities().beginTick(tickOf(id))));
    expect(decisions.map(({ action }) => action).toSorted()).toEqual([
      'busy',
      'busy',
      'busy',
      'busy',
      'start',
      'start',
    ]);
  });

  test('overlap allow starts beside an open run', async () => {
    ({ workspaceId } = await seedWorkspace(database.db, { max_concurrent_tasks: 5 }));
    const scheduleId = await buildSchedule({ overlap: 'allow' });
    await activities('2027-06-01T11:00:00Z').beginTick(tickOf(scheduleId, '2027-06-01T11:00:00.000Z'));
    expect(await activities().beginTick(tickOf(scheduleId))).toMatchObject({ action: 'start' });
  });

  test('ignores a schedule that is off, deleted or of another workspace', async () => {
    const off = await buildSchedule({ enabled: false });
    expect(await activities().beginTick(tickOf(off))).toEqual({ action: 'ignore' });
    const deleted = await buildSchedule();
    await database.db.updateTable('schedules').set({ deleted_at: new Date() }).where('id', '=', deleted).execute();
    expect(await activities().beginTick(tickOf(deleted))).toEqual({ action: 'ignore' });
    const foreign = await buildSchedule();
    const { workspaceId: other } = await seedWorkspace(database.db);
    expect(await activities().beginTick({ ...tickOf(foreign), workspaceId: other })).toEqual({ action: 'ignore' });
    expect(await runsOf(foreign)).toEqual([]);
  });

  test('of several times missed only the newest is made up for', async () => {
    const scheduleId = await buildSchedule();
    const late = activities('2027-06-01T12:20:00Z');
    expect(await late.beginTick(tickOf(scheduleId, '2027-06-01T10:00:00.000Z'))).toEqual({ action: 'ignore' });
    expect(await late.beginTick(tickOf(scheduleId, '2027-06-01T11:00:00.000Z'))).toEqual({ action: 'ignore' });
    expect(await late.beginTick(tickOf(scheduleId))).toMatchObject({ action: 'start' });
    expect(await ticksOf(scheduleId)).toHaveLength(1);
  });

  test('a tick that waits is not taken for a late one', async () => {
    const scheduleId = await buildSchedule({ cron_expr: '* * * * *' });
    await activities('2027-06-01T11:59:00Z').beginTick(tickOf(scheduleId, '2027-06-01T11:59:00.000Z'));
    expect(await activities().beginTick(tickOf(scheduleId))).toMatchObject({ action: 'busy' });
    await setStatus('completed');
    const twoMinutesOn = activities('2027-06-01T12:01:50Z');
    expect(await twoMinutesOn.beginTick(tickOf(scheduleId))).toMatchObject({ action: 'start' });
  });

  test('a daily schedule runs once where an hour repeats', async () => {
    const scheduleId = await buildSchedule({ cron_expr: '30 1 * * *', timezone: 'America/New_York' });
    const [first, second] = ['2027-11-07T05:30:00.000Z', '2027-11-07T06:30:00.000Z'];
    expect(await activities(first).beginTick(tickOf(scheduleId, first))).toMatchObject({ action: 'start' });
    expect(await activities(second).beginTick(tickOf(scheduleId, second))).toEqual({ action: 'ignore' });
  });

  test.each([
    ['paused', { status: 'paused' }, 'skipped: chain "nightly" is paused'],
    ['deleted', { deleted_at: new Date() }, 'skipped: chain "nightly" was deleted'],
    ['unpublished', { version_id: null }, 'skipped: chain "nightly" has no version that can run; make it live first'],
  ])('a chain that is %s is skipped with the reason', async (_, change, reason) => {
    const chain = await seedChain(database.db, workspaceId, 'nightly');
    const scheduleId = await buildSchedule({ chain_id: chain.id });
    await database.db.updateTable('definitions').set(change).where('id', '=', chain.id).execute();
    expect(await activities().beginTick(tickOf(scheduleId))).toEqual({ action: 'ignore' });
    expect(await activities().beginTick(tickOf(scheduleId))).toEqual({ action: 'ignore' });
    expect(await ticksOf(scheduleId)).toEqual([{ run_id: null, skipped_reason: reason }]);
    expect(await countOf(scheduleId)).toBe(1);
  });
});

test('skipTick writes the reason once', async () => {
  const scheduleId = await buildSchedule();
  await activities('2027-06-01T11:00:00Z').beginTick(tickOf(scheduleId, '2027-06-01T11:00:00.000Z'));
  await activities().beginTick(tickOf(scheduleId));
  const skip = { ...tickOf(scheduleId), reason: 'skipped: workspace busy (active_tasks=1)' };
  await activities().skipTick(skip);
  await activities().skipTick(skip);
  expect(await ticksOf(scheduleId)).toMatchObject([
    { skipped_reason: null },
    { run_id: null, skipped_reason: skip.reason },
  ]);
  expect(await countOf(scheduleId)).toBe(2);
  await setStatus('completed');
  expect(await activities().beginTick(tickOf(scheduleId))).toEqual({ action: 'ignore' });
});
