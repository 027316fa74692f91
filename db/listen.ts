import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { APP_ROLE } from './app-role.js';
import type { RunRef } from '../workflows/contract/run.js';

/** What is followed: one run, or every run of a workspace. */
export interface Followed {
  readonly workspaceId: string;
  readonly runId?: string;
  /** False: whoever follows looks again by itself from time to time. */
  readonly rereads?: boolean;
}

/** The log has grown; a turn of a conversation is over; or nobody knows what was missed while the connection was broken. */
export type News = { readonly of: 'log' | 'missed' } | { readonly of: 'turn'; readonly turn: string };

export interface Patience {
  /** Calls the waiting off. */
  readonly until: AbortSignal;
  /** The turn that is waited for: no other news is a reason to ask. */
  readonly turn: string;
}

/**
 * Tells whoever follows a run that its log has grown. News is a reason to read again, never the content: it may come
 * twice, or for nothing, and after a break in the connection everybody is told.
 */
export interface RunNews {
  /** Begin before the first read, so that nothing falls between the two. */
  readonly follow: (followed: Followed, onNews: (news: News) => void) => () => void;
  /** Asks now and after every news until there is an answer; null when there is none in time, or before it is called off. */
  readonly waitFor: <T>(run: RunRef, ask: () => Promise<T | null>, patience: number | Patience) => Promise<T | null>;
  readonly close: () => Promise<void>;
}

export interface RunNewsOptions {
  readonly url: string;
  readonly onError?: (error: Error) => void;
  /** How long a follower may stay without news before it is told to look anyway. */
  readonly rereadMs?: number;
}

/** One connection a process, opened with the first follower. */
export function createRunNews({ url, onError = () => undefined, rereadMs = 5_000 }: RunNewsOptions): RunNews {
  const followers = createFollowers();
  const stopping = new AbortController();
  let listening: Promise<void> | undefined;
  const follow: RunNews['follow'] = (followed, onNews) => {
    if (stopping.signal.aborted) throw new Error('news of runs are closed');
    listening ??= keepListening(
      {
        url,
        onError,
        channel: 'run_events',
        heard: (payload) => followers.tell(payload === null ? null : readNews(payload)),
      },
      stopping.signal,
    );
    const remove = followers.add(followed, onNews);
    if (followed.rereads === false) return remove;
    // Spread, so that many followers do not all read at the same moment.
    const reread = setInterval(() => onNews({ of: 'missed' }), rereadMs * (1 + Math.random() / 2));
    reread.unref();
    return () => {
      clearInterval(reread);
      remove();
    };
  };
  return {
    follow,
    waitFor: (run, ask, patience) => waitFor({ follow, run, patience }, ask),
    close: async () => {
      stopping.abort();
      followers.tell(null);
      await listening;
    },
  };
}

async function waitFor<T>(
  {
    follow,
    run,
    patience,
  }: { readonly follow: RunNews['follow']; readonly run: RunRef; readonly patience: number | Patience },
  ask: () => Promise<T | null>,
): Promise<T | null> {
  const bell = createBell();
  const late = typeof patience === 'number' ? AbortSignal.timeout(Math.max(0, patience)) : patience.until;
  const stop = follow(run, (news) => {
    if (typeof patience === 'number' || news.of === 'missed' || (news.of === 'turn' && news.turn === patience.turn))
      bell.ring();
  });
  try {
    for (;;) {
      const answer = await ask();
      if (answer !== null || late.aborted) return answer;
      await bell.heard(late);
    }
  } finally {
    stop();
  }
}

export interface Bell {
  readonly ring: () => void;
  /** Resolves when it was rung since the last time, or when the signal is raised. */
  readonly heard: (signal: AbortSignal) => Promise<void>;
}

/** Many rings while nobody listens are one. */
export function createBell(): Bell {
  let isRung = false;
  let wake = (): void => undefined;
  return {
    ring: () => {
      isRung = true;
      wake();
    },
    heard: async (signal) => {
      if (!isRung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', wake, { once: true });
        });
        signal.removeEventListener('abort', wake);
      }
      wake = () => undefined;
      isRung = false;
    },
  };
}

/** `workspace:run`, or `workspace:run:turn:id`. */
function readNews(payload: string): NewsOfRun {
  const [workspaceId = '', runId = '', of, ...id] = payload.split(':');
  return { run: { workspaceId, runId }, news: of === 'turn' ? { of: 'turn', turn: id.join(':') } : { of: 'log' } };
}

interface NewsOfRun {
  readonly run: RunRef;
  readonly news: News;
}

interface Followers {
  readonly add: (followed: Followed, onNews: (news: News) => void) => () => void;
  /** Null tells everybody that they may have missed something. */
  readonly tell: (told: NewsOfRun | null) => void;
}

function createFollowers(): Followers {
  const byKey = new Map<string, Set<(news: News) => void>>();
  const tellThose = (key: string, news: News): void => byKey.get(key)?.forEach((onNews) => onNews(news));
  return {
    add: ({ workspaceId, runId }, onNews) => {
      const key = runId === undefined ? workspaceId : `${workspaceId}:${runId}`;
      const same = byKey.get(key) ?? new Set();
      // a function of its own, so that one that follows twice is told, and removed, each for itself
      const told = (news: News): void => onNews(news);
      byKey.set(key, same.add(told));
      return () => {
        same.delete(told);
        if (same.size === 0 && byKey.get(key) === same) byKey.delete(key);
      };
    },
    tell: (told) => {
      if (told === null) {
        for (const key of byKey.keys()) tellThose(key, { of: 'missed' });
        return;
      }
      const { run, news } = told;
      for (const key of [run.workspaceId, `${run.workspaceId}:${run.runId}`]) tellThose(key, news);
    },
  };
}

export interface Line {
  readonly url: string;
  readonly channel: string;
  readonly onError: (error: Error) => void;
  /** Null: the connection is new, and what came before it was not heard. */
  readonly heard: (payload: string | null) => void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const PING_MS = 20_000;

/** Hears one channel until it is stopped, over every break of the connection. */
export async function keepListening(line: Line, stopping: AbortSignal): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (!stopping.aborted) {
    try {
      await listenOnce(line, stopping, () => (pauseMs = FIRST_PAUSE_MS));
    } catch (error) {
      line.onError(error instanceof Error ? error : new Error(String(error)));
    }
    await pause(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** Until the connection breaks, which it throws, or the process stops. */
async function listenOnce(
  { url, channel, heard }: Line,
  stopping: AbortSignal,
  onConnected: () => void,
): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: `keelson-${channel}`,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  });
  client.on('notification', ({ payload = '' }) => heard(payload));
  const over = untilOver(client, stopping);
  try {
    await client.connect();
    await client.query(`set role ${APP_ROLE}`);
    await client.query(`listen ${channel}`);
    onConnected();
    heard(null);
    await over.promise;
  } finally {
    over.clear();
    await client.end().catch(() => undefined);
  }
}

/** Rejects when the connection breaks, resolves when the process stops. */
function untilOver(client: pg.Client, stopping: AbortSignal): { promise: Promise<void>; clear: () => void } {
  let clear = (): void => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    client.on('error', reject);
    client.on('end', () => reject(new Error('the connection that listens for news has ended')));
    if (stopping.aborted) resolve();
    const stop = (): void => resolve();
    stopping.addEventListener('abort', stop);
    // a peer that vanished without a word shows only when it is asked
    const ping = setInterval(() => void client.query('select 1').catch(reject), PING_MS);
    ping.unref();
    clear = () => {
      clearInterval(ping);
      stopping.removeEventListener('abort', stop);
    };
  });
  promise.catch(() => undefined);
  return { promise, clear };
}
