import { setTimeout as pause } from 'node:timers/promises';
import { createBell, type Bell } from '../../db/listen.js';

/** Part of a log, in its order. */
export interface Page<P, E> {
  readonly events: readonly E[];
  /** Where to read on. */
  readonly next: P;
  /** There is more: right now, as soon as transactions under way have ended, or when there is news. */
  readonly more: 'now' | 'soon' | 'later';
}

/** A log that many follow: P is a place in it, E an event. */
export interface LogSource<P, E> {
  /** Where the log is now. */
  readonly start: () => Promise<P>;
  /** What belongs to any of the topics. */
  readonly read: (after: P, topics: readonly string[]) => Promise<Page<P, E>>;
  readonly isBefore: (a: P, b: P) => boolean;
  readonly placeOf: (event: E) => P;
  /** Every topic the event belongs to. */
  readonly topicsOf: (event: E) => readonly string[];
  /** Rings whenever there may be more of a topic. */
  readonly listen: (topic: string, ring: () => void) => () => void;
  /** Runs what the tail does by itself, whoever followed first. */
  readonly inOwnScope: <T>(work: () => T) => T;
  /** News that come faster are taken together. */
  readonly paceMs: number;
}

/** One reader of a log for all who follow it. */
export interface Tail<P, E> {
  readonly source: LogSource<P, E>;
  readonly sit: (topics: readonly string[]) => Seat<P, E>;
}

interface Handed<P, E> {
  /** Of the first after joining: all behind this place is in it, or comes later. */
  readonly from?: P;
  readonly page: Page<P, E>;
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

type State = 'away' | 'joining' | 'reading' | 'live' | 'behind';

interface Sitting<P, E> {
  readonly topics: readonly string[];
  readonly bell: Bell;
  state: State;
  queue: Handed<P, E>[];
  failure: Error | undefined;
}

/** Pages a follower may be late by before it has to read by itself. */
const MOST_PAGES = 8;
const FIRST_RECHECK_MS = 10;
const LONGEST_RECHECK_MS = 500;
const REREAD_MS = 5_000;
const SWEEP_MS = 10_000;
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
  return {
    source,
    sit: (topics) => {
      const sitting: Sitting<P, E> = { topics, bell: createBell(), state: 'away', queue: [], failure: undefined };
      return {
        join: () => {
          sitting.state = 'joining';
          sitting.queue = [];
          index.add(sitting);
          if (running === undefined) begin();
          index.bell.ring();
        },
        take: () => {
          if (sitting.failure !== undefined) throw sitting.failure;
          return sitting.state === 'behind' ? 'behind' : sitting.queue.shift();
        },
        heard: (signal) => (sitting.queue.length > 0 ? Promise.resolve() : sitting.bell.heard(signal)),
        leave: () => {
          sitting.state = 'away';
          sitting.queue = [];
          index.remove(sitting);
          if (!index.isEmpty()) return;
          running?.abort();
          running = undefined;
          onEmpty();
        },
      };
    },
  };
}

type Index<P, E> = ReturnType<typeof createIndex<P, E>>;

/** Who sits where, by topic, so that an event finds its followers and no other is looked at. */
function createIndex<P, E>({ listen }: LogSource<P, E>) {
  const bell = createBell();
  const byTopic = new Map<string, { readonly seats: Set<Sitting<P, E>>; readonly stop: () => void }>();
  const remove = (sitting: Sitting<P, E>): void => {
    for (const topic of sitting.topics) {
      const entry = byTopic.get(topic);
      if (entry?.seats.delete(sitting) !== true || entry.seats.size > 0) continue;
      entry.stop();
      byTopic.delete(topic);
    }
  };
  const all = (): Set<Sitting<P, E>> => new Set([...byTopic.values()].flatMap(({ seats }) => [...seats]));
  return {
    bell,
    remove,
    all,
    add: (sitting: Sitting<P, E>): void => {
      for (const topic of sitting.topics) {
        const entry = byTopic.get(topic) ?? { seats: new Set(), stop: listen(topic, bell.ring) };
        entry.seats.add(sitting);
        byTopic.set(topic, entry);
      }
    },
    topics: (): readonly string[] => [...byTopic.keys()],
    seatsOf: (topic: string): Iterable<Sitting<P, E>> => byTopic.get(topic)?.seats ?? [],
    isEmpty: (): boolean => byTopic.size === 0,
    fail: (failure: Error): void => {
      for (const sitting of all()) {
        remove(sitting);
        sitting.failure = failure;
        sitting.bell.ring();
      }
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

/** Who joins while a read is under way may have missed what it reads, and waits for the next. */
function takeJoining<P, E>(index: Index<P, E>): readonly Sitting<P, E>[] {
  const joining = [...index.all()].filter(({ state }) => state === 'joining');
  for (const sitting of joining) sitting.state = 'reading';
  return joining;
}

function hand<P, E>(
  { source, index }: { readonly source: LogSource<P, E>; readonly index: Index<P, E> },
  page: Page<P, E>,
  {
    from,
    joining,
    isSweep,
  }: { readonly from: P; readonly joining: readonly Sitting<P, E>[]; readonly isSweep: boolean },
): void {
  const shares = new Map<Sitting<P, E>, E[]>();
  if (isSweep) for (const sitting of index.all()) if (sitting.state === 'live') shares.set(sitting, []);
  for (const sitting of joining) if (sitting.state === 'reading') shares.set(sitting, []);
  for (const event of page.events) {
    for (const topic of source.topicsOf(event)) {
      for (const sitting of index.seatsOf(topic)) {
        if (sitting.state !== 'live' && sitting.state !== 'reading') continue;
        const share = shares.get(sitting);
        if (share === undefined) shares.set(sitting, [event]);
        else if (share.at(-1) !== event) share.push(event);
      }
    }
  }
  for (const [sitting, events] of shares) {
    const own = events.length === page.events.length ? page : { ...page, events };
    give(index, sitting, sitting.state === 'reading' ? { from, page: own } : { page: own });
  }
}

function give<P, E>(index: Index<P, E>, sitting: Sitting<P, E>, handed: Handed<P, E>): void {
  sitting.state = 'live';
  sitting.queue.push(handed);
  if (sitting.queue.length > MOST_PAGES) {
    index.remove(sitting);
    sitting.state = 'behind';
    sitting.queue = [];
  }
  sitting.bell.ring();
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
