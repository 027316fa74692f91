import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { appendRunEvent } from '../../db/run-events.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { seedRun } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { openSocket } from '../support/socket.js';
import { listenTo } from '../support/sse.js';
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

const say = (run: RunRef, text: string): Promise<void> =>
  appendRunEvent(db, run.runId, { type: 'token', data: { text } });

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

/** Whoever follows, by whichever way: the texts it is told, in their order. */
interface Follower {
  /** Until as many have come; fewer when it is over before. */
  readonly texts: (count: number) => Promise<readonly string[]>;
  readonly lastId: () => string | undefined;
  readonly leave: () => void;
}

type Follow = (url: string, run: RunRef, after?: string) => Promise<Follower>;

const textOf = (data: unknown): string => String((data as { readonly text?: unknown } | undefined)?.text);
const credential = () => ({ authorization: `Bearer ${ana.token}` });

async function collect<T>(next: () => Promise<T | undefined>, count: number, pick: (message: T) => string | undefined) {
  const texts: string[] = [];
  while (texts.length < count) {
    const message = await next();
    if (message === undefined) break;
    const text = pick(message);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

const byEvents =
  (pathOf: (run: RunRef) => string): Follow =>
  async (url, run, after) => {
    const headers = { ...credential(), ...(after === undefined ? {} : { 'last-event-id': after }) };
    const stream = await listenTo(url + pathOf(run), { headers });
    if (stream.status !== 200) throw new Error(`a stream answered ${stream.status}`);
    return {
      texts: (count) =>
        collect(stream.next, count, ({ event, data }) => (event === 'token' ? textOf(data) : undefined)),
      lastId: () => stream.lastId() ?? after,
      leave: stream.cut,
    };
  };

const byTopics = byEvents(({ runId }) => `/v1/stream?topics=run:${runId}`);
const byWide = byEvents(({ runId }) => `/v1/stream?topics=runs,run:${runId}`);
const byRun = byEvents(({ runId }) => `/v1/runs/${runId}/stream`);

const bySocket: Follow = async (url, run, after) => {
  const socket = await openSocket(`${url}/ws/runs`, { headers: credential() });
  socket.send({ type: 'subscribe', topics: [`run:${run.runId}`], ...(after === undefined ? {} : { after }) });
  const [, subscribed] = await socket.until(({ type }) => type === 'subscribed');
  const from = String(subscribed?.['position']);
  return {
    texts: (count) => collect(socket.next, count, ({ type, data }) => (type === 'token' ? textOf(data) : undefined)),
    lastId: () => socket.lastId() ?? after ?? from,
    leave: socket.cut,
  };
};

const CLIENTS = 500;
const EVENTS = 30;

test('five hundred clients of one API are each told everything once and in order', async () => {
  const run = await newRun();
  await everythingIsPast();
  const ways = [byTopics, byWide, byRun, byTopics, bySocket];
  const followers: Follower[] = [];
  // some at a time, as clients come
  for (let at = 0; at < CLIENTS; at += 50) {
    const part = Array.from({ length: 50 }, (_, n) => (ways[(at + n) % ways.length] ?? byTopics)(api.url, run));
    followers.push(...(await Promise.all(part)));
  }
  const told = Promise.all(followers.map((follower) => follower.texts(EVENTS)));
  const expected = Array.from({ length: EVENTS }, (_, n) => `${n}`);
  for (const text of expected) await say(run, text);
  for (const texts of await told) expect(texts).toEqual(expected);
  followers.forEach(({ leave }) => leave());
}, 60_000);

async function startProcess(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const env = { ...process.env, TEST_DATABASE_URL: api.databaseUrl };
  const child = fork(fileURLToPath(new URL('../support/api-process.js', import.meta.url)), { env, execArgv: [] });
  // -- reason: the first thing the process says is its address
  const [{ url }] = (await once(child, 'message')) as [{ readonly url: string }];
  return { child, url };
}

test('an API that is killed costs nobody an event: clients go on at another behind the last one they saw', async () => {
  const run = await newRun();
  await everythingIsPast();
  const { child, url } = await startProcess();
  const ways = [byTopics, byWide, byRun, bySocket];
  const clients = await Promise.all([...ways, ...ways, ...ways].map(async (way) => ({ way, at: await way(url, run) })));
  const seen = Promise.all(clients.map(({ at }) => at.texts(Number.POSITIVE_INFINITY)));
  const count = 60;
  for (let n = 0; n < count; n += 1) {
    await say(run, `${n}`);
    if (n === count / 2) child.kill('SIGKILL');
  }
  const before = await seen;
  const after = await Promise.all(
    clients.map(async ({ way, at }, index) => {
      const again = await way(api.url, run, at.lastId());
      const texts = await again.texts(count - (before[index]?.length ?? 0));
      again.leave();
      return texts;
    }),
  );
  const expected = Array.from({ length: count }, (_, n) => `${n}`);
  for (const [index, texts] of before.entries()) expect([...texts, ...(after[index] ?? [])]).toEqual(expected);
}, 60_000);
