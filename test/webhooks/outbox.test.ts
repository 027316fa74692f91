import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { appendRunEvent } from '../../db/run-events.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { withScope } from '../../db/scope.js';
import { insertWait } from '../../db/waits.js';
import { claimLost, claimWaiting, purgeWebhooks, releaseClaims } from '../../db/webhook-outbox.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { webhookEventTypes } from '../../workflows/contract/webhooks.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  await db.insertInto('tenants').values({ id: 'ten_2', name: 'Other', slug: 'other' }).execute();
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  await sql`delete from webhook_deliveries`.execute(db);
  await sql`delete from webhook_endpoints`.execute(db);
});

let made = 0;

interface Wanted {
  readonly id?: string;
  readonly tenant_id?: string;
  readonly workspace_id?: string | null;
  readonly event_types?: string[];
  readonly definition_ids?: string[];
  readonly include_children?: boolean;
  readonly include_tests?: boolean;
  readonly is_active?: boolean;
}

async function endpoint(wanted: Wanted = {}): Promise<string> {
  made += 1;
  const id = `whe_${made}`;
  const given = { id, tenant_id: 'ten_1', workspace_id: 'ws_1', event_types: ['*'], ...wanted };
  await db
    .insertInto('webhook_endpoints')
    .values({ ...given, url: 'https://example.com', headers: '{}', secret_sealed: 'sealed', created_by: 'usr_ana' })
    .execute();
  return given.id;
}

const typesOf = async (endpointId: string): Promise<readonly string[]> =>
  (
    await db
      .selectFrom('webhook_deliveries')
      .select('type')
      .where('endpoint_id', '=', endpointId)
      .orderBy('seq')
      .execute()
  ).map(({ type }) => type);

let seq = 0;
const move = (run: RunRef, status: RunStatus): Promise<void> => {
  seq += 1;
  return writeFlush(db, run, { ...noFlush, status, seq });
};

async function wholeRun(more: Parameters<typeof seedRun>[1] = {}): Promise<RunRef> {
  const run = await seedRun(db, more);
  await move(run, 'running');
  await writeFlush(db, run, { ...noFlush, steps: [stepRecord('a', 1)] });
  await move(run, 'waiting');
  await move(run, 'running');
  await end(run);
  return run;
}

const end = (run: RunRef): Promise<void> => {
  seq += 1;
  return writeEnd(db, run, { flush: { ...noFlush, seq }, end: { status: 'completed', output: inline('out') } });
};

describe('events of the log become deliveries', () => {
  test('of a run: each of its states once', async () => {
    const id = await endpoint({ event_types: ['run.*'] });
    const run = await wholeRun();
    // a later change of a run that is over is told in the log, and is no second end
    await db.updateTable('runs').set({ cancel_requested_at: new Date() }).where('id', '=', run.runId).execute();
    expect(await typesOf(id)).toEqual(['run.started', 'run.waiting', 'run.completed']);
    const [first] = await db
      .selectFrom('webhook_deliveries')
      .selectAll()
      .where('endpoint_id', '=', id)
      .orderBy('seq')
      .execute();
    expect(first).toMatchObject({ workspace_id: 'ws_1', tenant_id: 'ten_1', run_id: run.runId, status: 'pending' });
    expect(first?.id).toMatch(/^whd_[0-9a-z]{26}$/);
    expect(first?.event_id).toBe(`evt_${run.runId.slice(4)}_0`);
    expect(first?.payload).toBeNull();
  });

  test('of an approval: asked once, decided once', async () => {
    const id = await endpoint({ event_types: ['approval.requested', 'approval.decided'] });
    const run = await seedRun(db);
    const wait = {
      token: `apr_${run.runId}`,
      key: 'a/1',
      nodeId: 'a',
      visit: 1,
      scope: '',
      run,
      kind: 'decision',
    } as const;
    await insertWait(db, { ...wait, prompt: 'Go?', context: null, expiresAt: null });
    await db
      .updateTable('waits')
      .set({ audience: JSON.stringify(['bob']) })
      .where('id', '=', wait.token)
      .execute();
    await db
      .updateTable('waits')
      .set({ status: 'approved', decided_by: 'usr_ana' })
      .where('id', '=', wait.token)
      .execute();
    expect(await typesOf(id)).toEqual(['approval.requested', 'approval.decided']);
  });

  test('of a call, under their public names', async () => {
    const id = await endpoint({ event_types: ['call.*'] });
    const run = await seedRun(db);
    for (const event of [
      'call.started',
      'call.agent_changed',
      'call.transcript',
      'call.agent_changed',
      'call.timeout',
    ]) {
      await appendRunEvent(db, run.runId, { type: 'call', data: { event } });
    }
    expect(await typesOf(id)).toEqual(['call.started', 'call.agent.changed', 'call.agent.changed', 'call.timeout']);
  });

  test('words and log lines never do, and every public name has its event', async () => {
    const name = (type: string, data: object) =>
      sql<{ name: string | null }>`select webhook_event_type(${type}, ${JSON.stringify(data)}::jsonb) as name`
        .execute(db)
        .then(({ rows }) => rows[0]?.name ?? null);
    for (const type of ['token', 'log', 'lifecycle', 'vote'])
      expect(await name(type, { status: 'completed' })).toBeNull();
    const named = await Promise.all([
      ...['running', 'waiting', 'paused', 'completed', 'failed', 'cancelled'].map((status) => name('run', { status })),
      ...['completed', 'failed'].map((status) => name('step', { status })),
      ...['pending', 'denied'].map((status) => name('wait', { kind: 'decision', status })),
      ...[
        'call.started',
        'call.connected',
        'call.agent_changed',
        'call.completed',
        'call.failed',
        'call.disconnected',
        'call.timeout',
      ].map((event) => name('call', { event })),
    ]);
    expect(named).toEqual([...webhookEventTypes]);
    expect(await name('wait', { kind: 'event', status: 'pending' })).toBeNull();
    expect(await name('run', { status: 'queued' })).toBeNull();
  });

  test('of children and test runs only where an endpoint asks for them', async () => {
    const plain = await endpoint({ event_types: ['run.completed'] });
    const children = await endpoint({ event_types: ['run.completed'], include_children: true });
    const tests = await endpoint({ event_types: ['run.completed'], include_tests: true });
    const parent = await seedRun(db);
    await wholeRun({ parentRunId: parent.runId, parentKey: 'a/1' });
    await wholeRun({ test: { pins: {}, live: [] } });
    expect([await typesOf(plain), await typesOf(children), await typesOf(tests)]).toEqual([
      [],
      ['run.completed'],
      ['run.completed'],
    ]);
  });

  test('go to whom they belong, and to nobody else', async () => {
    const own = await endpoint();
    const everywhere = await endpoint({ workspace_id: null });
    const beside = await endpoint({ workspace_id: 'ws_2' });
    const foreign = await endpoint({ tenant_id: 'ten_2', workspace_id: null });
    const off = await endpoint({ is_active: false });
    const other = await endpoint({ definition_ids: ['def_other'] });
    await wholeRun();
    const counts = await Promise.all([own, everywhere, beside, foreign, off, other].map(typesOf));
    expect(counts.map(({ length }) => length)).toEqual([4, 4, 0, 0, 0, 0]);
  });

  test('an endpoint of the organisation hears also of what is written by somebody who sees one workspace', async () => {
    const id = await endpoint({ workspace_id: null, event_types: ['run.cancelled'] });
    const run = await seedRun(db);
    await withScope({ workspaceId: 'ws_1', tenantId: '' }, () => move(run, 'cancelled'));
    expect(await typesOf(id)).toEqual(['run.cancelled']);
  });

  test('nothing is left of a transaction that was taken back', async () => {
    const id = await endpoint();
    const run = await seedRun(db);
    const work = db.transaction().execute(async (trx) => {
      await writeFlush(trx, run, { ...noFlush, status: 'running', seq: 1 });
      throw new Error('taken back');
    });
    await expect(work).rejects.toThrow('taken back');
    expect(await typesOf(id)).toEqual([]);
  });
});

describe('the cost of the trigger', () => {
  test('a word of a model asks nothing, an event without endpoints one question', async () => {
    const run = await seedRun(db);
    const counts = async (trx: Database): Promise<ReadonlyMap<string, number>> => {
      const { rows } = await sql<{ relname: string; n: number }>`
        select relname, (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int as n from pg_stat_xact_user_tables
        where relname like 'webhook%'`.execute(trx);
      return new Map(rows.map(({ relname, n }) => [relname, n]));
    };
    const scans = (type: string, data: Readonly<Record<string, string>>): Promise<readonly string[]> =>
      db.transaction().execute(async (trx) => {
        const before = await counts(trx);
        await appendRunEvent(trx, run.runId, { type, data });
        const after = await counts(trx);
        const grown = [...after].map(([name, n]): [string, number] => [name, n - (before.get(name) ?? 0)]);
        return grown.filter(([, n]) => n > 0).map(([name, n]) => `${name} ${n}`);
      });
    expect(await scans('token', { text: 'a' })).toEqual([]);
    expect(await scans('step', { status: 'running' })).toEqual([]);
    expect(await scans('step', { status: 'completed' })).toEqual(['webhook_endpoints 1']);
  });
});

describe('the outbox', () => {
  test('gives each delivery to one process, the oldest of each endpoint first, up to what it may have open', async () => {
    const [slow, other] = [
      await endpoint({ event_types: ['run.*'] }),
      await endpoint({ event_types: ['run.completed'] }),
    ];
    await wholeRun();
    await wholeRun();
    const claims = await Promise.all([1, 2, 3].map(() => claimWaiting(db, { limit: 100, openPerEndpoint: 3 })));
    const ids = claims.flat().map(({ deliveryId }) => deliveryId);
    expect(new Set(ids).size).toBe(ids.length);
    const again = await claimWaiting(db, { limit: 100, openPerEndpoint: 3 });
    expect(again).toEqual([]);
    const open = await db.selectFrom('webhook_deliveries').selectAll().where('dispatched_at', 'is not', null).execute();
    expect(open.filter((row) => row.endpoint_id === other)).toHaveLength(2);
    expect(open.filter((row) => row.endpoint_id === slow).length).toBeGreaterThanOrEqual(3);
    expect(await db.selectFrom('webhook_deliveries').select('id').execute()).toHaveLength(8);
  });

  test('finds what was taken by a process that died, and what could not be started', async () => {
    await endpoint({ event_types: ['run.completed'] });
    await wholeRun();
    const [claim] = await claimWaiting(db, { limit: 10, openPerEndpoint: 10 });
    const lost = { limit: 10, untouchedMs: 30_000, overdueMs: 600_000 };
    expect(await claimLost(db, lost)).toEqual([]);
    await sql`update webhook_deliveries set dispatched_at = dispatched_at - interval '1 minute'`.execute(db);
    expect(await claimLost(db, lost)).toEqual([claim]);
    expect(await claimLost(db, lost)).toEqual([]);
    await releaseClaims(db, [claim?.deliveryId ?? '']);
    expect(await claimWaiting(db, { limit: 10, openPerEndpoint: 10 })).toEqual([claim]);
  });

  test('forgets what ended more than 30 days ago', async () => {
    await endpoint({ event_types: ['run.*'] });
    await wholeRun();
    await sql`update webhook_deliveries set status = 'delivered', ended_at = now() - interval '31 days' where type = 'run.started'`.execute(
      db,
    );
    expect(await purgeWebhooks(db)).toBe(1);
    expect(await db.selectFrom('webhook_deliveries').select('id').execute()).toHaveLength(2);
  });
});
