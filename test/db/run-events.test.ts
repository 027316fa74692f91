import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { appendRunEvent } from '../../db/run-events.js';
import { beginStep, endStep, writeEnd, writeFlush, writeSettlement } from '../../db/run-records.js';
import { insertWait } from '../../db/waits.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
}, 60_000);
afterAll(() => database.close());

const WRITERS = 6;
const STEPS = 15;

/** Everything one writer of a run does: a step with a flush, a wait, and the same settlement that others write too. */
async function write(run: RunRef, writer: number): Promise<void> {
  for (let step = 1; step <= STEPS; step += 1) {
    const seq = writer * 1_000 + step * 10;
    const nodeId = `n${writer}`;
    const key = `${nodeId}/${step}`;
    const start = { key, nodeId, visit: step, scope: '', kind: 'http', label: key, input: inline(step), round: 0 };
    const flush = {
      ...noFlush,
      steps: [stepRecord(`f${writer}`, seq, { visit: step })],
      status: 'running',
      seq,
    } as const;
    await beginStep(db, run, { step: { ...start, seq }, flush });
    const done = {
      key,
      status: 'completed',
      output: inline(step),
      error: null,
      failed: false,
      finished: null,
    } as const;
    await endStep(db, run, { ...done, vars: null, cost: null, decidedBy: null });
    await appendRunEvent(db, run.runId, { type: 'token', data: { text: key } });
    const wait = { token: `${run.runId}/${step}`, key, nodeId, visit: step, scope: '', run, kind: 'decision' } as const;
    await insertWait(db, { ...wait, prompt: 'Go?', context: null, expiresAt: null });
    const settlement = { token: wait.token, outcome: 'approved', by: key, note: null, value: null, at: 1 } as const;
    await writeSettlement(db, run, { settlement, status: step % 2 === 0 ? 'waiting' : null, seq: seq + 1 });
  }
}

/** Reads `seq > last` whenever told that there is more, as a stream does, and never looks back. */
async function follow(run: RunRef, url: string): Promise<{ readonly ended: Promise<readonly string[]> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const seen: string[] = [];
  let last = 0;
  const read = async (): Promise<boolean> => {
    const query = 'select seq, type, data from run_events where run_id = $1 and seq > $2 order by seq';
    const { rows } = await client.query<{ seq: number; type: string; data: { status?: string } }>(query, [
      run.runId,
      last,
    ]);
    for (const row of rows) {
      seen.push(`${row.seq}`);
      last = row.seq;
    }
    return rows.some((row) => row.type === 'run' && row.data.status === 'completed');
  };
  const ended = new Promise<readonly string[]>((resolve, reject) => {
    let reading = Promise.resolve(false);
    client.on('notification', ({ payload = '' }) => {
      if (payload !== `${run.workspaceId}:${run.runId}`) return;
      reading = reading.then(read);
      reading.then((isOver) => isOver && resolve(seen), reject);
    });
  });
  await client.query('listen run_events');
  return { ended: ended.finally(() => client.end()) };
}

test('what happened in a run is counted without a gap while many write, and a follower misses nothing', async () => {
  const run = await seedRun(db);
  const { ended } = await follow(run, database.url);
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(run, writer)));
  await writeEnd(db, run, { flush: noFlush, end: { status: 'completed', output: inline('done') } });
  const seen = await ended;
  const { event_seq: count } = await db
    .selectFrom('runs')
    .select('event_seq')
    .where('id', '=', run.runId)
    .executeTakeFirstOrThrow();
  expect(seen).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`));
  expect(count).toBeGreaterThan(WRITERS * STEPS * 4);
});

test('writers that write the same rows in other orders never wait for each other in a circle', async () => {
  const run = await seedRun(db);
  const steps = Array.from({ length: 20 }, (_, index) => stepRecord(`s${index}`, index));
  const flushes = Array.from({ length: 40 }, (_, index) => ({
    ...noFlush,
    steps: index % 2 === 0 ? steps : steps.toReversed(),
    status: index % 3 === 0 ? ('running' as const) : null,
    seq: index,
  }));
  await Promise.all(flushes.map((flush) => writeFlush(db, run, flush)));
  const { count } = await db
    .selectFrom('run_steps')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('run_id', '=', run.runId)
    .executeTakeFirstOrThrow();
  expect(count).toBe('20');
});
