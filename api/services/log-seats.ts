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

export interface Handed<P, E> {
  /** Of the first after joining: all behind this place is in it, or comes later. */
  readonly from?: P;
  readonly page: Page<P, E>;
}

type State = 'away' | 'joining' | 'reading' | 'live' | 'behind';

/** A follower as the reader sees it. */
export interface Sitting<P, E> {
  readonly topics: readonly string[];
  readonly bell: Bell;
  state: State;
  queue: Handed<P, E>[];
  failure: Error | undefined;
}

/** Pages a follower may be late by before it has to read by itself. */
const MOST_PAGES = 8;
export type Index<P, E> = ReturnType<typeof createIndex<P, E>>;

/** Who sits where, by topic, so that an event finds its followers and no other is looked at. */
export function createIndex<P, E>({ listen }: LogSource<P, E>) {
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

/** Who joins while a read is under way may have missed what it reads, and waits for the next. */
export function takeJoining<P, E>(index: Index<P, E>): readonly Sitting<P, E>[] {
  const joining = [...index.all()].filter(({ state }) => state === 'joining');
  for (const sitting of joining) sitting.state = 'reading';
  return joining;
}

export interface Round<P, E> {
  readonly from: P;
  readonly joining: readonly Sitting<P, E>[];
  /** Everybody gets a page, if an empty one. */
  readonly isSweep: boolean;
}

export function hand<P, E>(
  { source, index }: { readonly source: LogSource<P, E>; readonly index: Index<P, E> },
  page: Page<P, E>,
  { from, joining, isSweep }: Round<P, E>,
): void {
  const everybody = isSweep ? [...index.all()].filter(({ state }) => state === 'live') : [];
  const joined = joining.filter(({ state }) => state === 'reading');
  const shares = new Map<Sitting<P, E>, E[]>([...everybody, ...joined].map((sitting) => [sitting, []]));
  for (const event of page.events) {
    for (const topic of source.topicsOf(event)) {
      for (const sitting of index.seatsOf(topic)) addTo(shares, sitting, event);
    }
  }
  for (const [sitting, events] of shares) {
    const own = events.length === page.events.length ? page : { ...page, events };
    give(index, sitting, sitting.state === 'reading' ? { from, page: own } : { page: own });
  }
}

/** Once, however many of its topics the event has. */
function addTo<P, E>(shares: Map<Sitting<P, E>, E[]>, sitting: Sitting<P, E>, event: E): void {
  if (sitting.state !== 'live' && sitting.state !== 'reading') return;
  const share = shares.get(sitting);
  if (share === undefined) shares.set(sitting, [event]);
  else if (share.at(-1) !== event) share.push(event);
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
