import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sql, type Transaction } from 'kysely';
import { appendRunEvent } from '../../db/run-events.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { insertWait } from '../../db/waits.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { Database } from '../../db/client.js';
import type { Tables } from '../../db/tables.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { noFlush, seedRun, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { listenTo, type Listen, type Listening, type Message } from '../support/sse.js';
import { until } from '../support/until.js';

let api: TestApi;
let db: Database;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ({ db } = api);
}, 60_000);
afterAll(() => api.close());

const newRun = (person: Person, definitionId?: string): Promise<RunRef> =>
  seedRun(db, {
    run: { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) },
    ...(definitionId === undefined
      ? {}
      : { definition: { id: definitionId, versionId: `${definitionId}_v` }, plan: null }),
  });

const listen = (
  person: Person,
  topics: string,
  more: Listen & { readonly from?: string | undefined } = {},
): Promise<Listening> => {
  const { from, ...rest } = more;
  const headers = { authorization: `Bearer ${person.token}`, ...(from === undefined ? {} : { 'last-event-id': from }) };
  return listenTo(`${api.url}/v1/stream?topics=${topics}`, { ...rest, headers });
};

/** A stream from now on, and where that is. */
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

async function begin(
  person: Person,
  topics: string,
): Promise<{ readonly stream: Listening; readonly position: string }> {
  await everythingIsPast();
  const stream = await listen(person, topics);
  const ready = await stream.next();
  expect(ready).toMatchObject({ event: 'ready', id: expect.stringMatching(/^\d+-0$/) });
  expect(ready?.data).toEqual({ position: ready?.id });
  return { stream, position: String(ready?.id) };
}

const shapeOf = (messages: readonly Message[]) =>
  messages
    .filter(({ event }) => event !== 'ready')
    .map(({ event, data }) => `${String(data?.['run_id'])} ${String(data?.['seq'])} ${event ?? ''}`);

/** Until as many have come as the log has. */
const take = async (stream: Listening, count: number): Promise<readonly Message[]> => {
  let seen = 0;
  return count === 0 ? [] : stream.until(() => (seen += 1) === count);
};

const end = (run: RunRef): Promise<void> =>
  writeEnd(db, run, { flush: noFlush, end: { status: 'completed', output: inline('done') } });

const wait = (run: RunRef) =>
  insertWait(db, {
    ...{ token: `${run.runId}~ok`, key: 'ok/1', nodeId: 'ok', visit: 1, scope: '', run, kind: 'decision' },
    ...{ prompt: 'Go?', context: null, expiresAt: null },
  });

async function newDefinition(person: Person): Promise<string> {
  const id = derivedId('def', newSeed());
  const of = { workspace_id: person.workspace.id, document: '{}' };
  const row = { ...of, kind: 'test', slug: id, name: 'T', status: 'live', version_id: null, created_by: 'ana' };
  await db
    .insertInto('definitions')
    .values({ id, ...row, deleted_at: null, published_at: null })
    .execute();
  const version = { id: `${id}_v`, definition_id: id, number: 1, hash: id, plan: '{}' };
  await db
    .insertInto('versions')
    .values({ ...of, ...version, published_at: null, published_by: null, note: null })
    .execute();
  return id;
}

test('each topic gets what is its own, from now on, and says which topic it was', async () => {
  const ana = await api.signUp();
  const definition = await newDefinition(ana);
  const before = await newRun(ana);
  const followed = await newRun(ana);
  const { stream } = await begin(ana, `runs,waits,run:${followed.runId},definition:${definition}`);
  const ofDefinition = await newRun(ana, definition);
  await writeFlush(db, before, { ...noFlush, steps: [stepRecord('a', 1)] });
  await wait(before);
  await appendRunEvent(db, followed.runId, { type: 'token', data: { text: 'x' } });
  await end(followed);
  const seen = await take(stream, 4);
  stream.cut();
  expect(seen.map(({ event, data }) => ({ event, run: data?.['run_id'], topics: data?.['topics'] }))).toEqual([
    { event: 'run', run: ofDefinition.runId, topics: ['runs', `definition:${definition}`] },
    { event: 'wait', run: before.runId, topics: ['waits'] },
    { event: 'token', run: followed.runId, topics: [`run:${followed.runId}`] },
    { event: 'run', run: followed.runId, topics: ['runs', `run:${followed.runId}`] },
  ]);
});

test('one workspace hears nothing of another', async () => {
  const [ana, bob] = [await api.signUp(), await api.signUp()];
  const { stream } = await begin(ana, 'runs,waits');
  await newRun(bob);
  const own = await newRun(ana);
  expect((await stream.next())?.data).toMatchObject({ run_id: own.runId });
  stream.cut();
  const foreign = await newRun(bob);
  for (const topic of [`run:${foreign.runId}`, `definition:${await newDefinition(bob)}`]) {
    expect((await ana.call('GET', `/v1/stream?topics=${topic}`)).status).toBe(404);
  }
});

test('topics nobody knows, none at all and a position that is none are refused', async () => {
  const ana = await api.signUp();
  for (const query of ['topics=runs,nonsense', 'topics=', 'topics=run:', '', 'topics=runs&last_event_id=7']) {
    const answer = await ana.call('GET', `/v1/stream?${query}`);
    expect({ query, status: answer.status }).toEqual({ query, status: 422 });
  }
});

test('cut anywhere, what arrives over many runs and writers is their log: no gap, no double, each run in its order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 8 }), async (cuts) => {
      const ana = await api.signUp();
      const runs = await Promise.all([newRun(ana), newRun(ana), newRun(ana)]);
      const topics = runs.map(({ runId }) => `run:${runId}`).join(',');
      const { stream, position } = await begin(ana, topics);
      stream.cut();
      const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeMuch(runs, writer)));
      const seen: Message[] = [];
      let last = position;
      for (const cutAfterBytes of cuts) {
        const part = await listen(ana, topics, { from: last, cutAfterBytes });
        seen.push(...(await take(part, TOTAL - seen.length)));
        part.cut();
        last = part.lastId() ?? last;
      }
      await writing;
      const log = await logSince(runs, position);
      const rest = await listen(ana, topics, { from: last });
      seen.push(...(await take(rest, log.length - seen.length)));
      rest.cut();
      expect(shapeOf(seen)).toEqual(log);
      for (const { runId } of runs) {
        const seqs = seen.filter(({ data }) => data?.['run_id'] === runId).map(({ data }) => Number(data?.['seq']));
        expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      }
    }),
    { numRuns: 15 },
  );
}, 120_000);

const [WRITERS, ROUNDS, RUNS] = [6, 4, 3];
const TOTAL = WRITERS * ROUNDS * RUNS;

/** Transactions of several statements, over several runs in one order so that none waits in a circle. */
async function writeMuch(runs: readonly RunRef[], writer: number): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await db.transaction().execute(async (trx) => {
      for (const run of runs) {
        if ((writer + round) % 3 === 0) await sql`select pg_current_xact_id()`.execute(trx);
        await appendRunEvent(trx, run.runId, { type: 'token', data: { text: `${writer}.${round}` } });
      }
    });
  }
}

/** As a new reader would get it. */
async function logSince(runs: readonly RunRef[], position: string): Promise<readonly string[]> {
  const [xid] = position.split('-');
  const rows = await db
    .selectFrom('run_events')
    .select(['run_id', 'seq', 'type'])
    .where(
      'run_id',
      'in',
      runs.map(({ runId }) => runId),
    )
    .where(sql<boolean>`xid >= ${xid}::xid8`)
    .orderBy('xid')
    .orderBy('id')
    .execute();
  return rows.map(({ run_id, seq, type }) => `${run_id} ${seq} ${type}`);
}

/** A transaction that a test holds open. */
async function openTransaction(): Promise<{ readonly trx: Transaction<Tables>; readonly commit: () => Promise<void> }> {
  let done: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (done = resolve));
  let opened: (trx: Transaction<Tables>) => void = () => undefined;
  const begun = new Promise<Transaction<Tables>>((resolve) => (opened = resolve));
  const whole = db.transaction().execute(async (trx) => {
    await sql`select pg_current_xact_id()`.execute(trx);
    opened(trx);
    await finished;
  });
  const trx = await begun;
  return {
    trx,
    commit: async () => {
      done();
      await whole;
    },
  };
}

test('what an older transaction still has to say is waited for, and then everything comes in order', async () => {
  const ana = await api.signUp();
  const [first, second] = [await newRun(ana), await newRun(ana)];
  const { stream, position } = await begin(ana, `run:${first.runId},run:${second.runId}`);
  const older = await openTransaction();
  await appendRunEvent(older.trx, first.runId, { type: 'log', data: { message: 'old' } });
  await appendRunEvent(db, second.runId, { type: 'log', data: { message: 'new' } });
  await older.commit();
  const seen = await take(stream, 2);
  stream.cut();
  expect(seen.map(({ data }) => data?.['message'])).toEqual(['old', 'new']);
  expect(shapeOf(seen)).toEqual(await logSince([first, second], position));
});

test('a transaction older than the one it waited for does not come before it: a status never goes back', async () => {
  const ana = await api.signUp();
  const run = await newRun(ana);
  const { stream } = await begin(ana, `run:${run.runId},runs`);
  // three transactions in the order of their ids; the second stays open for long
  const [oldest, between] = [await openTransaction(), await openTransaction()];
  await writeFlush(db, run, { ...noFlush, status: 'running', seq: 1 });
  await writeEnd(oldest.trx, run, { flush: noFlush, end: { status: 'completed', output: inline('done') } });
  await oldest.commit();
  const seen: Message[] = [];
  const reading = take(stream, 2).then((messages) => seen.push(...messages));
  await until(
    () => db.selectFrom('run_events').select('seq').where('run_id', '=', run.runId).execute(),
    (rows) => rows.length === 3,
  );
  await between.commit();
  await reading;
  stream.cut();
  expect(seen.map(({ data }) => data?.['status'])).toEqual(['running', 'completed']);
});

test('a position of another database begins anew and says so', async () => {
  const ana = await api.signUp();
  const stream = await listen(ana, 'runs', { from: '9000000000000000000-1' });
  expect((await stream.next())?.event).toBe('ready');
  const run = await newRun(ana);
  expect((await stream.next())?.data).toMatchObject({ run_id: run.runId });
  stream.cut();
});
