import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sql } from 'kysely';
import { appendRunEvent } from '../../db/run-events.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { insertWait, recordVotes } from '../../db/waits.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { noFlush, seedRun, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { listenTo, type Listen, type Listening, type Message } from '../support/sse.js';
import { asOwner } from '../support/database.js';
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

const newRun = (): Promise<RunRef> =>
  seedRun(db, { run: { workspaceId: ana.workspace.id, runId: derivedId('run', newSeed()) } });

const listen = ({ runId }: RunRef, more: Listen = {}): Promise<Listening> =>
  listenTo(`${api.url}/v1/runs/${runId}/stream`, {
    ...more,
    headers: { authorization: `Bearer ${ana.token}`, ...more.headers },
  });

const after = (id: string | number | undefined): Listen =>
  id === undefined ? {} : { headers: { 'last-event-id': String(id) } };

const isEnd = ({ event }: Message): boolean => event === 'end';

/** The log as it stands in the database. */
const logOf = ({ runId }: RunRef) =>
  db.selectFrom('run_events').select(['seq', 'type']).where('run_id', '=', runId).orderBy('seq').execute();

const shapeOf = (messages: readonly Message[]) =>
  messages.filter((message) => !isEnd(message)).map(({ id, event }) => ({ seq: Number(id), type: event }));

const end = (run: RunRef): Promise<void> =>
  writeEnd(db, run, { flush: noFlush, end: { status: 'completed', output: inline('done') } });

/** Something of every type. */
async function fill(run: RunRef, steps: number): Promise<void> {
  await writeFlush(db, run, { ...noFlush, status: 'running', seq: 1 });
  for (let seq = 2; seq < steps + 2; seq += 1) {
    await writeFlush(db, run, { ...noFlush, steps: [stepRecord(`n${seq}`, seq)], seq });
    await appendRunEvent(db, run.runId, { type: 'token', data: { text: `wörd ${seq}\n` } });
  }
  const token = `${run.runId}~ok`;
  const wait = { token, key: 'ok/1', nodeId: 'ok', visit: 1, scope: '', run, kind: 'decision' } as const;
  await insertWait(db, { ...wait, prompt: 'Go?', context: null, expiresAt: null });
  const vote = { by: 'ana', decision: 'approve', note: null, value: null, at: 1, shownHash: null } as const;
  await recordVotes(db, { run, token, votes: [vote] });
  await appendRunEvent(db, run.runId, { type: 'log', data: { message: 'hello' } });
}

test('what was and what comes arrives in order, with the ids of the log, and ends after the run', async () => {
  const run = await newRun();
  await fill(run, 3);
  const stream = await listen(run);
  const before = await stream.until(({ event }) => event === 'log');
  await writeFlush(db, run, { ...noFlush, steps: [stepRecord('late', 20)], seq: 20 });
  await end(run);
  const seen = [...before, ...(await stream.until(() => false))];
  expect(await stream.over).toBe('ended');
  expect(shapeOf(seen)).toEqual(await logOf(run));
  const types = ['run', 'step', 'token', 'wait', 'vote', 'log', 'end'];
  expect(new Set(seen.map(({ event }) => event))).toEqual(new Set(types));
  expect(seen.find(({ event }) => event === 'token')?.data).toEqual({
    run_id: run.runId,
    seq: expect.any(Number),
    at: expect.stringMatching(/Z$/),
    text: 'wörd 2\n',
  });
  expect(seen.at(-1)).toMatchObject({ event: 'end', data: { run_id: run.runId, status: 'completed' } });
});

test('a run that is over is told from any place, and its end every time', async () => {
  const run = await newRun();
  await fill(run, 2);
  await end(run);
  const log = await logOf(run);
  for (const from of [0, 1, 4, log.length - 1, log.length, log.length + 5]) {
    const seen = await (await listen(run, after(from))).until(() => false);
    expect(shapeOf(seen)).toEqual(log.filter(({ seq }) => seq > from));
    expect(seen.at(-1)?.event).toBe('end');
  }
  const byQuery = await listenTo(`${api.url}/v1/runs/${run.runId}/stream?last_event_id=${log.length - 1}`, {
    headers: { authorization: `Bearer ${ana.token}` },
  });
  expect(shapeOf(await byQuery.until(() => false))).toEqual(log.slice(-1));
});

test('a log longer than one read arrives whole', async () => {
  const run = await newRun();
  await sql`select append_run_event(${run.runId}, 'token', jsonb_build_object('n', n)) from generate_series(1, 1234) n`.execute(
    db,
  );
  await end(run);
  const seen = await (await listen(run)).until(() => false);
  expect(shapeOf(seen)).toEqual(await logOf(run));
});

test('cut anywhere and as often as one likes, what arrives is the log: no gap, no double', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 6_000 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 12 }),
      async (cuts, steps) => {
        const run = await newRun();
        const writing = fill(run, steps).then(() => end(run));
        const seen: Message[] = [];
        let last: string | undefined;
        for (const cutAfterBytes of cuts) {
          const stream = await listen(run, { ...after(last), cutAfterBytes });
          seen.push(...(await stream.until(isEnd)));
          last = stream.lastId() ?? last;
          if (seen.some(isEnd)) break;
        }
        if (!seen.some(isEnd)) seen.push(...(await (await listen(run, after(last))).until(isEnd)));
        await writing;
        expect(shapeOf(seen)).toEqual(await logOf(run));
      },
    ),
    { numRuns: 25 },
  );
}, 120_000);

test('many writers at once, many listeners that come and go: everyone has the log', async () => {
  const run = await newRun();
  const listeners = Array.from({ length: 6 }, async (_, listener) => {
    const seen: Message[] = [];
    let last: string | undefined;
    for (;;) {
      const stream = await listen(run, {
        ...after(last),
        ...(listener % 2 === 0 ? {} : { cutAfterBytes: 3_000 + listener * 97 }),
      });
      seen.push(...(await stream.until(isEnd)));
      last = stream.lastId() ?? last;
      if (seen.some(isEnd)) return seen;
    }
  });
  const writers = Array.from({ length: 5 }, async (_, writer) => {
    for (let step = 1; step <= 20; step += 1) {
      const seq = step * 10 + writer;
      await writeFlush(db, run, {
        ...noFlush,
        steps: [stepRecord(`w${writer}`, seq, { visit: step })],
        status: 'running',
        seq,
      });
      await appendRunEvent(db, run.runId, { type: 'token', data: { text: `${writer}.${step}` } });
    }
  });
  await Promise.all(writers);
  await end(run);
  const log = await logOf(run);
  expect(log.length).toBeGreaterThanOrEqual(202);
  for (const seen of await Promise.all(listeners)) expect(shapeOf(seen)).toEqual(log);
}, 60_000);

test('a status that has ended never comes back, whatever is written late', async () => {
  const run = await newRun();
  const stream = await listen(run);
  const writes = Array.from({ length: 30 }, (_, seq) =>
    writeFlush(db, run, { ...noFlush, status: seq % 2 === 0 ? 'running' : 'waiting', seq: (seq * 7) % 30 }),
  );
  await Promise.all([...writes, end(run)]);
  await writeFlush(db, run, { ...noFlush, status: 'running', seq: 99, steps: [stepRecord('late', 99)] });
  const seen = [...(await stream.until(isEnd)), ...(await (await listen(run)).until(isEnd))];
  const statuses = seen.filter(({ event }) => event === 'run').map(({ data }) => data?.['status']);
  expect(statuses.lastIndexOf('running')).toBeLessThan(statuses.lastIndexOf('completed'));
  const ends = statuses.flatMap((status, index) => (status === 'completed' ? [index] : []));
  // each of the two readings ends with it
  for (const index of ends) expect([undefined, 'queued']).toContain(statuses[index + 1]);
});

test('a client that leaves touches nothing', async () => {
  const run = await newRun();
  await fill(run, 1);
  const before = await db.selectFrom('runs').selectAll().where('id', '=', run.runId).executeTakeFirstOrThrow();
  for (let i = 0; i < 5; i += 1) {
    const stream = await listen(run);
    await stream.next();
    stream.cut();
  }
  expect(await db.selectFrom('runs').selectAll().where('id', '=', run.runId).executeTakeFirstOrThrow()).toEqual(before);
});

test('news that are lost, with the connection that hears them, cost nothing', async () => {
  const run = await newRun();
  const stream = await listen(run);
  await stream.next();
  const broken = await until(
    () =>
      asOwner(api.databaseUrl, (owner) =>
        sql<{ n: number }>`select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
          where application_name = 'keelson-run_events' and datname = current_database()`.execute(owner),
      ),
    ({ rows }) => (rows[0]?.n ?? 0) > 0,
  );
  expect(broken.rows).toEqual([{ n: 1 }]);
  await fill(run, 1);
  await end(run);
  expect(shapeOf(await stream.until(isEnd)).length).toBeGreaterThan(3);
});

test('a foreign or unknown run is not found, and an id that is none is refused', async () => {
  const run = await newRun();
  const stranger = await api.signUp();
  expect((await stranger.call('GET', `/v1/runs/${run.runId}/stream`)).status).toBe(404);
  expect((await ana.call('GET', '/v1/runs/run_none/stream')).status).toBe(404);
  const bad = await ana.call('GET', `/v1/runs/${run.runId}/stream`, { headers: { 'last-event-id': 'x' } });
  expect(bad.status).toBe(422);
  expect(bad.body.error?.details).toEqual([
    { field: 'Last-Event-ID', message: 'must be the id of the last message, a whole number' },
  ]);
});

test('the API that stops ends its streams in order', async () => {
  const own = await startTestApi({ temporal: silentTemporal });
  const person = await own.signUp();
  const run = await seedRun(own.db, { run: { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) } });
  const stream = await listenTo(`${own.url}/v1/runs/${run.runId}/stream`, {
    headers: { authorization: `Bearer ${person.token}` },
  });
  await stream.next();
  await own.close();
  expect(await stream.over).toBe('ended');
  expect(stream.lastId()).toBe('1');
});
