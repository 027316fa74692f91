import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { markLost, openRunsOlderThan } from '../../db/reconcile.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { insertWait } from '../../db/waits.js';
import type { Database } from '../../db/client.js';
import { inline } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
}, 60_000);
afterAll(() => database.close());

const row = (runId: string) => db.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirstOrThrow();

test('open runs of some age are listed page by page, and queued ones only where no sweep starts them', async () => {
  const young = await seedRun(db);
  const queued = await seedRun(db);
  const parent = await seedRun(db);
  const child = await seedRun(db, { parentRunId: parent.runId, parentKey: 'sub/1' });
  const done = await seedRun(db);
  for (const run of [young, parent, done]) await writeFlush(db, run, { ...noFlush, status: 'waiting', seq: 1 });
  await writeEnd(db, done, { flush: noFlush, end: { status: 'completed', output: inline(1) } });
  await db
    .updateTable('runs')
    .set({ created_at: new Date(Date.now() - 3_600_000) })
    .where(
      'id',
      'in',
      [queued, parent, child, done].map(({ runId }) => runId),
    )
    .execute();
  const page = { olderThanMinutes: 10, limit: 1 };
  const first = await openRunsOlderThan(db, page);
  const second = await openRunsOlderThan(db, { ...page, after: first[0]?.runId ?? '' });
  const third = await openRunsOlderThan(db, { ...page, after: second[0]?.runId ?? '' });
  expect([...first, ...second].map(({ runId }) => runId).toSorted()).toEqual([parent.runId, child.runId].toSorted());
  expect(third).toEqual([]);
});

test('a lost run ends with its steps and waits, once', async () => {
  const run = await seedRun(db);
  const steps = [stepRecord('a', 1), stepRecord('b', 2, { status: 'running', endedAt: null })];
  await writeFlush(db, run, { ...noFlush, steps, status: 'running', seq: 2 });
  const place = { key: 'c/1', nodeId: 'c', visit: 1, scope: '' };
  await insertWait(db, { ...place, token: 'apr_c', run, kind: 'message', prompt: '?', context: null, expiresAt: null });
  await markLost(db, { ...run, workspaceId: 'ws_2' });
  expect(await row(run.runId)).toMatchObject({ status: 'running' });
  await markLost(db, run);
  await markLost(db, run, { status: 'cancelled', error: { type: 'terminated', message: 'Terminated.' } });
  expect(await row(run.runId)).toMatchObject({
    status: 'failed',
    error: { type: 'lost' },
    fingerprint: expect.any(String),
  });
  const left = await db
    .selectFrom('run_steps')
    .select(['key', 'status'])
    .where('run_id', '=', run.runId)
    .orderBy('key')
    .execute();
  expect(left).toEqual([
    { key: 'a/1', status: 'completed' },
    { key: 'b/1', status: 'cancelled' },
  ]);
  expect(await db.selectFrom('waits').select('status').where('id', '=', 'apr_c').executeTakeFirst()).toEqual({
    status: 'cancelled',
  });
});
