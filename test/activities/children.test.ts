import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createRecordActivities } from '../../activities/records.js';
import type { Database } from '../../db/client.js';
import { ensureVersion } from '../../db/definitions.js';
import { newId } from '../../db/ids.js';
import { beginStep, endStep, writeEnd } from '../../db/run-records.js';
import { queuedRuns } from '../../db/runs.js';
import type { PrepareChildInput } from '../../workflows/contract/activities.js';
import type { RunInput, RunRef } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { agent, linePlan, pass } from '../support/plans.js';
import { noFlush, seedRun, seedWorkspaces } from '../support/runs.js';

let database: TestDatabase;
let db: Database;
let run: RunRef;
let activities: ReturnType<typeof createRecordActivities>;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  activities = createRecordActivities({ db, announce: () => Promise.resolve() });
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  run = await seedRun(db);
});

async function define(plan: Plan, more: { readonly isLive?: boolean; readonly workspaceId?: string } = {}) {
  const { isLive = true, workspaceId = 'ws_1' } = more;
  const id = newId('def');
  const row = { id, workspace_id: workspaceId, kind: 'workflow', slug: id, name: 'Sub', status: 'active' };
  const rest = { document: '{}', version_id: null, created_by: 'usr_ana', deleted_at: null, published_at: null };
  await db
    .insertInto('definitions')
    .values({ ...row, ...rest })
    .execute();
  const versionId = await ensureVersion(db, { workspaceId, definitionId: id, document: {}, plan });
  if (isLive) await db.updateTable('definitions').set({ version_id: versionId }).where('id', '=', id).execute();
  return { id, versionId };
}

describe('a subflow', () => {
  const plan = linePlan(agent('a'), agent('b'));
  const prepare = (more: Partial<PrepareChildInput> & { readonly definition: string }) =>
    activities.prepareChild({
      ...{ run, key: 'sub/1', round: 0, version: 'latest', input: inline({ n: 1 }), depth: 2 },
      ...{ startedBy: 'usr_ana', isDetached: false },
      ...more,
    });
  const childOf = async (more: Parameters<typeof prepare>[0]): Promise<RunInput> => {
    const prepared = await prepare(more);
    if ('error' in prepared) throw new Error(prepared.error.message);
    return prepared.child;
  };

  test('has one run a visit, with a row that no sweep starts', async () => {
    const { id, versionId } = await define(plan);
    const child = await childOf({ definition: id });
    expect(child).toMatchObject({ definitionId: id, startedBy: 'usr_ana', depth: 3, input: inline({ n: 1 }) });
    await define(plan);
    await db.updateTable('definitions').set({ version_id: null }).where('id', '=', id).execute();
    expect(await childOf({ definition: id })).toEqual(child);
    expect((await childOf({ definition: id, version: versionId, key: 'sub/2' })).run).not.toEqual(child.run);
    const row = await db.selectFrom('runs').selectAll().where('id', '=', child.run.runId).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ parent_run_id: run.runId, parent_key: 'sub/1', trigger: 'subflow', status: 'queued' });
    const swept = await queuedRuns(db, -1_000, 1_000);
    expect(swept.map((each) => each.run.runId)).toContain(run.runId);
    expect(swept.map((each) => each.run.runId)).not.toContain(child.run.runId);
  });

  test('of a test run and of a preferred run is one, too', async () => {
    run = await seedRun(db, { priority: 1, test: { pins: { a: 1 }, live: ['a'] } });
    const { id } = await define(plan);
    expect(await childOf({ definition: id })).toMatchObject({ priority: 1, test: { pins: {}, live: [] } });
  });

  test('that cannot be had is an error of its step', async () => {
    const { id, versionId } = await define({ ...plan, inputSchema: { type: 'object', required: ['id'] } });
    const unpublished = await define(plan, { isLive: false });
    const foreign = await define(plan, { workspaceId: 'ws_2' });
    const wrong = async (more: Parameters<typeof prepare>[0]) => {
      const prepared = await prepare(more);
      return 'error' in prepared ? prepared.error.type : prepared;
    };
    expect(await wrong({ definition: 'def_none' })).toBe('subflow_missing');
    expect(await wrong({ definition: foreign.id })).toBe('subflow_missing');
    expect(await wrong({ definition: unpublished.id })).toBe('subflow_unpublished');
    expect(await wrong({ definition: unpublished.id, version: versionId })).toBe('subflow_missing');
    expect(await wrong({ definition: id, depth: 16 })).toBe('subflow_too_deep');
    expect(await wrong({ definition: id })).toBe('input_invalid');
    await db.updateTable('definitions').set({ deleted_at: new Date() }).where('id', '=', id).execute();
    expect(await wrong({ definition: id })).toBe('subflow_missing');
  });

  /** Does `a`, and fails at `b`. */
  async function failAtB(child: RunRef): Promise<void> {
    const steps = [['a', 10] as const, ['b', 20] as const];
    for (const [nodeId, seq] of steps) {
      const start = { key: `${nodeId}/1`, nodeId, visit: 1, scope: '', seq, kind: 'agent', label: nodeId, round: 0 };
      await beginStep(db, child, { step: { ...start, input: inline('in') }, flush: noFlush });
    }
    const end = { error: null, failed: false, finished: null, vars: null, cost: null, decidedBy: null };
    await endStep(db, child, { ...end, key: 'a/1', status: 'completed', output: inline('a done') });
    const error = { type: 'http_status', message: 'answered 400', node_id: 'b' };
    await endStep(db, child, { ...end, key: 'b/1', status: 'failed', output: null, error });
    await writeEnd(db, child, { flush: noFlush, end: { status: 'failed', error } });
  }

  test('that is done anew goes on where it failed, if it is given the same', async () => {
    const { id } = await define(plan);
    const first = await childOf({ definition: id });
    await failAtB(first.run);
    const second = await childOf({ definition: id, round: 1 });
    expect(second).toMatchObject({ reuses: true });
    expect(second.run).not.toEqual(first.run);
    const reuse = { 'a/1': { output: inline('a done'), port: 'out' } };
    expect(await activities.loadReuse({ run: second.run, after: null })).toEqual({ steps: reuse, next: null });
    const elsewhere = { run: { ...second.run, workspaceId: 'ws_2' }, after: null };
    expect(await activities.loadReuse(elsewhere)).toEqual({ steps: {}, next: null });
    const row = await db.selectFrom('runs').selectAll().where('id', '=', second.run.runId).executeTakeFirstOrThrow();
    expect(row.origin).toEqual({ kind: 'continue', run_id: first.run.runId, from: 'b/1' });
    expect(await childOf({ definition: id, round: 2, input: inline({ n: 2 }) })).not.toHaveProperty('reuses');
  });

  test('that was done in full stays done when the map around it is done anew', async () => {
    const { id } = await define(plan);
    const first = await childOf({ definition: id });
    expect(await activities.loadEnd({ run: first.run })).toBeNull();
    await writeEnd(db, first.run, { flush: noFlush, end: { status: 'completed', output: inline('done') } });
    expect(await childOf({ definition: id, round: 1 })).toEqual(first);
    expect(await activities.loadEnd({ run: first.run })).toEqual({ status: 'completed', output: inline('done') });
    expect((await childOf({ definition: id, round: 1, input: inline({ n: 2 }) })).run).not.toEqual(first.run);
  });

  test('that nobody heard the end of is asked for by its row', async () => {
    const { id } = await define(plan);
    const { run: child } = await childOf({ definition: id });
    await writeEnd(db, child, { flush: noFlush, end: { status: 'cancelled', error: null } });
    expect(await activities.loadEnd({ run: child })).toMatchObject({
      status: 'cancelled',
      error: { type: 'child_cancelled' },
    });
    const lost = { ...child, runId: 'run_none' };
    expect(await activities.loadEnd({ run: lost })).toMatchObject({ status: 'failed', error: { type: 'child_lost' } });
  });

  test('of a continued run goes on where that of the run before failed', async () => {
    const { id } = await define(plan);
    const first = await childOf({ definition: id });
    await failAtB(first.run);
    run = await seedRun(db, { origin: { kind: 'continue', run_id: run.runId, from: 'sub/1' } });
    expect(await childOf({ definition: id })).toMatchObject({ reuses: true });
  });
});

test('a run that moves to another version of its definition says so, and never to that of another', async () => {
  const { id, versionId } = await define(linePlan(pass('a')));
  const next = await ensureVersion(db, {
    workspaceId: 'ws_1',
    definitionId: id,
    document: { v: 2 },
    plan: linePlan(pass('a')),
  });
  const other = await define(linePlan(pass('a')));
  run = await seedRun(db, { definition: { id, versionId } });
  await activities.recordVersion({ run, versionId: other.versionId });
  const version = async () =>
    (await db.selectFrom('runs').select('version_id').where('id', '=', run.runId).executeTakeFirst())?.version_id;
  expect(await version()).toBe(versionId);
  await activities.recordVersion({ run, versionId: next });
  expect(await version()).toBe(next);
});
