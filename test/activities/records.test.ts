import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAnnounce, type WaitNotice } from '../../activities/announce.js';
import type { Mail } from '../../activities/mail/port.js';
import { createRecordActivities } from '../../activities/records.js';
import type { Database } from '../../db/client.js';
import { storeEvent } from '../../db/events.js';
import { loadValue, storeValue } from '../../db/values.js';
import { openWaits } from '../../db/waits.js';
import type { Scope } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import { visitKey, waitToken } from '../../workflows/contract/ids.js';
import type { OpenWait, RunRef, WaitKind } from '../../workflows/contract/run.js';
import { defaultPolicy, type NodeOf, type PlanNode } from '../../workflows/definition/plan.js';
import { inline, type Value } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { pass } from '../support/plans.js';
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
    const scope = scopeWith({ vars: { vip: inline(true) } });
    const of = { run, value: await large({ amount: 7 }), scope, isFirstEnough: false };
    expect(await activities.matchConditions({ ...of, conditions })).toEqual([true, true, false]);
    const first = {
      ...of,
      conditions: [...conditions, { type: 'cel', expr: 'input.none.at.all' }],
      isFirstEnough: true,
    } as const;
    expect(await activities.matchConditions(first)).toEqual([true, false, false, false]);
    const wrong = activities.matchConditions({
      ...of,
      conditions: [{ type: 'cel', expr: 'input.amount' }],
    });
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
