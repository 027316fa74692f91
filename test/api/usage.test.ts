import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { claimEffect } from '../../db/effects.js';
import { writeFlush } from '../../db/run-records.js';
import type { RunRef, RunStatus, StepRecord } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import type { Answered } from '../support/http.js';
import { newRunRef, noFlush, seedRun, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

const path = '/v1/workspaces/usage';
let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
});
afterAll(() => api.close());
beforeEach(async () => {
  person = await api.signUp();
});

interface Seeded {
  readonly at: string;
  readonly status?: RunStatus;
  readonly minutes?: number;
  readonly isConversation?: boolean;
  readonly steps?: readonly Partial<StepRecord>[];
  readonly cost?: { readonly usd: number; readonly input_tokens: number; readonly output_tokens: number };
  readonly parent?: RunRef;
}

/** A run that was accepted at this moment, of which the last step cost something. */
async function seed(seeded: Seeded, of: Person = person): Promise<RunRef> {
  const { at, status = 'completed', minutes = 0, isConversation = false, steps = [], cost, parent } = seeded;
  const run = newRunRef(of.workspace.id);
  await seedRun(api.db, { run, isConversation });
  const records = steps.map((more, index) => stepRecord(`n${index}`, index + 1, more));
  await writeFlush(api.db, run, { ...noFlush, steps: records, status, seq: 99 });
  const started = sql<Date>`${at}::timestamptz`;
  await api.db
    .updateTable('runs')
    .set({
      ...{ created_at: started, started_at: started, parent_run_id: parent?.runId ?? null },
      ended_at: sql<Date>`${at}::timestamptz + make_interval(secs => ${minutes * 60})`,
    })
    .where('id', '=', run.runId)
    .execute();
  if (cost !== undefined) {
    const last = api.db
      .updateTable('run_steps')
      .set({ cost: JSON.stringify(cost) })
      .where('run_id', '=', run.runId);
    await last.where('seq', '=', records.length).execute();
  }
  return run;
}

const day = ({ body }: Answered, date: string) =>
  (body['days'] as readonly { readonly date: string; readonly [name: string]: unknown }[]).find(
    (each) => each.date === date,
  );

describe('usage', () => {
  test('adds up what runs did, by day', async () => {
    const heard = { kind: 'listen', status: 'completed' } as const;
    const talk = await seed({
      ...{ at: '2026-03-02T10:00:00Z', minutes: 1.5, isConversation: true },
      steps: [heard, { ...heard, decidedBy: 'timeout' }, { kind: 'tool' }, { kind: 'llm' }],
      cost: { usd: 0.25, input_tokens: 100, output_tokens: 20 },
    });
    for (const [kind, status] of [
      ['email', 'done'],
      ['channel_send', 'done'],
      ['notify', 'claimed'],
      ['http', 'done'],
    ] as const) {
      const claim = { key: `${talk.runId}/${kind}`, run: talk, nodeId: kind, kind, requestHash: '', round: 0 };
      await claimEffect(api.db, claim);
      await api.db.updateTable('effects').set({ status }).where('key', '=', claim.key).execute();
    }
    await seed({ at: '2026-03-02T11:00:00Z', status: 'failed', minutes: 2 });
    await seed({
      ...{ at: '2026-03-03T00:00:00Z', parent: talk, minutes: 7, steps: [{ kind: 'llm' }] },
      cost: { usd: 0.1, input_tokens: 1, output_tokens: 2 },
    });
    const usage = await person.call('GET', `${path}?since=2026-03-01&until=2026-03-04`);
    expect(usage).toMatchObject({ status: 200, body: { group: 'day', since: '2026-03-01', until: '2026-03-04' } });
    expect((usage.body['days'] as readonly unknown[]).length).toBe(4);
    expect(day(usage, '2026-03-02')).toEqual({
      ...{ date: '2026-03-02', runs: 2, queued: 0, running: 0, waiting: 0, paused: 0, completed: 1, failed: 1 },
      ...{ cancelled: 0, conversations: 1, ai_conversations: 1, steps: 4, tool_calls: 1 },
      ...{ input_tokens: 100, output_tokens: 20, cost_usd: 0.25, messages: 3, minutes: 3.5 },
    });
    expect(day(usage, '2026-03-03')).toMatchObject({ runs: 0, minutes: 0, steps: 1, input_tokens: 1, cost_usd: 0.1 });
    expect(day(usage, '2026-03-04')).toMatchObject({ runs: 0, steps: 0, cost_usd: 0 });
    expect(usage.body['totals']).toMatchObject({ runs: 2, steps: 5, cost_usd: 0.35, output_tokens: 22, minutes: 3.5 });
  });

  test('begins and ends its days where the zone does, also when its clocks change', async () => {
    // Berlin's 29 March 2026 has 23 hours: from 23:00 to 22:00 UTC
    for (const at of ['2026-03-28T22:59:59Z', '2026-03-28T23:00:00Z', '2026-03-29T21:59:59Z', '2026-03-29T22:00:00Z'])
      await seed({ at });
    const query = 'since=2026-03-28&until=2026-03-30';
    const berlin = await person.call('GET', `${path}?${query}&tz=europe/berlin`);
    expect(berlin.body['tz']).toBe('Europe/Berlin');
    expect(['2026-03-28', '2026-03-29', '2026-03-30'].map((date) => day(berlin, date)?.['runs'])).toEqual([1, 2, 1]);
    const utc = await person.call('GET', `${path}?${query}`);
    expect(['2026-03-28', '2026-03-29', '2026-03-30'].map((date) => day(utc, date)?.['runs'])).toEqual([2, 2, 0]);
    const one = await person.call('GET', `${path}?since=2026-03-29&until=2026-03-29&tz=Europe/Berlin`);
    expect(one.body['totals']).toMatchObject({ runs: 2 });
  });

  test('takes a moment as the day it lies in', async () => {
    const moment = encodeURIComponent('2026-03-28T23:30:00Z');
    const { body } = await person.call('GET', `${path}?since=${moment}&until=${moment}&tz=Europe/Berlin`);
    expect(body).toMatchObject({ since: '2026-03-29', until: '2026-03-29' });
  });

  test('is of the last thirty days, and of one workspace', async () => {
    const stranger = await api.signUp();
    await seed({ at: new Date().toISOString() }, stranger);
    const { body } = await person.call('GET', path);
    expect(body).toMatchObject({ plan: 'enterprise', organisation_plan: 'FREE', members: 1, totals: { runs: 0 } });
    expect((body['days'] as readonly unknown[]).length).toBe(30);
    const theirs = await stranger.call('GET', path);
    expect(theirs.body['totals']).toMatchObject({ runs: 1 });
  });

  test.each([
    ['tz=Europe/Atlantis', 'tz'],
    ['tz=%2B02:00', 'tz'],
    ['since=2026-02-30', 'since'],
    ['since=yesterday', 'since'],
    ['since=2026-03-02&until=2026-03-01', 'since'],
    ['since=2025-01-01&until=2026-01-02', 'since'],
    ['since=0000-01-01&until=0000-01-02', 'until'],
    ['until=9999-12-31T23:30:00-12:00', 'until'],
    ['group=month', 'group'],
  ])('refuses %s', async (query, field) => {
    const refused = await person.call('GET', `${path}?${query}`);
    expect(refused).toMatchObject({ status: 422 });
    expect(refused.body.error?.details[0]?.field).toContain(field);
  });

  test('is answered for a whole year, but not for more', async () => {
    const whole = await person.call('GET', `${path}?since=2024-01-01&until=2024-12-31`);
    expect((whole.body['days'] as readonly unknown[]).length).toBe(366);
  });
});

describe('the billing status', () => {
  test('sets the month beside the plan', async () => {
    await seed({
      at: new Date().toISOString(),
      steps: [{ kind: 'llm' }],
      cost: { usd: 1, input_tokens: 5, output_tokens: 7 },
    });
    const status = await person.call('GET', '/v1/workspaces/billing/status?tz=Asia/Tokyo');
    expect(status).toMatchObject({
      status: 200,
      body: {
        ...{ plan: 'enterprise', organisation_plan: 'FREE', limits_enforced: false, cost_usd: 1 },
        period: {
          start: expect.stringMatching(/-01$/),
          end: expect.stringMatching(/-(28|29|30|31)$/),
          tz: 'Asia/Tokyo',
        },
        seats: { used: 1, limit: 3 },
        usage: { runs: { used: 1, limit: 1_000 }, tokens: { used: 12 }, steps: { used: 1 } },
      },
    });
  });

  test('of the largest plan knows no limits', async () => {
    await api.db
      .updateTable('tenants')
      .set({ plan: 'ENTERPRISE' })
      .where('id', 'in', api.db.selectFrom('users').select('tenant_id').where('id', '=', person.userId))
      .execute();
    const { body } = await person.call('GET', '/v1/workspaces/billing/status');
    expect(body).toMatchObject({
      organisation_plan: 'ENTERPRISE',
      seats: { limit: null },
      usage: { runs: { limit: null } },
    });
    expect((await person.call('GET', '/v1/workspaces/billing/status?tz=nowhere')).status).toBe(422);
  });
});
