import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openEventWaits, purgeEvents, storeEvent, takeStoredEvent } from '../../db/events.js';
import { writeEnd, writeSettlement } from '../../db/run-records.js';
import { insertWait } from '../../db/waits.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { defaultPolicy, type PlanNode } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { linePlan } from '../support/plans.js';
import { noFlush, seedRun, seedWorkspaces } from '../support/runs.js';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
}, 60_000);
afterAll(() => database.close());

const workspaceId = 'ws_1';
const post = (id: string, name: string, key: string | null) =>
  storeEvent(db, { workspaceId, id, name, key, payload: inline({ id }) });
const age = (id: string, days: number) =>
  db
    .updateTable('events')
    .set({ created_at: new Date(Date.now() - days * 86_400_000) })
    .where('event_id', '=', id)
    .execute();

const wait = async (run: RunRef, nodeId: string, event: { readonly name: string; readonly key: string | null }) => {
  const token = `${run.runId}_${nodeId}`;
  const place = { key: `${nodeId}/1`, nodeId, visit: 1, scope: '' };
  await insertWait(db, { ...place, token, run, kind: 'event', prompt: 'event', context: null, event, expiresAt: null });
  return token;
};
const take = async (run: RunRef, token: string, acceptEarlierSeconds = 0) =>
  (await takeStoredEvent(db, run, { token, acceptEarlierSeconds }))?.id ?? null;
const settle = (run: RunRef, token: string, id: string) =>
  writeSettlement(db, run, {
    settlement: { token, outcome: 'resolved', by: `event:${id}`, note: null, value: null, at: 1 },
    status: null,
    seq: 1,
  });

test('an event is kept once for its name and key', async () => {
  expect(await post('e1', 'once', null)).toBe(true);
  expect(await post('e1', 'once', null)).toBe(false);
  expect(await post('e1', 'once', 'k')).toBe(true);
  const foreign = { workspaceId: 'ws_2', id: 'e1', name: 'once', key: null, payload: inline(1) };
  expect(await storeEvent(db, foreign)).toBe(true);
});

test('those who wait for it are found, and nobody of another workspace', async () => {
  const [any, exact, other] = [await seedRun(db), await seedRun(db), await seedRun(db)];
  const token = await wait(any, 'w', { name: 'paid', key: null });
  await wait(exact, 'w', { name: 'paid', key: '7' });
  await wait(exact, 'v', { name: 'paid', key: '7' });
  await wait(other, 'w', { name: 'paid', key: '8' });
  const waiting = async (key: string | null, of = workspaceId) =>
    (await openEventWaits(db, { workspaceId: of, name: 'paid', key })).map(({ runId }) => runId).toSorted();
  expect(await waiting('7')).toEqual([any.runId, exact.runId].toSorted());
  expect(await waiting(null)).toEqual([any.runId]);
  expect(await waiting('7', 'ws_2')).toEqual([]);
  await settle(any, token, 'x');
  expect(await waiting('8')).toEqual([other.runId]);
});

test('an early event is taken by one wait of a run, in order, and again by the same wait', async () => {
  const run = await seedRun(db);
  await post('a', 'ship', '1');
  await post('b', 'ship', '1');
  await post('c', 'ship', '2');
  const first = await wait(run, 'w1', { name: 'ship', key: '1' });
  expect(await take(run, first)).toBe('a');
  expect(await take(run, first)).toBe('a');
  const second = await wait(run, 'w2', { name: 'ship', key: '1' });
  expect(await take(run, second)).toBe('b');
  await settle(run, first, 'a');
  expect(await take(run, first)).toBeNull();
  expect(await take(run, await wait(run, 'w3', { name: 'ship', key: '1' }))).toBeNull();
  const another = await seedRun(db);
  expect(await take(another, await wait(another, 'w', { name: 'ship', key: null }), 60)).toBe('a');
});

test('an event that a signal was faster than is there for the next wait', async () => {
  const run = await seedRun(db);
  await post('slow', 'race', null);
  const first = await wait(run, 'w1', { name: 'race', key: null });
  expect(await take(run, first)).toBe('slow');
  await settle(run, first, 'signalled');
  expect(await take(run, await wait(run, 'w2', { name: 'race', key: null }))).toBe('slow');
});

test('an event older than the run is taken only as far back as the node says', async () => {
  await post('before', 'early', null);
  await db
    .updateTable('events')
    .set({ created_at: new Date(Date.now() - 30_000) })
    .where('event_id', '=', 'before')
    .execute();
  const run = await seedRun(db);
  const token = await wait(run, 'w', { name: 'early', key: null });
  expect(await take(run, token)).toBeNull();
  expect(await take({ ...run, workspaceId: 'ws_2' }, token, 600)).toBeNull();
  expect(await take(run, token, 600)).toBe('before');
});

test('a poster and a waiter who come at the same time never miss each other', async () => {
  for (let round = 0; round < 30; round += 1) {
    const run = await seedRun(db);
    const event = { name: 'meet', key: `${round}` };
    const posting = post(`m${round}`, event.name, event.key).then(() => openEventWaits(db, { workspaceId, ...event }));
    const waiting = wait(run, 'w', event).then((token) => take(run, token));
    const [found, taken] = await Promise.all([posting, waiting]);
    expect([found.length, taken]).not.toEqual([0, null]);
  }
});

test('old events go, unless an open run of that time may come to wait for them', async () => {
  const node: PlanNode = {
    id: 'w',
    kind: 'wait_event',
    label: 'w',
    dialectKind: 'wait_event',
    policy: defaultPolicy,
    config: { name: 'needed', accept_earlier_seconds: 0 },
  };
  const run = await seedRun(db, { plan: linePlan(node) });
  await db
    .updateTable('runs')
    .set({ created_at: new Date(Date.now() - 20 * 86_400_000) })
    .where('id', '=', run.runId)
    .execute();
  for (const [id, name, days] of [
    ['p1', 'needed', 10],
    ['p2', 'needed', 30],
    ['p3', 'unneeded', 10],
    ['p4', 'unneeded', 6],
  ] as const) {
    await post(id, name, null);
    await age(id, days);
  }
  const left = async () =>
    (
      await db.selectFrom('events').select('event_id').where('event_id', 'like', 'p%').orderBy('event_id').execute()
    ).map((row) => row.event_id);
  expect(await purgeEvents(db)).toBe(2);
  expect(await left()).toEqual(['p1', 'p4']);
  await writeEnd(db, run, { flush: noFlush, end: { status: 'cancelled', error: null } });
  expect(await purgeEvents(db)).toBe(1);
  expect(await left()).toEqual(['p4']);
});
