import { setTimeout as pause } from 'node:timers/promises';
import { createBell, type Bell } from '../../db/listen.js';
import {
  createIndex,
  hand,
  takeJoining,
  type Handed,
  type Index,
  type LogSource,
  type Page,
  type Sitting,
} from './log-seats.js';

/** One reader of a log for all who follow it. */
export interface Tail<P, E> {
  readonly source: LogSource<P, E>;
  readonly sit: (topics: readonly string[]) => Seat<P, E>;
}

/** A follower's place at the reader: it holds few pages, however slowly they are taken. */
interface Seat<P, E> {
  /** From now on pages are handed here, the first one in any case. */
  readonly join: () => void;
  /** Undefined: nothing yet. `behind`: so much came that nothing was kept; read by yourself and join again. */
  readonly take: () => Handed<P, E> | 'behind' | undefined;
  readonly heard: Bell['heard'];
  readonly leave: () => void;
}

const FIRST_RECHECK_MS = 10;
const LONGEST_RECHECK_MS = 500;
const REREAD_MS = 5_000;
const SWEEP_MS = 4_500;
/** A database that is away for so long is not waited for: followers are told, and come back by themselves. */
const RETRY_PAUSES_MS = [100, 300, 1_000, 2_000];

export function createTail<P, E>(source: LogSource<P, E>, onEmpty: () => void): Tail<P, E> {
  const index = createIndex<P, E>(source);
  let running: AbortController | undefined;
  const begin = (): void => {
    const over = new AbortController();
    running = over;
    source
      .inOwnScope(() => run(source, index, over.signal))
      .catch((error: unknown) => {
        if (running === over) running = undefined;
        index.fail(error instanceof Error ? error : new Error(String(error)));
      });
  };
  const end = (): void => {
    running?.abort();
    running = undefined;
    onEmpty();
  };
  const sit: Tail<P, E>['sit'] = (topics) =>
    seatOf(index, topics, {
      onJoin: () => running ?? begin(),
      onLeave: () => {
        if (index.isEmpty()) end();
      },
    });
  return { source, sit };
}

function seatOf<P, E>(
  index: Index<P, E>,
  topics: readonly string[],
  { onJoin, onLeave }: { readonly onJoin: () => void; readonly onLeave: () => void },
): Seat<P, E> {
  const sitting: Sitting<P, E> = { topics, bell: createBell(), state: 'away', queue: [], failure: undefined };
  const move = (state: Sitting<P, E>['state']): void => {
    sitting.state = state;
    sitting.queue = [];
  };
  return {
    join: () => {
      move('joining');
      index.add(sitting);
      onJoin();
      index.bell.ring();
    },
    take: () => {
      if (sitting.failure !== undefined) throw sitting.failure;
      return sitting.state === 'behind' ? 'behind' : sitting.queue.shift();
    },
    heard: (signal) => (sitting.queue.length > 0 ? Promise.resolve() : sitting.bell.heard(signal)),
    leave: () => {
      move('away');
      index.remove(sitting);
      onLeave();
    },
  };
}

/** Reads once for everybody, for as long as anybody sits there. */
async function run<P, E>(source: LogSource<P, E>, index: Index<P, E>, signal: AbortSignal): Promise<void> {
  const reread = setInterval(index.bell.ring, REREAD_MS);
  reread.unref();
  try {
    // -- reason: a place is no promise
    let from = (await patiently(source.start, signal)) as P;
    const sweep = createSweep();
    let recheckMs = FIRST_RECHECK_MS;
    while (!signal.aborted) {
      const after = from;
      const joining = takeJoining(index);
      const page = await patiently(() => source.read(after, index.topics()), signal);
      if (signal.aborted) return;
      hand({ source, index }, page, { from, joining, isSweep: sweep.isDue() });
      from = page.next;
      if (page.more === 'now') continue;
      recheckMs = page.events.length === 0 ? Math.min(recheckMs * 2, LONGEST_RECHECK_MS) : FIRST_RECHECK_MS;
      await rest(page.more === 'soon' ? recheckMs : source.paceMs, signal);
      if (page.more === 'soon') continue;
      await index.bell.heard(signal);
      recheckMs = FIRST_RECHECK_MS;
    }
  } finally {
    clearInterval(reread);
  }
}

/** From time to time everybody is told where the log is, also those for whom nothing came. */
function createSweep(): { readonly isDue: () => boolean } {
  let since = performance.now();
  return {
    isDue: () => {
      const isDue = performance.now() - since > SWEEP_MS;
      if (isDue) since = performance.now();
      return isDue;
    },
  };
}

async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const pauseMs of RETRY_PAUSES_MS) {
    try {
      return await ask();
    } catch {
      await rest(pauseMs, signal);
    }
  }
  return ask();
}

/**
 * Page after page from behind a place, without a gap and without a double: by itself while there is more than the shared
 * reader still has, and from the shared reader from then on.
 */
export async function* followTail<P, E>(
  { source, sit }: Tail<P, E>,
  { topics, after }: { readonly topics: readonly string[]; readonly after: P | null },
  signal: AbortSignal,
): AsyncGenerator<Page<P, E>> {
  const seat = sit(topics);
  try {
    if (after === null) seat.join();
    const place = { at: after ?? (await source.start()) };
    let isJoined = after === null;
    while (!signal.aborted) {
      if (!isJoined) {
        yield* readAlone(source, { topics, place, until: (page) => page.more !== 'now' });
        seat.join();
        isJoined = true;
      }
      const handed = seat.take();
      if (handed === 'behind') isJoined = false;
      else if (handed === undefined) await seat.heard(signal);
      else yield* fitted(source, handed, { topics, place });
    }
  } finally {
    seat.leave();
  }
}

interface Reading<P> {
  readonly topics: readonly string[];
  readonly place: { at: P };
}

async function* readAlone<P, E>(
  source: LogSource<P, E>,
  { topics, place, until }: Reading<P> & { readonly until: (page: Page<P, E>) => boolean },
): AsyncGenerator<Page<P, E>> {
  for (;;) {
    const page = await source.read(place.at, topics);
    place.at = page.next;
    yield page;
    if (until(page)) return;
  }
}

/** Where the reader begins with a follower there may be a gap; and the follower may have read further than the reader has. */
async function* fitted<P, E>(
  source: LogSource<P, E>,
  { from, page }: Handed<P, E>,
  { topics, place }: Reading<P>,
): AsyncGenerator<Page<P, E>> {
  const { isBefore, placeOf } = source;
  const until = ({ more }: Page<P, E>): boolean => more !== 'now' || from === undefined || !isBefore(place.at, from);
  if (from !== undefined && isBefore(place.at, from)) yield* readAlone(source, { topics, place, until });
  const [first] = page.events;
  const isNew = first === undefined || isBefore(place.at, placeOf(first));
  const events = isNew ? page.events : page.events.filter((event) => isBefore(place.at, placeOf(event)));
  if (isBefore(place.at, page.next)) place.at = page.next;
  yield { events, next: place.at, more: page.more };
}

const rest = (ms: number, signal: AbortSignal): Promise<unknown> =>
  pause(ms, undefined, { signal }).catch(() => undefined);
