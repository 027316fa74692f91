import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { dispatchOnce } from '../../api/services/webhook-dispatcher.js';
import { createTemporalGateway } from '../../api/temporal/gateway.js';
import type { Person } from '../support/api.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { startReceiver, type Receiver, type ReceivedHook } from '../support/receiver.js';
import { until } from '../support/until.js';

jest.setTimeout(180_000);

let receiver: Receiver;
let platform: TestPlatform;
let owner: Person;

beforeAll(async () => {
  receiver = await startReceiver();
  platform = await startTestPlatform({ KEELSON_EGRESS_ALLOW: receiver.address, KEELSON_WEBHOOK_MOST_DEAD: '2' });
  owner = await platform.signUp();
  const steps = [{ kind: 'trigger', label: 'In' }];
  await owner.call('POST', '/v1/workflow-chains', { body: { name: 'Told', slug: 'told', primary_steps: steps } });
});
afterAll(async () => {
  await platform.close();
  await receiver.close();
});

const at = '/v1/webhook-endpoints';

interface Made {
  readonly id: string;
  readonly secret: string;
}

async function endpoint(path: string, more: object = {}): Promise<Made> {
  const body = { url: `${receiver.url}${path}`, event_types: ['run.started', 'run.completed'], ...more };
  const { body: made } = await owner.call('POST', at, { body });
  return { id: String(made['id']), secret: String(made['secret']) };
}

const off = (id: string) => owner.call('DELETE', `${at}/${id}`);

interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly run_id: string | null;
  readonly attempts: number;
  readonly last_error: string | null;
}

async function deliveries(id: string): Promise<readonly Delivery[]> {
  const { body } = await owner.call('GET', `${at}/${id}/deliveries`);
  return body['items'] as readonly Delivery[]; // -- reason: the list's own shape
}

/** All deliveries of the endpoint once there are so many and none is under way. */
const ended = (id: string, count = 1): Promise<readonly Delivery[]> =>
  until(
    () => deliveries(id),
    (all) => all.length >= count && all.every(({ status }) => status !== 'pending' && status !== 'delivering'),
    60_000,
  );

const start = async (): Promise<string> =>
  String((await owner.call('POST', '/v1/workflow-chains/told/run')).body['run_id']);

const detail = async (id: string) => (await owner.call('GET', `/v1/webhook-deliveries/${id}`)).body;

const eventOf = ({ body }: ReceivedHook) =>
  JSON.parse(body) as { readonly id: string; readonly type: string; readonly data: Readonly<Record<string, unknown>> }; // -- reason: our own envelope

describe('a run', () => {
  test('is told once for each event, signed, and the log says so', async () => {
    const { id, secret } = await endpoint('/run');
    const runId = await start();
    const all = await ended(id, 2);
    const delivered = { status: 'delivered', attempts: 1, run_id: runId };
    expect(all).toMatchObject([
      { type: 'run.completed', ...delivered },
      { type: 'run.started', ...delivered },
    ]);
    const hooks = receiver.at('/run');
    expect(hooks).toHaveLength(2);
    for (const hook of hooks)
      expect(new Webhook(secret).verify(hook.body, hook.headers)).toEqual(JSON.parse(hook.body));
    expect(hooks.map(eventOf).find(({ type }) => type === 'run.started')?.data).toMatchObject({
      ...{ run_id: runId, status: 'running', output: null, ended_at: null },
      started_at: expect.stringMatching(/Z$/),
    });
    expect(new Set(hooks.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
    const over = hooks.map(eventOf).find(({ type }) => type === 'run.completed');
    expect(over).toMatchObject({
      object: 'event',
      api_version: '2026-01-19',
      livemode: true,
      workspace_id: owner.workspace.id,
      data: { run_id: runId, definition_kind: 'chain', slug: 'told', status: 'completed', error: null },
    });
    const shown = await detail(all.find(({ type }) => type === 'run.completed')?.id ?? '');
    expect(shown).toMatchObject({ payload: over, log: [{ number: 1, status: 200, error: null, response: 'ok' }] });
    await off(id);
  });

  test('is told although the process that took the delivery died before it started anything', async () => {
    const { id } = await endpoint('/lost', { event_types: ['run.failed'] });
    const eventId = 'evt_lost_1';
    await sql`insert into webhook_deliveries (id, endpoint_id, workspace_id, tenant_id, event_id, type, dispatched_at)
      select 'whd_lost', id, ${owner.workspace.id}, tenant_id, ${eventId}, 'webhook.test', now() - interval '1 minute'
      from webhook_endpoints where id = ${id}`.execute(platform.db);
    await ended(id);
    // told of again by another process, the same delivery is not sent again
    await sql`update webhook_deliveries set status = 'pending', attempts = 0, ended_at = null, dispatched_at = null
      where id = 'whd_lost'`.execute(platform.db);
    const temporal = createTemporalGateway({
      connection: platform.client.connection,
      namespace: platform.namespace,
      eagerStart: false,
    });
    const log = { warn: () => undefined };
    await dispatchOnce({ db: platform.db, databaseUrl: platform.databaseUrl, temporal, baseUrl: 'http://x', log });
    await until(
      async () =>
        (await platform.client.workflow.getHandle(`hook/${owner.workspace.id}/whd_lost`).describe()).status.name,
      (status) => status === 'COMPLETED',
    );
    expect(receiver.at('/lost').map(({ headers }) => headers['webhook-id'])).toEqual([eventId]);
    await off(id);
  });
});

describe('a receiver that fails', () => {
  test('gets the same bytes under the same id again, also from another worker', async () => {
    receiver.answer('/flaky', (index) => ({ status: index < 2 ? 503 : 204 }));
    const { id } = await endpoint('/flaky', { event_types: ['run.completed'] });
    await start();
    await until(
      () => Promise.resolve(receiver.at('/flaky').length),
      (count) => count >= 1,
    );
    await platform.restartWorker();
    const [delivery] = await ended(id);
    expect(delivery).toMatchObject({ status: 'delivered', attempts: 3 });
    const hooks = receiver.at('/flaky');
    expect(hooks).toHaveLength(3);
    expect(new Set(hooks.map(({ body }) => body)).size).toBe(1);
    expect(new Set(hooks.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect((await detail(delivery?.id ?? ''))['log']).toMatchObject([
      { status: 503 },
      { status: 503 },
      { status: 204 },
    ]);
    await off(id);
  });

  test('with 410 Gone is told no more; what it missed is sent again once it is back', async () => {
    let isGone = true;
    receiver.answer('/gone', () => ({ status: isGone ? 410 : 200 }));
    const { id } = await endpoint('/gone', { event_types: ['run.completed'] });
    await start();
    const [dead] = await ended(id);
    expect(dead).toMatchObject({ status: 'dead', attempts: 1 });
    const shown = await until(
      () => owner.call('GET', `${at}/${id}`),
      ({ body }) => body['is_active'] === false,
    );
    expect(shown.body).toMatchObject({ disabled_reason: expect.stringContaining('410 Gone') });
    const missed = await start();
    await until(
      () => owner.call('GET', `/v1/runs/${missed}`),
      ({ body }) => body['status'] === 'completed',
    );
    const audit = await until(
      () => owner.call('GET', '/v1/audit?action=webhookEndpoints.disabled'),
      ({ body }) => body['total'] === 1,
    );
    expect(JSON.stringify(audit.body)).toContain(id);
    const mails = () =>
      platform.db
        .selectFrom('mails')
        .selectAll()
        .where('to_address', '=', owner.email)
        .where('text', 'like', `%${id}%`)
        .execute();
    expect(await until(mails, ({ length }) => length === 1)).toHaveLength(1);

    isGone = false;
    await owner.call('PATCH', `${at}/${id}`, { body: { is_active: true } });
    const again = await owner.call('POST', `/v1/webhook-deliveries/${dead?.id ?? ''}/redrive`);
    expect(again.status).toBe(202);
    await until(
      () => detail(String(again.body['id'])),
      (delivery) => delivery['status'] === 'delivered',
    );
    const [first, second, ...more] = receiver.at('/gone');
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    // nothing of the run that came while it was off
    expect(more).toEqual([]);
    await off(id);
  });

  test('is turned off after so many deliveries in a row that were given up', async () => {
    receiver.answer('/off', () => ({ status: 500 }));
    const { id } = await endpoint('/off');
    await sql`update webhook_endpoints set dead_in_a_row = 1 where id = ${id}`.execute(platform.db);
    const tested = await owner.call('POST', `${at}/${id}/test`);
    await until(
      () => detail(String(tested.body['id'])),
      (delivery) => delivery['status'] === 'dead',
      90_000,
    );
    const shown = await until(
      () => owner.call('GET', `${at}/${id}`),
      ({ body }) => body['is_active'] === false,
    );
    expect(shown.body).toMatchObject({ disabled_reason: '2 deliveries in a row failed all their attempts.' });
    expect(receiver.at('/off')).toHaveLength(6);
    await off(id);
  });
});

/** Whether a receiver that knows this secret takes it. */
function isSignedBy(secret: string, hook: ReceivedHook | undefined): boolean {
  if (hook === undefined) throw new Error('nothing was received');
  try {
    new Webhook(secret).verify(hook.body, hook.headers);
    return true;
  } catch {
    return false;
  }
}

test('a test call answers what came of it, under both secrets after a rotation', async () => {
  const { id, secret } = await endpoint('/test');
  const rotate = async (overlap_seconds: number): Promise<string> =>
    String((await owner.call('POST', `${at}/${id}/rotate-secret`, { body: { overlap_seconds } })).body['secret']);
  const second = await rotate(60);
  const tested = await owner.call('POST', `${at}/${id}/test?wait=30`);
  expect(tested.body).toMatchObject({ status: 'delivered', type: 'webhook.test', log: [{ status: 200 }] });
  expect(tested.body['payload']).toMatchObject({ livemode: false, type: 'webhook.test' });
  const third = await rotate(0);
  await owner.call('POST', `${at}/${id}/test?wait=30`);
  const [during, after] = receiver.at('/test');
  expect([secret, second, third].map((each) => isSignedBy(each, during))).toEqual([true, true, false]);
  expect([secret, second, third].map((each) => isSignedBy(each, after))).toEqual([false, false, true]);
  await off(id);
});
