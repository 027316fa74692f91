import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../db/client.js';
import { createBell, type Bell, type RunNews } from '../../db/listen.js';
import {
  isReached,
  logPosition,
  runEventsAfter,
  runHead,
  workspaceEventsAfter,
  type LoggedEvent,
  type LogPage,
  type LogPosition,
} from '../../db/run-events.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import { notFound } from '../http/errors.js';
import { EventStream, type StreamMessage } from '../http/route.js';
import { hasEnded } from './run-view.js';
import { checkTopics, positionText, topicsOf, type Topics } from './stream-topics.js';

export type StreamData = Readonly<Record<string, Json>>;

/** Follows what happens in runs; a caller that comes back goes on where it was, without a gap and without a double. */
export interface StreamService {
  /** The log of one run from behind `after`; ends after the run has. */
  readonly run: (run: RunRef, after: number) => Promise<EventStream<StreamData>>;
  /** Several topics of a workspace, from now on where there is no position. */
  readonly topics: (
    workspaceId: string,
    follow: { readonly topics: Topics; readonly after: LogPosition | null },
  ) => Promise<EventStream<StreamData>>;
}

export interface StreamDeps {
  readonly db: Database;
  readonly news: RunNews;
  /** Events read at a time; default 500. */
  readonly batch?: number;
}

const BATCH = 500;
/** News that come faster are taken together: of one run, of a workspace. */
const RUN_PACE_MS = 15;
const WORKSPACE_PACE_MS = 100;
const FIRST_RECHECK_MS = 10;
const LONGEST_RECHECK_MS = 500;
/** How long the position of a quiet stream may lag behind. */
const POSITION_MS = 15_000;

export function createStreamService({ db, news, batch = BATCH }: StreamDeps): StreamService {
  const deps = { db, news, batch };
  return {
    run: async (run, after) => {
      const head = await runHead(db, run);
      if (head === undefined) throw notFound('run', run.runId);
      return new EventStream((signal) => followRun(deps, { run, after, status: head.status }, signal));
    },
    topics: async (workspaceId, { topics, after }) => {
      await checkTopics(db, workspaceId, topics);
      return new EventStream((signal) => followTopics(deps, { workspaceId, topics, after }, signal));
    },
  };
}

type Deps = Required<StreamDeps>;
type Message = StreamMessage<StreamData>;

const dataOf = ({ run_id, seq, at, data }: LoggedEvent): StreamData => ({
  ...data,
  run_id,
  seq,
  at: at.toISOString(),
});

async function* followRun(
  { db, news, batch }: Deps,
  from: { readonly run: RunRef; readonly after: number; readonly status: RunStatus },
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const { run } = from;
  const bell = createBell();
  const stop = news.follow(run, bell.ring);
  let { after: last, status } = from;
  try {
    while (!signal.aborted) {
      const events = await runEventsAfter(db, run, { after: last, limit: batch });
      for (const event of events) {
        yield { id: String(event.seq), event: event.type, data: dataOf(event) };
        last = event.seq;
        status = statusIn(event) ?? status;
      }
      if (events.length === batch) continue;
      if (hasEnded(status) && (await isAllSent(db, run, last))) {
        yield { event: 'end', data: { run_id: run.runId, status, seq: last } };
        return;
      }
      await rest(RUN_PACE_MS, signal);
      await bell.heard(signal);
    }
  } finally {
    stop();
  }
}

// -- reason: the trigger that logs a run writes its status
const statusIn = ({ type, data }: LoggedEvent): RunStatus | undefined =>
  type === 'run' ? (data['status'] as RunStatus) : undefined;

/** A late record of a step may follow the run's own end; a run that is gone has nothing more to say. */
async function isAllSent(db: Database, run: RunRef, last: number): Promise<boolean> {
  const head = await runHead(db, run);
  return head === undefined || head.event_seq <= last;
}

interface FollowedTopics {
  readonly workspaceId: string;
  readonly topics: Topics;
  readonly after: LogPosition | null;
}

async function* followTopics(deps: Deps, follow: FollowedTopics, signal: AbortSignal): AsyncGenerator<Message> {
  const bell = createBell();
  const stop = followNews(deps.news, follow, bell.ring);
  try {
    const { position, isNew } = await startOf(deps.db, follow.after);
    if (isNew) yield { id: positionText(position), event: 'ready', data: { position: positionText(position) } };
    const quiet = createQuiet();
    for await (const { events, next } of pagesFrom(deps, { ...follow, after: position, bell }, signal)) {
      for (const event of events) {
        const data = { ...dataOf(event), topics: topicsOf(follow.topics, event) };
        yield { id: positionText(event.position), event: event.type, data };
      }
      // so that whoever comes back does not read again through all that was not for them
      if (quiet.lasts(events.length > 0)) yield { id: positionText(next) };
    }
  } finally {
    stop();
  }
}

export interface PagesFrom extends FollowedTopics {
  readonly after: LogPosition;
  readonly bell: Bell;
}

/** Page after page for as long as anybody reads: at once while there is more, then whenever there is news. */
export async function* pagesFrom(
  { db, batch }: Pick<Deps, 'db' | 'batch'>,
  from: PagesFrom,
  signal: AbortSignal,
): AsyncGenerator<LogPage> {
  const { workspaceId, topics, bell } = from;
  const paceMs = isWide(topics) ? WORKSPACE_PACE_MS : RUN_PACE_MS;
  let { after } = from;
  let recheckMs = FIRST_RECHECK_MS;
  while (!signal.aborted) {
    const page = await workspaceEventsAfter(db, workspaceId, { after, filter: topics, limit: batch });
    yield page;
    after = page.next;
    if (page.more === 'now') continue;
    recheckMs = page.events.length === 0 ? Math.min(recheckMs * 2, LONGEST_RECHECK_MS) : FIRST_RECHECK_MS;
    await rest(page.more === 'soon' ? recheckMs : paceMs, signal);
    if (page.more === 'soon') continue;
    await bell.heard(signal);
    recheckMs = FIRST_RECHECK_MS;
  }
}

/** Without a position, or with one this database never came to, from now on. */
export async function startOf(
  db: Database,
  after: LogPosition | null,
): Promise<{ readonly position: LogPosition; readonly isNew: boolean }> {
  if (after !== null && (await isReached(db, after))) return { position: after, isNew: false };
  return { position: await logPosition(db), isNew: true };
}

/** Whoever follows only certain runs is not woken by all the others. */
function followNews(news: RunNews, { workspaceId, topics }: FollowedTopics, ring: () => void): () => void {
  const followed = isWide(topics) ? [{ workspaceId }] : topics.runIds.map((runId) => ({ workspaceId, runId }));
  const stops = followed.map((each) => news.follow(each, ring));
  return () => stops.forEach((stop) => stop());
}

const isWide = ({ runs, waits, calls = false, definitionIds }: Topics): boolean =>
  runs || waits || calls || definitionIds.length > 0;

/** Says now and then that nothing was said for long. */
function createQuiet(): { readonly lasts: (spoke: boolean) => boolean } {
  let since = performance.now();
  return {
    lasts: (spoke) => {
      const isLong = performance.now() - since > POSITION_MS;
      if (spoke || isLong) since = performance.now();
      return isLong && !spoke;
    },
  };
}

const rest = (ms: number, signal: AbortSignal): Promise<unknown> =>
  pause(ms, undefined, { signal }).catch(() => undefined);
