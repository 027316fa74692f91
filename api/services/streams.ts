import type { Database } from '../../db/client.js';
import type { RunNews } from '../../db/listen.js';
import {
  isReached,
  logPosition,
  runHead,
  type LoggedEvent,
  type LogPage,
  type LogPosition,
} from '../../db/run-events.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import { notFound } from '../http/errors.js';
import { EventStream, type StreamMessage } from '../http/route.js';
import type { Page } from './log-seats.js';
import { followTail } from './log-tail.js';
import { createLogTails, wholeRun, type LogTails } from './log-tails.js';
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
  /** The same for who speaks otherwise than by an event stream. */
  readonly log: LogReader;
}

export interface LogReader {
  /** Throws where a topic names what is not in the workspace. */
  readonly check: (workspaceId: string, topics: Topics) => Promise<void>;
  /** That position or, without one or with one this database never came to, now. */
  readonly start: (after: LogPosition | null) => Promise<Start>;
  readonly pages: (
    workspaceId: string,
    from: { readonly topics: Topics; readonly after: LogPosition },
    signal: AbortSignal,
  ) => AsyncIterable<LogPage>;
  /** The log of one run from behind a `seq`. */
  readonly runPages: (run: RunRef, after: number, signal: AbortSignal) => AsyncIterable<Page<number, LoggedEvent>>;
}

export interface Start {
  readonly position: LogPosition;
  readonly isNew: boolean;
}

export interface StreamDeps {
  readonly db: Database;
  readonly news: RunNews;
  /** Events read at a time; default 500. */
  readonly batch?: number;
}

const BATCH = 500;
/** How long the position of a quiet stream may lag behind. */
const POSITION_MS = 15_000;

export function createStreamService({ db, news, batch = BATCH }: StreamDeps): StreamService {
  const deps: Deps = { db, tails: createLogTails({ db, news, batch }), isAllSent: createIsAllSent(db) };
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
    log: {
      check: (workspaceId, topics) => checkTopics(db, workspaceId, topics),
      start: (after) => startOf(db, after),
      pages: (workspaceId, from, signal) => followTail(deps.tails.ofWorkspace(workspaceId), from, signal),
      runPages: (run, after, signal) => followTail(deps.tails.ofRun(run), { topics: wholeRun, after }, signal),
    },
  };
}

interface Deps {
  readonly db: Database;
  readonly tails: LogTails;
  readonly isAllSent: ReturnType<typeof createIsAllSent>;
}
type Message = StreamMessage<StreamData>;

/** Made once for an event, however many it goes to: what is the same thing is presented and written out once. */
const dataMade = new WeakMap<LoggedEvent, Map<string, StreamData>>();

function dataOf(event: LoggedEvent, topics?: Topics): StreamData {
  const made = dataMade.get(event) ?? new Map<string, StreamData>();
  dataMade.set(event, made);
  const key = topics?.join() ?? '';
  const { run_id, seq, at, data } = event;
  const known = made.get(key);
  if (known !== undefined) return known;
  const fresh = { ...data, run_id, seq, at: at.toISOString(), ...(topics === undefined ? {} : { topics }) };
  made.set(key, fresh);
  return fresh;
}

async function* followRun(
  { tails, isAllSent }: Deps,
  from: { readonly run: RunRef; readonly after: number; readonly status: RunStatus },
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const { run, after } = from;
  let { status } = from;
  for await (const page of followTail(tails.ofRun(run), { topics: wholeRun, after }, signal)) {
    for (const event of page.events) {
      yield { id: String(event.seq), event: event.type, data: dataOf(event) };
      status = statusIn(event) ?? status;
    }
    if (page.more === 'later' && hasEnded(status) && (await isAllSent(run, page))) {
      yield { event: 'end', data: { run_id: run.runId, status, seq: page.next } };
      return;
    }
  }
}

// -- reason: the trigger that logs a run writes its status
const statusIn = ({ type, data }: LoggedEvent): RunStatus | undefined =>
  type === 'run' ? (data['status'] as RunStatus) : undefined;

interface RunPage {
  readonly events: readonly LoggedEvent[];
  readonly next: number;
}

/** A late record of a step may follow the run's own end; a run that is gone has nothing more to say. Asked once for a shared page. */
function createIsAllSent(db: Database): (run: RunRef, page: RunPage) => Promise<boolean> {
  const answers = new WeakMap<RunPage['events'], { readonly next: number; readonly answer: Promise<boolean> }>();
  return (run, { events, next }) => {
    const known = answers.get(events);
    if (known?.next === next) return known.answer;
    const answer = runHead(db, run).then((head) => head === undefined || head.event_seq <= next);
    answers.set(events, { next, answer });
    return answer;
  };
}

interface FollowedTopics {
  readonly workspaceId: string;
  readonly topics: Topics;
  readonly after: LogPosition | null;
}

async function* followTopics(
  { db, tails }: Deps,
  { workspaceId, topics, after }: FollowedTopics,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const { position, isNew } = await startOf(db, after);
  if (isNew) yield { id: positionText(position), event: 'ready', data: { position: positionText(position) } };
  const quiet = createQuiet();
  const followed = new Set(topics);
  for await (const { events, next } of followTail(
    tails.ofWorkspace(workspaceId),
    { topics, after: position },
    signal,
  )) {
    for (const event of events) {
      const data = dataOf(
        event,
        topicsOf(event).filter((topic) => followed.has(topic)),
      );
      yield { id: positionText(event.position), event: event.type, data };
    }
    // so that whoever comes back does not read again through all that was not for them
    if (quiet.lasts(events.length > 0)) yield { id: positionText(next) };
  }
}

/** Without a position, or with one this database never came to, from now on. */
async function startOf(db: Database, after: LogPosition | null): Promise<Start> {
  if (after !== null && (await isReached(db, after))) return { position: after, isNew: false };
  return { position: await logPosition(db), isNew: true };
}

/** Says now and then that nothing was said for long. */
export function createQuiet(): { readonly lasts: (spoke: boolean) => boolean } {
  let since = performance.now();
  return {
    lasts: (spoke) => {
      const isLong = performance.now() - since > POSITION_MS;
      if (spoke || isLong) since = performance.now();
      return isLong && !spoke;
    },
  };
}
