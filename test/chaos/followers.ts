import { setTimeout as pause } from 'node:timers/promises';
import { listenTo, type Listening, type Message } from '../support/sse.js';
import type { Random } from './random.js';

export type Heard = Message & { readonly event: string; readonly data: Readonly<Record<string, unknown>> };

/** Reads a stream of events to its end through every cut, going on each time behind what it has heard. */
export interface Follower {
  readonly heard: readonly Heard[];
  readonly connections: () => number;
  /** Settles when the stream has said `end`, or the follower was stopped. */
  readonly over: Promise<void>;
}

export interface Follow {
  readonly urls: readonly string[];
  readonly token: string;
  readonly path: string;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onHeard?: (heard: Heard) => void;
}

export function follow(options: Follow): Follower {
  const state: State = { heard: [], connections: 0, lastId: undefined };
  const over = keepFollowing(options, state).catch((error: unknown) => {
    if (!options.signal.aborted) throw error;
  });
  over.catch(() => undefined);
  return { heard: state.heard, connections: () => state.connections, over };
}

interface State {
  readonly heard: Heard[];
  connections: number;
  lastId: string | undefined;
}

async function keepFollowing(options: Follow, state: State): Promise<void> {
  const { random, signal } = options;
  while (!signal.aborted) {
    const listening = await connect(options, state);
    if (listening !== null && (await readAll(options, state, listening))) return;
    await pause(random.between(20, 300), undefined, { signal });
  }
}

/** Null when nobody answers, or not with a stream. */
async function connect({ urls, token, path, random }: Follow, { lastId }: State): Promise<Listening | null> {
  const url = urls[random.between(0, urls.length)] ?? '';
  const headers = { authorization: `Bearer ${token}`, ...(lastId === undefined ? {} : { 'last-event-id': lastId }) };
  // now and then the line is cut in the middle of anything
  const cut = random.chance(0.4) ? { cutAfterBytes: random.between(50, 8_000) } : {};
  const listening = await listenTo(`${url}${path}`, { headers, ...cut }).catch(() => null);
  if (listening === null || listening.status === 200) return listening;
  listening.cut();
  return null;
}

/** True when the stream has said that it is over. */
async function readAll(options: Follow, state: State, listening: Listening): Promise<boolean> {
  const leave = (): void => listening.cut();
  options.signal.addEventListener('abort', leave);
  state.connections += 1;
  try {
    for (let message = await listening.next(); message !== undefined; message = await listening.next()) {
      const { id, event, data } = message;
      state.lastId = id ?? state.lastId;
      if (event === 'end') return true;
      if (event === undefined || data === undefined) continue;
      const heard = { id, event, data };
      state.heard.push(heard);
      options.onHeard?.(heard);
    }
    return false;
  } finally {
    options.signal.removeEventListener('abort', leave);
    leave();
  }
}
