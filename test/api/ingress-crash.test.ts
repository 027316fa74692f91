import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunInput } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { publish } from '../support/commands.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import * as faults from '../support/faults.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { ingressUser, nowSeconds, PUBLIC_URL } from '../support/ingress.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { until } from '../support/until.js';

/** API processes that come and go over one database. */

let database: TestDatabase;
let started: string[];
let startRun: (input: RunInput) => Promise<void>;
let alive: TestApi | undefined;
let person: Person;

const temporal = { ...silentTemporal(), startRun: (input: RunInput) => startRun(input) };

async function newProcess(): Promise<TestApi> {
  alive = await startTestApi({
    temporal: () => temporal,
    database: { databaseUrl: database.url },
    env: { KEELSON_PUBLIC_URL: PUBLIC_URL },
  });
  return alive;
}

/** The process is gone, and another takes its place some time later. */
async function replaced(): Promise<TestApi> {
  await alive?.close();
  await database.db
    .updateTable('ingress_messages')
    .set({ next_attempt_at: new Date(0) })
    .execute();
  await database.db
    .updateTable('runs')
    .set({ created_at: new Date(Date.now() - 60_000) })
    .execute();
  return newProcess();
}

const breakInserts = (table: string): Promise<void> => faults.breakInserts(database.url, table);
const mendInserts = (): Promise<void> => faults.mendInserts(database.url);
const asPerson = (api: TestApi): Person => faults.asPerson(api.url, person);

const statusOf = async (id: unknown): Promise<Record<string, unknown>> =>
  database.db.selectFrom('ingress_messages').selectAll().where('id', '=', String(id)).executeTakeFirstOrThrow();

const becomes = (id: unknown, wanted: string) =>
  until(
    () => statusOf(id),
    ({ status }) => status === wanted,
  );

const hasStarted = (runId: unknown) =>
  until(
    () => Promise.resolve(started),
    (all) => all.includes(String(runId)),
  );

beforeAll(async () => {
  database = await testDatabase();
  person = await (await newProcess()).signUp();
}, 60_000);
beforeEach(() => {
  started = [];
  startRun = (input) => {
    started.push(input.run.runId);
    return Promise.resolve();
  };
});
afterAll(async () => {
  await alive?.close();
  await database.close();
});

const hooked = async (api: TestApi, target: object) => {
  const user = ingressUser(asPerson(api), api.url);
  return { user, source: await user.create('github', { target }) };
};

describe('a webhook that was answered 202', () => {
  test('starts its run when the process died before it wrote the run', async () => {
    const api = alive as TestApi;
    const { id: definition } = await publish(database.db, person, { slug: 'one' });
    const { user, source } = await hooked(api, { definition });
    await breakInserts('runs');
    const posted = await user.post(source);
    expect(posted).toMatchObject({ status: 202, body: { status: 'received', duplicate: false } });
    const { id, run_id: runId } = posted.body;
    expect(await statusOf(id)).toMatchObject({ status: 'received', run_id: null });
    await mendInserts();
    const next = await replaced();
    await becomes(id, 'processed');
    await hasStarted(runId);
    expect(started.filter((each) => each === runId)).toEqual([runId]);
    const again = await ingressUser(asPerson(next), next.url).post(source);
    expect(again.body).toEqual({ id, run_id: runId, status: 'processed', duplicate: true });
    expect(await statusOf(id)).toMatchObject({ run_id: runId, definition_id: definition, attempts: 2 });
  });

  test('starts its run when Temporal was away and the process died then', async () => {
    const api = alive as TestApi;
    const { id: definition } = await publish(database.db, person, { slug: 'two' });
    const { user, source } = await hooked(api, { definition });
    startRun = () => Promise.reject(new Error('Temporal is away'));
    const posted = await user.post(source);
    const { run_id: runId } = posted.body;
    expect(posted.status).toBe(202);
    await alive?.close();
    startRun = (input) => {
      started.push(input.run.runId);
      return Promise.resolve();
    };
    await replaced();
    await until(
      () => Promise.resolve(started),
      (all) => all.includes(String(runId)),
    );
  });

  test('is answered while Temporal hangs, and is one run all the same', async () => {
    const api = alive as TestApi;
    const { id: definition } = await publish(database.db, person, { slug: 'three' });
    const { user, source } = await hooked(api, { definition });
    let release = (): void => undefined;
    const hanging = new Promise<void>((resolve) => (release = resolve));
    startRun = async (input) => {
      started.push(input.run.runId);
      await hanging;
    };
    const posted = await user.post(source);
    expect(posted).toMatchObject({ status: 202, body: { duplicate: false } });
    const kept = await becomes(posted.body['id'], 'processed');
    expect(kept['run_id']).toBe(posted.body['run_id']);
    release();
  });

  test('whose run was accepted is not started again, whatever became of its definition', async () => {
    const api = alive as TestApi;
    const { id: definition } = await publish(database.db, person, { slug: 'four' });
    const { user, source } = await hooked(api, { definition });
    const { id, run_id: runId } = (await user.post(source)).body;
    await hasStarted(runId);
    await database.db.updateTable('definitions').set({ status: 'paused' }).where('id', '=', definition).execute();
    await alive?.close();
    await database.db
      .updateTable('ingress_messages')
      .set({ status: 'received', run_id: null })
      .where('id', '=', String(id))
      .execute();
    await replaced();
    await becomes(id, 'processed');
    expect(await statusOf(id)).toMatchObject({ run_id: runId });
    const runs = await database.db.selectFrom('runs').select('id').where('actor', '=', source.id).execute();
    expect(runs).toEqual([{ id: runId }]);
  });

  test('raises its event once when the process died before it kept the event', async () => {
    const api = alive as TestApi;
    const { user, source } = await hooked(api, { event: { name: 'after.crash' } });
    await breakInserts('events');
    const { id } = (await user.post(source)).body;
    await mendInserts();
    await replaced();
    await becomes(id, 'processed');
    const events = await database.db
      .selectFrom('events')
      .select('event_id')
      .where('name', '=', 'after.crash')
      .execute();
    expect(events).toEqual([{ event_id: id }]);
  });

  test('is dead, with a reason, once the platform has failed too often, and can be redriven', async () => {
    const api = alive as TestApi;
    const { id: definition } = await publish(database.db, person, { slug: 'five' });
    const { user, source } = await hooked(api, { definition });
    await breakInserts('runs');
    const { id } = (await user.post(source)).body;
    await alive?.close();
    await database.db.updateTable('ingress_messages').set({ attempts: 13 }).where('id', '=', String(id)).execute();
    const next = await replaced();
    const dead = await becomes(id, 'dead');
    expect(dead['reason']).toBe(
      'It was tried 14 times and the platform failed each time: redrive it when that is mended.',
    );
    await mendInserts();
    const redriven = await asPerson(next).call('POST', `/v1/ingress-messages/${String(id)}/redrive`);
    expect(redriven).toMatchObject({ status: 202, body: { id } });
    const done = await becomes(id, 'processed');
    await hasStarted(done['run_id']);
  });
});

describe("a chain's own address", () => {
  const text = '{"order":1042}';
  const signature = (body: string | Buffer) => `sha256=${createHmac('sha256', 'in-key').update(body).digest('hex')}`;
  const post = (headers: Readonly<Record<string, string>> = {}, body = text): Promise<Answered> =>
    send(`${alive?.url}/v1/public/workflow-chains/${person.workspace.slug}/inbound/ingress`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-chain-signature': signature(body), ...headers },
      body,
    });
  const chain = (status: string) => ({
    ...{ name: 'Inbound', slug: 'inbound', status },
    primary_steps: [
      { kind: 'webhook', label: 'In', config: { secret: 'in-key' } },
      { kind: 'notify', label: 'Out' },
    ],
  });
  const patch = (status: string) =>
    asPerson(alive as TestApi).call('PATCH', '/v1/workflow-chains/inbound', { body: chain(status) });

  beforeAll(async () => {
    await asPerson(alive as TestApi).call('POST', '/v1/workflow-chains', { body: chain('draft') });
    expect((await patch('live')).status).toBe(200);
  });

  test('loses nothing when the process dies right after its 202, and starts nothing twice', async () => {
    await breakInserts('runs');
    const posted = await post({ 'webhook-id': 'w-1' });
    expect(posted).toMatchObject({ status: 202, body: { status: 'queued' } });
    expect(Object.keys(posted.body)).toEqual(['run_id', 'status']);
    await mendInserts();
    await replaced();
    const { run_id: runId } = posted.body;
    await until(
      () => Promise.resolve(started),
      (all) => all.includes(String(runId)),
    );
    expect((await post({ 'webhook-id': 'w-1' })).body).toMatchObject({ run_id: runId });
    const [message] = await messages();
    expect(message).toMatchObject({ source_id: null, provider_id: 'w-1', run_id: runId, duplicates: 1 });
    const whole = await asPerson(alive as TestApi).call('GET', `/v1/ingress-messages/${String(message?.['id'])}`);
    expect(whole.body).toMatchObject({ body: text, headers: { 'webhook-id': 'w-1' } });
    expect(whole.text).not.toContain(signature(text).slice(7));
  });

  const messages = async () => {
    const { body } = await asPerson(alive as TestApi).call('GET', '/v1/ingress-messages?limit=100');
    return (body['items'] as Record<string, unknown>[]).filter(({ source_id: source }) => source === null);
  };

  test('twenty twins with one webhook-id are one run; without one each is its own', async () => {
    const twins = await Promise.all(Array.from({ length: 20 }, () => post({ 'webhook-id': 'w-2' })));
    expect(new Set(statusesOf(twins))).toEqual(new Set([202]));
    const [runId, ...others] = new Set(twins.map(({ body }) => body['run_id']));
    expect(others).toEqual([]);
    await hasStarted(runId);
    expect(started.filter((each) => each === runId)).toHaveLength(1);
    const plain = [await post(), await post()];
    expect(new Set(plain.map(({ body }) => body['run_id'])).size).toBe(2);
    const keyed = [await post({ 'idempotency-key': 'k' }), await post({ 'idempotency-key': 'k' })];
    expect(new Set(keyed.map(({ body }) => body['run_id'])).size).toBe(1);
  });

  test('that was paused before it came to start is dead, and runs once it is live and redriven', async () => {
    await breakInserts('runs');
    await post({ 'webhook-id': 'w-3' });
    await mendInserts();
    await patch('paused');
    await replaced();
    const dead = await until(messages, (all) => all[0]?.['status'] === 'dead');
    expect(dead[0]?.['reason']).toBe('"Inbound" is paused: set it live, then redrive the message.');
    await patch('live');
    const path = `/v1/ingress-messages/${String(dead[0]?.['id'])}/redrive`;
    const redriven = await asPerson(alive as TestApi).call('POST', path);
    expect(redriven.status).toBe(202);
    const done = await becomes(dead[0]?.['id'], 'processed');
    await hasStarted(done['run_id']);
  });

  test('refuses before it keeps anything', async () => {
    const before = (await messages()).length;
    const forged = await post({ 'x-chain-signature': signature('other') });
    expect(forged).toMatchObject({ status: 401 });
    expect(forged.body.error?.message).toBe('X-Chain-Signature is missing or does not match the body.');
    await patch('paused');
    expect((await post()).status).toBe(409);
    await patch('live');
    expect((await post({}, '{"a":')).status).toBe(400);
    expect(await messages()).toHaveLength(before);
  });
});

test('messages are forgotten after thirty days, but none that waits', async () => {
  const { id: definition } = await publish(database.db, person, { slug: 'old' });
  const { user, source } = await hooked(alive as TestApi, { definition });
  const ids = [
    (await user.post(source, { id: 'a', at: nowSeconds() })).body['id'],
    (await user.post(source, { id: 'b' })).body['id'],
  ];
  const old = new Date(Date.now() - 31 * 86_400_000);
  await database.db
    .updateTable('ingress_messages')
    .set({ received_at: old })
    .where('source_id', '=', source.id)
    .execute();
  const later = new Date(Date.now() + 86_400_000);
  await alive?.close();
  await database.db
    .updateTable('ingress_messages')
    .set({ status: 'received', next_attempt_at: later })
    .where('id', '=', String(ids[1]))
    .execute();
  await newProcess();
  const left = () =>
    database.db.selectFrom('ingress_messages').select('id').where('source_id', '=', source.id).execute();
  expect(await until(left, (rows) => rows.length === 1)).toEqual([{ id: ids[1] }]);
});
