import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Database } from '../../db/client.js';
import { createIdempotencyStore, type KeyedRequest } from '../../db/idempotency.js';
import { ApiError } from '../../api/http/errors.js';
import { testDatabase } from '../support/database.js';
import { send, type Answered } from '../support/http.js';
import { startKit, type KitServer } from '../support/kit.js';
import { kitRows } from '../support/kit-rows.js';

interface Gate {
  ran: number;
  open: Promise<void>;
  entered?: () => void;
  fail?: () => unknown;
}
const gate: Gate = { ran: 0, open: Promise.resolve() };
let db: Database;
let drop: () => Promise<void>;
let kit: KitServer;
let impatient: KitServer;

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
  kit = await startKit({ db, rows: kitRows(gate), idempotency: { twinWaitMs: 10_000 } });
  impatient = await startKit({ db, rows: kitRows(gate), idempotency: { twinWaitMs: 1 } });
});
beforeEach(() => {
  gate.ran = 0;
  gate.open = Promise.resolve();
  delete gate.entered;
  delete gate.fail;
});
afterAll(async () => {
  await Promise.all([kit.close(), impatient.close()]);
  await drop();
});

const create = (
  key: string,
  body: unknown = { name: 'kettle' },
  more: Record<string, string> = {},
): Promise<Answered> =>
  send(`${kit.url}/things`, {
    method: 'POST',
    headers: { authorization: 'Bearer ann', 'content-type': 'application/json', 'idempotency-key': key, ...more },
    body: JSON.stringify(body),
  });

/** Resolves when a handler waits at the gate, with what lets it go on. */
function closeGate(): { readonly entered: Promise<void>; readonly letGo: () => void } {
  let letGo = (): void => undefined;
  gate.open = new Promise((resolve) => (letGo = resolve));
  const entered = new Promise<void>((resolve) => (gate.entered = resolve));
  return { entered, letGo };
}

test('a repeat gets the first answer and runs nothing', async () => {
  const key = randomUUID();
  const first = await create(key);
  const again = await create(key);
  expect(first.status).toBe(201);
  expect(again).toMatchObject({ status: 201, text: first.text });
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(first.headers.get('idempotent-replayed')).toBeNull();
  expect(gate.ran).toBe(1);
});

test('another body, another path or query under the same key is 409; another actor has keys of its own', async () => {
  const key = randomUUID();
  const first = await create(key);
  expect((await create(key, { name: 'other' })).status).toBe(409);
  const other = await create(key, { name: 'kettle' }, { authorization: 'Bearer bob' });
  expect(other.status).toBe(201);
  expect(other.body['id']).not.toBe(first.body['id']);
});

test('without a key everything runs', async () => {
  const init = { method: 'POST', headers: { authorization: 'Bearer ann', 'content-type': 'application/json' } };
  const one = await send(`${kit.url}/things`, { ...init, body: '{"name":"a"}' });
  const two = await send(`${kit.url}/things`, { ...init, body: '{"name":"a"}' });
  expect(gate.ran).toBe(2);
  expect(one.body['id']).not.toBe(two.body['id']);
});

test('twenty twins at once run once and all get the same answer', async () => {
  const key = randomUUID();
  const { entered, letGo } = closeGate();
  const twins = Array.from({ length: 20 }, () => create(key));
  await entered;
  letGo();
  const answers = await Promise.all(twins);
  expect(gate.ran).toBe(1);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
});

test('a twin that waited long enough is told that the first still runs', async () => {
  const { entered, letGo } = closeGate();
  const key = randomUUID();
  const first = create(key);
  await entered;
  const twin = await send(`${impatient.url}/things`, {
    method: 'POST',
    headers: { authorization: 'Bearer ann', 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ name: 'kettle' }),
  });
  letGo();
  expect(twin.status).toBe(409);
  expect(twin.body.error?.message).toContain('still running');
  expect((await first).status).toBe(201);
});

test('a refusal for good is replayed; a failure of ours runs again with the same seed', async () => {
  const refused = randomUUID();
  gate.fail = () => new ApiError(409, 'Not now.');
  expect((await create(refused)).status).toBe(409);
  delete gate.fail;
  expect(await create(refused)).toMatchObject({ status: 409, body: { detail: 'Not now.' } });

  const failed = randomUUID();
  gate.fail = () => new ApiError(503, 'Down.');
  expect((await create(failed)).status).toBe(503);
  const seeds = await db.selectFrom('idempotency_keys').select('seed').where('status', 'is', null).execute();
  delete gate.fail;
  const { status, body } = await create(failed);
  expect(status).toBe(201);
  expect(String(body['id']).slice(4, 14)).toBe(seeds[0]?.seed.slice(0, 10));
});

test('a crashed first is taken over after its lease, with its seed', async () => {
  const crashed = createIdempotencyStore(db, { leaseSeconds: 0 });
  const living = createIdempotencyStore(db);
  const request: KeyedRequest = { scope: 's', route: 'r', key: randomUUID(), bodyHash: 'h' };
  const first = await crashed.claim(request);
  const second = await living.claim(request);
  expect(second).toEqual(first);
  expect(await living.claim(request)).toEqual({ kind: 'running' });
  expect(await living.claim({ ...request, bodyHash: 'other' })).toEqual({ kind: 'otherBody' });
  await living.finish(request, { status: 201, reply: 'done' });
  await crashed.finish(request, { status: 500, reply: 'late' });
  expect(await living.claim(request)).toEqual({ kind: 'done', status: 201, reply: 'done' });
});

test('neither the key nor the answer can be read in the table', async () => {
  const key = randomUUID();
  const { body } = await create(key, { name: 'shown-once' });
  const table = JSON.stringify(await db.selectFrom('idempotency_keys').selectAll().execute());
  expect(table).not.toContain(key);
  expect(table).not.toContain('shown-once');
  expect(body['name']).toBe('shown-once');
});

test('a missing proof leaves no trace under a key', async () => {
  const key = randomUUID();
  gate.fail = () => new ApiError(401, 'Bad signature.');
  expect((await create(key)).status).toBe(401);
  delete gate.fail;
  expect((await create(key, { name: 'another' })).status).toBe(201);
});

test('keys must be 1 to 255 printable characters', async () => {
  for (const key of ['', 'x'.repeat(256), 'ключ'.normalize().replaceAll(/./gu, '\u00e9')]) {
    const { status, body } = await create(key);
    expect({ key: key.length, status }).toEqual({ key: key.length, status: 422 });
    expect(body.error?.details[0]?.field).toBe('Idempotency-Key');
  }
  expect((await create('x'.repeat(255))).status).toBe(201);
});

test('keys older than a day are purged', async () => {
  const store = createIdempotencyStore(db);
  const request: KeyedRequest = { scope: 's', route: 'r', key: randomUUID(), bodyHash: 'h' };
  await store.claim(request);
  await db
    .updateTable('idempotency_keys')
    .set({ created_at: new Date(0) })
    .where('scope', '=', 's')
    .execute();
  await store.purge();
  expect(await db.selectFrom('idempotency_keys').selectAll().where('scope', '=', 's').execute()).toEqual([]);
});
