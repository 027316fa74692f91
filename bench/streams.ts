import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { BENCH_ACCOUNT } from './account.js';
import type { Comparison } from './compare.js';
import { quantile, shown, table } from './figures.js';
import type { Heard, Listen } from './stream-clients.js';

const CROWDS = [
  { streams: 1, sockets: 0 },
  { streams: 50, sockets: 10 },
  { streams: 500, sockets: 100 },
];
const EVENTS = 60;
/** Between two events: a model speaks about so fast. */
const EVERY_MS = 100;

export interface Crowd {
  readonly apiUrl: string;
  readonly databaseUrl: string;
  readonly token: string;
  readonly runId: string;
}

/** How long it takes until everybody who follows a workspace at one API has an event. */
export async function measureStreams({ caller, stage }: Comparison, say: (text: string) => void): Promise<void> {
  const { apiUrl, databaseUrl } = stage;
  const { runIds } = await caller.batch({ by: 'chain', slug: 'waiting', count: 1, concurrency: 1, until: 'waiting' });
  const [runId = ''] = runIds;
  await measureCrowds({ apiUrl, databaseUrl, token: await signIn(apiUrl), runId }, say);
}

async function signIn(apiUrl: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${apiUrl}/v1/auth/login`, {
    method: 'POST',
    headers,
    body: JSON.stringify(BENCH_ACCOUNT),
  });
  // -- reason: the reply of our own sign-in
  const { access_token: token } = (await answer.json()) as { readonly access_token: string };
  return token;
}

export async function measureCrowds(crowd: Crowd, say: (text: string) => void): Promise<void> {
  const database = new pg.Client({ connectionString: crowd.databaseUrl });
  await database.connect();
  const rows = [
    ['streams', 'sockets', 'first p50 ms', 'first p95 ms', 'event p50 ms', 'event p95 ms', 'worst ms', 'wrong', 'load'],
  ];
  try {
    for (const { streams, sockets } of CROWDS) {
      const { firstMs, fanOutMs, wrong } = await measureCrowd(crowd, { streams, sockets, database });
      const figures = [
        quantile(firstMs, 0.5),
        quantile(firstMs, 0.95),
        quantile(fanOutMs, 0.5),
        quantile(fanOutMs, 0.95),
      ];
      const worst = quantile(fanOutMs, 1);
      const load = loadavg()[0] ?? 0;
      rows.push(
        [streams, sockets, ...figures.map(Math.round), Math.round(worst), wrong].map(String).concat(shown(load, 1)),
      );
    }
  } finally {
    await database.end();
  }
  say(`\nFollowers of one workspace at one API, ${EVENTS} events, one each ${EVERY_MS} ms\n${table(rows)}`);
}

async function measureCrowd(
  { apiUrl, token, runId }: Crowd,
  { streams, sockets, database }: Pick<Listen, 'streams' | 'sockets'> & { readonly database: pg.Client },
): Promise<Heard> {
  const child = fork(fileURLToPath(new URL('./stream-clients.js', import.meta.url)), { execArgv: [] });
  try {
    const task: Listen = { apiUrl, token, runId, streams, sockets, events: EVENTS };
    child.send(task);
    await once(child, 'message');
    const heard = once(child, 'message');
    for (let n = 0; n < EVENTS; n += 1) {
      const sent_at = performance.timeOrigin + performance.now();
      await database.query(`select append_run_event($1, 'log', $2::jsonb)`, [runId, JSON.stringify({ n, sent_at })]);
      await pause(EVERY_MS);
    }
    // -- reason: the second thing the process says is what it heard
    const [answer] = (await heard) as [{ readonly heard: Heard }];
    return answer.heard;
  } finally {
    child.disconnect();
    await once(child, 'exit');
  }
}
