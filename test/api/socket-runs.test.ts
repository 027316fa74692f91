import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { appendRunEvent } from '../../db/run-events.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { insertWait } from '../../db/waits.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { send } from '../support/http.js';
import { noFlush, seedRun, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { openSocket, type Frame, type TestSocket } from '../support/socket.js';
import { until } from '../support/until.js';

let api: TestApi;
let db: Database;
let ana: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ({ db } = api);
  ana = await api.signUp();
}, 60_000);
afterAll(() => api.close());

const newRun = (person: Person = ana): Promise<RunRef> =>
  seedRun(db, { run: { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) } });

const say = (run: RunRef, text: string): Promise<void> =>
  appendRunEvent(db, run.runId, { type: 'token', data: { text } });

const end = (run: RunRef): Promise<void> =>
  writeEnd(db, run, { flush: noFlush, end: { status: 'completed', output: inline('done') } });

const open = (query = '', headers: Readonly<Record<string, string>> = { authorization: `Bearer ${ana.token}` }) =>
  openSocket(`${api.url}/ws/runs${query}`, { headers });

/** A stream begins where the oldest open transaction of the server did, and that may be one of another test's database. */
async function everythingIsPast(): Promise<void> {
  const ask = async (): Promise<boolean> => {
    const { rows } = await sql<{ past: boolean }>`
      select coalesce(bool_and(xid < pg_snapshot_xmin(pg_current_snapshot())), true) as past from run_events`.execute(
      db,
    );
    return rows[0]?.past ?? false;
  };
  await until(ask, (isPast) => isPast);
}

async function following(frame: object, query = ''): Promise<TestSocket> {
  await everythingIsPast();
  const socket = await open(query);
  expect(await socket.next()).toMatchObject({ type: 'connected', position: expect.stringMatching(/^\d+-\d+$/) });
  socket.send({ type: 'subscribe', ...frame });
  expect(await socket.next()).toMatchObject({ type: 'subscribed' });
  return socket;
}

const take = async (socket: TestSocket, count: number): Promise<readonly Frame[]> => {
  let seen = 0;
  return count === 0 ? [] : socket.until(() => (seen += 1) === count);
};

const refusedWith = async (query: string, headers: Readonly<Record<string, string>> = {}) =>
  (await (await open(query, headers)).over).code;

test('each topic brings what is its own, with the names that webhooks use', async () => {
  const run = await newRun();
  const socket = await following({ topics: ['runs', 'waits', `run:${run.runId}`] });
  await writeFlush(db, run, { ...noFlush, steps: [stepRecord('a', 1)] });
  const token = `${run.runId}~ok`;
  const wait = { token, key: 'ok/1', nodeId: 'ok', visit: 1, scope: '', run, kind: 'decision' } as const;
  await insertWait(db, { ...wait, prompt: 'Go?', context: null, expiresAt: null });
  await end(run);
  const other = await newRun();
  const seen = await socket.until(({ run_id: id }) => id === other.runId);
  const shapes = seen.map(({ type, event, topics }) => [type, event, topics]);
  const own = `run:${run.runId}`;
  expect(shapes).toEqual(
    expect.arrayContaining([
      ['step', expect.anything(), [own]],
      ['wait', 'approval.requested', ['waits', own]],
      ['run', 'run.completed', ['runs', own]],
    ]),
  );
  expect(seen.at(-1)).toMatchObject({ topics: ['runs'], seq: 1, at: expect.stringMatching(/Z$/), data: {} });
  socket.close();
});

test('only the events that were asked for come; a topic that is left is silent, and another one goes on', async () => {
  const run = await newRun();
  const socket = await following({ topics: ['runs'], events: ['run.completed'] });
  socket.send({ type: 'subscribe', topics: [`run:${run.runId}`] });
  expect(await socket.next()).toMatchObject({ type: 'subscribed', topics: [`run:${run.runId}`] });
  await say(run, 'one');
  expect(await socket.next()).toMatchObject({ type: 'token', topics: [`run:${run.runId}`] });
  socket.send({ type: 'unsubscribe', topics: [`run:${run.runId}`] });
  expect(await socket.next()).toMatchObject({ type: 'unsubscribed', topics: [`run:${run.runId}`] });
  await say(run, 'two');
  await newRun();
  await end(run);
  expect(await socket.next()).toMatchObject({ event: 'run.completed', run_id: run.runId, topics: ['runs'] });
  socket.send({ type: 'unsubscribe' });
  expect(await socket.next()).toMatchObject({ type: 'unsubscribed', topics: ['runs'] });
  socket.send({ type: 'ping' });
  expect(await socket.next()).toMatchObject({ type: 'pong' });
  socket.close();
});

test('cut and taken up again by the last id, in the frame or in the address, nothing is missing and nothing double', async () => {
  const run = await newRun();
  const topics = [`run:${run.runId}`];
  let socket = await following({ topics });
  const seen: Frame[] = [];
  for (let part = 0; part < 6; part += 1) {
    for (const text of ['a', 'b', 'c']) await say(run, `${part}${text}`);
    seen.push(...(await take(socket, 2)));
    socket.cut();
    const after = String(seen.at(-1)?.['id']);
    socket =
      part % 2 === 0 ? await following({ topics, after }) : await following({ topics }, `?last_event_id=${after}`);
  }
  seen.push(...(await take(socket, 6)));
  socket.close();
  const texts = seen.map(({ data }) => (data as { readonly text: string }).text);
  expect(texts).toEqual([0, 1, 2, 3, 4, 5].flatMap((part) => ['a', 'b', 'c'].map((text) => `${part}${text}`)));
});

test('a position of another database begins anew and says so; one that is none, or comes late, is refused', async () => {
  const socket = await open();
  await socket.next();
  socket.send({ type: 'subscribe', topics: ['runs'], after: '9000000000000000000-1' });
  expect(await socket.next()).toMatchObject({ type: 'subscribed', data: { resumed: false } });
  socket.send({ type: 'subscribe', topics: ['waits'], after: '1-1' });
  expect(await socket.next()).toMatchObject({ type: 'error', code: 'validation_error' });
  socket.send({ type: 'subscribe', topics: ['waits'], after: 'yesterday' });
  expect(await socket.next()).toMatchObject({
    type: 'error',
    message: expect.stringContaining('id of the last frame'),
  });
  socket.close();
  expect(await refusedWith('?last_event_id=7', { authorization: `Bearer ${ana.token}` })).toBe(4422);
});

test('one workspace hears nothing of another, nor may it ask', async () => {
  const bob = await api.signUp();
  const foreign = await newRun(bob);
  const socket = await following({ topics: ['runs', 'waits', 'calls'] });
  socket.send({ type: 'subscribe', topics: [`run:${foreign.runId}`] });
  expect(await socket.next()).toMatchObject({ type: 'error', code: 'not_found' });
  await newRun(bob);
  await end(foreign);
  const own = await newRun();
  expect(await socket.next()).toMatchObject({ run_id: own.runId });
  socket.close();
});

test('without a credential, with a bad one, without the right and from a foreign page with a cookie it is closed with the code', async () => {
  expect(await refusedWith('')).toBe(4401);
  expect(await refusedWith('?token=as_live_nonsense')).toBe(4401);
  expect(await refusedWith('', { 'x-api-key': 'as_live_nonsense' })).toBe(4401);
  const weak = await ana.call('POST', '/api/v1/auth/api-keys', {
    body: { name: 'w', environment: 'live', scopes: ['tools:read'] },
  });
  const strong = await ana.call('POST', '/api/v1/auth/api-keys', {
    body: { name: 's', environment: 'live', scopes: ['runs:read'] },
  });
  expect([weak.status, strong.status]).toEqual([201, 201]);
  expect(await refusedWith(`?token=${String(weak.body['key'])}`)).toBe(4403);
  const cookie = { cookie: `keelson_access=${ana.token}` };
  expect(await refusedWith('', { ...cookie, origin: 'https://evil.example.com' })).toBe(4403);
  for (const [query, headers] of [
    [`?token=${ana.token}`, {}],
    [`?token=${String(strong.body['key'])}`, {}],
    ['', { 'x-api-key': String(strong.body['key']) }],
    ['', { ...cookie, origin: api.url }],
  ] as const) {
    const socket = await open(query, headers);
    expect(await socket.next()).toMatchObject({ type: 'connected' });
    socket.close();
  }
});

test('frames that are none are answered, and too many of them end the socket; so does one that is too long', async () => {
  const socket = await open();
  await socket.next();
  const bad = [
    '{',
    '[]',
    '{"type":"dance"}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","topics":["x"]}',
    Buffer.from([1]),
  ];
  for (const frame of bad) {
    socket.send(frame);
    expect(await socket.next()).toMatchObject({ type: 'error', code: 'validation_error', message: expect.any(String) });
  }
  for (let n = 0; n < 6; n += 1) socket.send('{');
  expect((await socket.over).code).toBe(1008);
  const long = await open();
  long.send('x'.repeat(70_000));
  expect((await long.over).code).toBe(1009);
  const eager = await open();
  for (let n = 0; n < 120; n += 1) eager.send({ type: 'ping' });
  expect((await eager.over).code).toBe(4429);
});

test('asked without an upgrade, or where no socket is, it answers as HTTP does', async () => {
  const headers = { authorization: `Bearer ${ana.token}` };
  const plain = await send(`${api.url}/ws/runs`, { headers });
  expect(plain.status).toBe(426);
  expect(plain.body.error?.code).toBe('upgrade_required');
  expect((await send(`${api.url}/ws/runs`)).status).toBe(401);
  await expect(openSocket(`${api.url}/ws/nothing`)).rejects.toThrow('404');
  await expect(openSocket(`${api.url}/v1/runs`, { headers })).rejects.toThrow('200');
});

test('an API that stops tells its clients to come back, and another goes on where they were', async () => {
  const other = await startTestApi({ temporal: silentTemporal, database: api });
  const run = await newRun();
  await everythingIsPast();
  const headers = { authorization: `Bearer ${ana.token}` };
  const socket = await openSocket(`${other.url}/ws/runs`, { headers });
  await socket.next();
  socket.send({ type: 'subscribe', topics: [`run:${run.runId}`] });
  await socket.next();
  await say(run, 'one');
  const first = await socket.next();
  await other.close();
  expect(await socket.over).toEqual({ code: 1012, reason: 'service restart' });
  await say(run, 'two');
  const again = await following({ topics: [`run:${run.runId}`], after: first?.['id'] });
  expect(await again.next()).toMatchObject({ data: { text: 'two' } });
  again.close();
});
