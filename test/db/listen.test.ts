import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { createBell, createRunNews, type RunNews } from '../../db/listen.js';
import { appendRunEvent } from '../../db/run-events.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { asOwner, testDatabase, type TestDatabase } from '../support/database.js';
import { newRunRef, seedRun, seedWorkspaces } from '../support/runs.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let db: Database;
let news: RunNews;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  news = createRunNews({ url: database.url, rereadMs: 600_000 });
}, 60_000);
afterAll(async () => {
  await news.close();
  await database.close();
});

const say = (run: RunRef): Promise<void> => appendRunEvent(db, run.runId, { type: 'log', data: {} });

const listeners = () =>
  asOwner(database.url, (owner) =>
    sql<{ readonly pid: number }>`select pid from pg_stat_activity
      where application_name = 'keelson-run_events' and datname = current_database() and state = 'idle'`
      .execute(owner)
      .then(({ rows }) => rows),
  );

/** Counts what it is told. */
function follower(of: { readonly workspaceId: string; readonly runId?: string }) {
  let count = 0;
  const stop = news.follow(of, () => (count += 1));
  return { count: () => count, stop };
}

test('a follower hears of its run, or of its workspace, and of nothing else; all share one connection', async () => {
  const [one, two, foreign] = [await seedRun(db), await seedRun(db), await seedRun(db, { run: newRunRef('ws_2') })];
  const followers = [follower(one), follower(two), follower({ workspaceId: 'ws_1' }), follower(foreign)];
  await until(listeners, (rows) => rows.length === 1);
  // everybody is told when the connection begins
  await until(
    () => Promise.resolve(followers.map(({ count }) => count())),
    (counts) => counts.every((count) => count === 1),
  );
  await say(one);
  await say(one);
  await say(two);
  await until(
    () => Promise.resolve(followers.map(({ count }) => count())),
    (counts) => counts.join() === '3,2,4,1',
  );
  expect(await listeners()).toHaveLength(1);
  followers.forEach(({ stop }) => stop());
  await say(one);
  const last = follower(one);
  await say(one);
  await until(
    () => Promise.resolve(last.count()),
    (count) => count > 0,
  );
  last.stop();
  expect(followers.map(({ count }) => count())).toEqual([3, 2, 4, 1]);
});

test('after a break everybody is told to look again', async () => {
  const run = await seedRun(db);
  const waiting = follower(run);
  const [first] = await until(listeners, (rows) => rows.length === 1);
  const before = waiting.count();
  await asOwner(database.url, (owner) => sql`select pg_terminate_backend(${first?.pid})`.execute(owner));
  await until(
    () => Promise.resolve(waiting.count()),
    (count) => count > before,
  );
  const again = await until(listeners, (rows) => rows.length === 1);
  expect(again).not.toEqual([first]);
  waiting.stop();
});

test('an answer that comes with news is waited for, one that does not come is not', async () => {
  const run = await seedRun(db);
  const ask = async (): Promise<string | null> => {
    const { event_seq: seq } = await db
      .selectFrom('runs')
      .select('event_seq')
      .where('id', '=', run.runId)
      .executeTakeFirstOrThrow();
    return seq >= 4 ? `at ${seq}` : null;
  };
  const answer = news.waitFor(run, ask, 30_000);
  for (let i = 0; i < 3; i += 1) await say(run);
  expect(await answer).toBe('at 4');
  expect(await news.waitFor(run, ask, 0)).toBe('at 4');
  expect(await news.waitFor(run, () => Promise.resolve(null), 20)).toBeNull();
  await expect(news.waitFor(run, () => Promise.reject(new Error('no')), 1_000)).rejects.toThrow('no');
});

test('without a connection a follower is still told now and then', async () => {
  const errors: string[] = [];
  const deaf = createRunNews({
    url: 'postgres://nobody@127.0.0.1:1/none',
    rereadMs: 5,
    onError: ({ message }) => errors.push(message),
  });
  let asked = 0;
  const answer = await deaf.waitFor(newRunRef(), () => Promise.resolve((asked += 1) > 3 ? asked : null), 30_000);
  expect(answer).toBe(4);
  await until(
    () => Promise.resolve(errors.length),
    (count) => count > 0,
  );
  await deaf.close();
  expect(() => deaf.follow(newRunRef(), () => undefined)).toThrow('closed');
});

test('rings while nobody listens are one, and a raised signal ends the listening', async () => {
  const bell = createBell();
  const signal = new AbortController();
  bell.ring();
  bell.ring();
  await bell.heard(signal.signal);
  const heard = bell.heard(signal.signal);
  bell.ring();
  await heard;
  const never = bell.heard(signal.signal);
  signal.abort();
  await never;
});
