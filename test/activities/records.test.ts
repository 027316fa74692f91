import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAnnounce, type WaitNotice } from '../../activities/announce.js';
import type { Mail } from '../../activities/mail/port.js';
import { createRecordActivities } from '../../activities/records.js';
import type { Database } from '../../db/client.js';
import { ensureVersion } from '../../db/definitions.js';
import { storeEvent } from '../../db/events.js';
import { newId } from '../../db/ids.js';
import { beginStep, endStep, writeEnd } from '../../db/run-records.js';
import { queuedRuns } from '../../db/runs.js';
import { loadValue, storeValue } from '../../db/values.js';
import { openWaits } from '../../db/waits.js';
import type { PrepareChildInput, Scope } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import { visitKey, waitToken } from '../../workflows/contract/ids.js';
import type { OpenWait, RunInput, RunRef, WaitKind } from '../../workflows/contract/run.js';
import { defaultPolicy, type NodeOf, type Plan, type PlanNode } from '../../workflows/definition/plan.js';
import { inline, type Value } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { agent, linePlan, pass } from '../support/plans.js';
import { noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

let database: TestDatabase;
let db: Database;
let run: RunRef;
let notices: WaitNotice[];
let activities: ReturnType<typeof createRecordActivities>;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  const announce = async (notice: WaitNotice): Promise<void> => void notices.push(notice);
  activities = createRecordActivities({ db, announce });
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  notices = [];
  run = await seedRun(db);
});

const scope: Scope = { run: { id: 'run_x', input: null }, vars: {}, steps: {}, item: null, index: null, message: null };
const scopeWith = (more: Partial<Scope>): Scope => ({ ...scope, ...more });
const base = (id: string) => ({ id, label: id, dialectKind: id, policy: defaultPolicy });
const waitOf = (nodeId: string, kind: WaitKind, more: Partial<OpenWait> = {}): OpenWait => {
  const place = { nodeId, visit: 1, scope: '' };
  const token = waitToken(run.runId, visitKey(place));
  return { ...place, token, kind, deadline: null, openedAt: 1_000, ...more };
};
const large = async (json: unknown): Promise<Value> => {
  // -- reason: what the tests store is JSON
  const value = await storeValue(db, run, { json: json as never, limitBytes: 0 });
  expect(value).toHaveProperty('ref');
  return value;
};

const asked: NodeOf<'approval'> = {
  ...base('ok'),
  kind: 'approval',
  config: {
    prompt: 'Pay {{ input.amount }} to {{ vars.name }}?',
    reason: '{{ steps.check.why }}',
    context: { total: { $expr: 'input.amount * 2' }, to: '{{ vars.name }}' },
    form: { type: 'object' },
    assignee: 'ana@example.com',
    audience: ['role:admin', 'bo@example.com'],
    quorum: 2,
    rejections: 3,
    forbid_own: true,
    reminders: [],
    escalation: [],
    on_expire: 'expire',
  },
};

describe('an approval', () => {
  const open = async (node = asked, more: Partial<OpenWait> = {}) => {
    const wait = waitOf('ok', 'decision', { audience: node.config.audience ?? [], deadline: 9_000, ...more });
    const vars = { name: inline('Bo') };
    const steps = { check: await large({ why: 'new supplier' }) };
    const flush = {
      ...noFlush,
      steps: [stepRecord('ok', 3, { status: 'waiting' })],
      status: 'waiting',
      seq: 3,
    } as const;
    const input = await large({ amount: 7 });
    await activities.openWait({ run, node, wait, input, scope: scopeWith({ vars, steps }), flush });
    return wait;
  };

  test('shows its texts over the values of the run, and tells those it names', async () => {
    const { token } = await open();
    const [shown] = await openWaits(db, run);
    expect(shown).toMatchObject({
      token,
      prompt: 'Pay 7 to Bo?',
      context: { total: 14, to: 'Bo' },
      form: { type: 'object' },
      audience: ['role:admin', 'bo@example.com'],
      quorum: 2,
      expires_at: new Date(9_000),
      shown_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const row = await db.selectFrom('waits').selectAll().where('id', '=', token).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ reason: 'new supplier', rejections: 3, forbid_own: true, kind: 'decision' });
    expect(notices).toMatchObject([{ token, people: ['role:admin', 'bo@example.com', 'ana@example.com'] }]);
    await open({ ...asked, config: { ...asked.config, prompt: 'Something else' } });
    expect(await openWaits(db, run)).toMatchObject([{ prompt: 'Pay 7 to Bo?', shown_hash: shown?.shown_hash }]);
  });

  test('whose texts cannot be rendered fails its node', async () => {
    const node = { ...asked, config: { ...asked.config, context: { $expr: 'input.amount + "x"' } } };
    const failed = await open(node).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      type: Failure.nodeFailed,
      nonRetryable: true,
      details: [{ outputs: [], error: { type: 'expression_failed', message: expect.stringContaining('context:') } }],
    });
  });

  test('that was decided is announced to nobody', async () => {
    const wait = await open();
    notices = [];
    await db.updateTable('waits').set({ status: 'approved' }).where('id', '=', wait.token).execute();
    await activities.alarmWait({ run, wait, isEscalation: true });
    expect(notices).toEqual([]);
  });

  test('is escalated to others, whom its row then names', async () => {
    const wait = await open();
    const changed = { ...wait, audience: ['usr_eve', 'eve@example.com'] };
    await activities.alarmWait({ run, wait, isEscalation: false });
    await activities.alarmWait({ run, wait: changed, isEscalation: true });
    const row = await db.selectFrom('waits').selectAll().where('id', '=', wait.token).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ audience: changed.audience, escalated_at: expect.any(Date), reminded: 1 });
    expect(notices.map(({ occasion }) => occasion)).toEqual(['opened', 'reminded', 'escalated']);
    expect(notices.at(-1)?.people).toEqual(['usr_eve', 'eve@example.com', 'ana@example.com']);
  });
});

test('a mail about a wait goes to addresses alone, and one that fails holds nobody up', async () => {
  const sent: Mail[] = [];
  const warnings: unknown[] = [];
  const send = async (mail: Mail) => {
    sent.push(mail);
    if (mail.to.startsWith('bad')) throw new Error('no such box');
    return { messageId: 'x' };
  };
  const log = { info: () => undefined, warn: (fields: object) => void warnings.push(fields) };
  const people = ['role:admin', 'usr_1', 'ana@example.com', 'bad@example.com, ana@example.com'];
  const notice = { id: 'apr_1', run, token: 'apr_1', prompt: 'Go?', people, occasion: 'opened' } as const;
  await createAnnounce({ mail: { send }, log })(notice);
  expect(sent.map(({ to }) => to)).toEqual(['ana@example.com', 'bad@example.com']);
  expect(new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2);
  expect(warnings).toHaveLength(1);
});

describe('a wait for an event', () => {
  const node: PlanNode = { ...base('w'), kind: 'wait_event', config: { name: 'paid', accept_earlier_seconds: 0 } };
  const open = (key: string) => {
    const wait = waitOf('w', 'event', { event: { name: 'paid', key } });
    return activities.openWait({ run, node, wait, input: inline(1), scope, flush: { ...noFlush, status: 'waiting' } });
  };

  test('answers the event that came before it', async () => {
    expect(await open('k1')).toEqual({});
    run = await seedRun(db);
    await storeEvent(db, { workspaceId: 'ws_1', id: 'e1', name: 'paid', key: 'k1', payload: inline({ n: 1 }) });
    const event = { id: 'e1', name: 'paid', key: 'k1', payload: inline({ n: 1 }) };
    expect(await open('k1')).toEqual({ event });
    expect(await open('k1')).toEqual({ event });
    expect(await openWaits(db, run)).toMatchObject([{ kind: 'event', prompt: 'The event "paid" for "k1".' }]);
    expect(notices).toEqual([]);
  });
});

test('a parked step shows its error and tells those who may say what happened; a clock has no row', async () => {
  const node = pass('a');
  const error = { type: 'outcome_unknown', message: 'The answer was lost.' };
  const more = { error, asksOutcome: true, prompt: 'Did this happen?', audience: ['ana@example.com'] };
  const of = { run, node, input: inline(1), scope };
  await activities.openWait({ ...of, wait: waitOf('a', 'parked', more), flush: noFlush });
  const flush = { ...noFlush, steps: [stepRecord('d', 4, { status: 'waiting' })], seq: 4 };
  await activities.openWait({ ...of, wait: waitOf('d', 'until'), flush });
  expect(await openWaits(db, run)).toMatchObject([{ kind: 'parked', prompt: 'Did this happen?', context: { error } }]);
  expect(notices).toMatchObject([{ people: ['ana@example.com'] }]);
  const steps = await db.selectFrom('run_steps').select('status').where('run_id', '=', run.runId).execute();
  expect(steps).toEqual([{ status: 'waiting' }]);
});

describe('expressions over stored values', () => {
  test('are worked out, and what they give is stored where it is large', async () => {
    const input = await large({ list: [1, 2, 3], text: 'x'.repeat(300) });
    const evaluated = await activities.evaluate({
      run,
      input,
      scope: scopeWith({ vars: { factor: await large(10) }, item: inline('it') }),
      mappings: {
        small: { sum: { $expr: 'input.list.map(n, n * vars.factor)' }, item: '{{ item }}' },
        large: '{{ input.text }}',
        items: { $expr: 'input.list' },
      },
      lists: ['items'],
      inlineLimitBytes: 200,
    });
    expect(evaluated.values['small']).toEqual(inline({ sum: [10, 20, 30], item: 'it' }));
    expect(evaluated.values['large']).toMatchObject({ bytes: 302 });
    expect(evaluated.lists).toEqual({ items: [inline(1), inline(2), inline(3)] });
  });

  test('with a list of many items answer no more than a payload can hold', async () => {
    const input = await large(Array.from({ length: 3_000 }, (_, index) => `${index}`.padEnd(1_000, 'x')));
    const { lists } = await activities.evaluate({
      ...{ run, input, scope, mappings: { items: { $expr: 'input' } }, lists: ['items'] },
      inlineLimitBytes: 64 * 1024,
    });
    expect(JSON.stringify(lists).length).toBeLessThan(1_000_000);
    const last = lists?.['items']?.at(-1);
    if (last === undefined) throw new Error('no last item');
    expect(await loadValue(db, 'ws_1', last)).toMatch(/^2999x/);
  });

  test.each([
    ['no list', { items: { $expr: '"text"' } }],
    ['a mistake', { items: { $expr: 'input.nothing.at.all' } }],
  ])('that give %s fail the node', async (_what, mappings) => {
    const failed = activities.evaluate({
      run,
      input: inline({}),
      scope,
      mappings,
      lists: ['items'],
      inlineLimitBytes: 1,
    });
    await expect(failed).rejects.toMatchObject({
      type: Failure.nodeFailed,
      details: [{ error: { type: 'expression_failed', message: expect.stringMatching(/^items: /) } }],
    });
  });

  test('decide conditions', async () => {
    const conditions = [
      { type: 'cel', expr: 'input.amount > 5 && vars.vip' },
      { type: 'contains', text: 'AMOUNT' },
      { type: 'equals', path: 'vip', value: 'false' },
    ] as const;
    const of = { run, value: await large({ amount: 7 }), scope: scopeWith({ vars: { vip: inline(true) } }) };
    expect(await activities.matchConditions({ ...of, conditions })).toEqual([true, true, false]);
    const wrong = activities.matchConditions({ ...of, conditions: [{ type: 'cel', expr: 'input.amount' }] });
    await expect(wrong).rejects.toMatchObject({ type: Failure.nodeFailed });
  });
});

describe('the output of a run', () => {
  const schema = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } };
  test('is held to its schema', async () => {
    expect(await activities.checkOutput({ run, schema, output: await large({ id: 'x' }) })).toBeNull();
    expect(await activities.checkOutput({ run, schema, output: inline({ id: 7 }) })).toEqual({
      type: 'output_invalid',
      message: 'The output of the run does not fit its schema: id must be a string.',
    });
    const broken = await activities.checkOutput({ run, schema: { type: 'text' }, output: inline(1) });
    expect(broken).toMatchObject({ type: 'output_invalid', message: expect.stringContaining('cannot be checked') });
  });
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
    expect(await activities.loadReuse({ run: second.run })).toEqual(reuse);
    expect(await activities.loadReuse({ run: { ...second.run, workspaceId: 'ws_2' } })).toEqual({});
    const row = await db.selectFrom('runs').selectAll().where('id', '=', second.run.runId).executeTakeFirstOrThrow();
    expect(row.origin).toEqual({ kind: 'continue', run_id: first.run.runId, from: 'b/1' });
    expect(await childOf({ definition: id, round: 2, input: inline({ n: 2 }) })).not.toHaveProperty('reuses');
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
