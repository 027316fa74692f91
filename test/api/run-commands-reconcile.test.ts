import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { requestCancel } from '../../db/run-commands.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { createReconcile } from '../../api/services/reconcile.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { openWaitOf, runAt } from '../support/commands.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';

const temporal = scriptedTemporal();
let api: TestApi;
let person: Person;
let reconcile: () => Promise<void>;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
  person = await api.signUp();
  const deps = { db: api.db, temporal: temporal.gateway, log: { warn: () => undefined } };
  reconcile = createReconcile(deps);
}, 60_000);
afterAll(() => api.close());
beforeEach(() => temporal.play({}));

const old = new Date(Date.now() - 3_600_000);
async function oldRun(more: Parameters<typeof runAt>[2]): Promise<RunRef> {
  const run = await runAt(api.db, person, more);
  await api.db.updateTable('runs').set({ created_at: old }).where('id', '=', run.runId).execute();
  return run;
}
const rowOf = ({ runId }: RunRef) =>
  api.db.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirstOrThrow();

test('a run that was ended in Temporal from outside ends here, with what it waited for and the runs it waited for', async () => {
  const run = await oldRun({ status: 'waiting' });
  const token = await openWaitOf(api.db, run);
  const child = await oldRun({ status: 'running', parentRunId: run.runId, parentKey: 'sub/1' });
  const other = await oldRun({ status: 'running' });
  temporal.play({
    statusOfRun: ({ runId }) => Promise.resolve(runId === run.runId ? 'terminated' : 'open'),
    cancelRun: () => Promise.resolve(true),
  });
  await reconcile();
  expect(await rowOf(run)).toMatchObject({ status: 'cancelled', error: { type: 'terminated' } });
  const wait = await api.db.selectFrom('waits').selectAll().where('id', '=', token).executeTakeFirstOrThrow();
  expect(wait.status).toBe('denied');
  expect(temporal.asked('cancelRun')).toEqual([[child]]);
  expect((await rowOf(other)).status).toBe('running');
});

test('the run that waits for one that was ended from outside is told', async () => {
  const parent = await oldRun({ status: 'running' });
  const child = await oldRun({ status: 'running', parentRunId: parent.runId, parentKey: 'sub/1' });
  temporal.play({
    statusOfRun: ({ runId }) => Promise.resolve(runId === child.runId ? 'terminated' : 'open'),
    tellParent: () => Promise.resolve(true),
  });
  await reconcile();
  const error = { type: 'terminated', message: 'The run was terminated in Temporal.' };
  expect(temporal.asked('tellParent')).toEqual([[parent, { key: 'sub/1', end: { status: 'cancelled', error } }]]);
});

test('what Temporal does not know, or has only just been told of, stays as it is', async () => {
  const lost = await oldRun({ status: 'running' });
  const young = await runAt(api.db, person, { status: 'running' });
  temporal.play({
    statusOfRun: ({ runId }) => Promise.resolve(runId === young.runId ? 'terminated' : 'unknown'),
  });
  await reconcile();
  expect((await rowOf(lost)).status).toBe('running');
  expect((await rowOf(young)).status).toBe('running');
});

test('a subflow whose parent ended before starting it ends as well', async () => {
  const parent = await oldRun({ status: 'cancelled' });
  const child = await oldRun({ status: 'queued', parentRunId: parent.runId, parentKey: 'sub/1' });
  await reconcile();
  expect(await rowOf(child)).toMatchObject({ status: 'cancelled', error: { type: 'parent_ended' } });
});

test('a request to cancel that Temporal may not have heard is repeated', async () => {
  const run = await oldRun({ status: 'running' });
  await requestCancel(api.db, run, 'usr_ana');
  await api.db.updateTable('runs').set({ cancel_requested_at: old }).where('id', '=', run.runId).execute();
  temporal.play({ cancelRun: () => Promise.resolve(true), statusOfRun: () => Promise.resolve('open') });
  await reconcile();
  expect(temporal.asked('cancelRun')).toEqual([[run]]);
});
