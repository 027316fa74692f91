import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from './random.js';

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  /** Sent as Idempotency-Key with every attempt. */
  readonly key?: string;
}

export interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** Some attempt before had no answer or a 5xx: it may have taken effect. */
  readonly isRepeat: boolean;
}

/** A patient caller: repeats the same request, with the same key, until it is answered for good. */
export interface Client {
  readonly call: (call: Call) => Promise<Reply>;
  /** Asks once and leaves after so many milliseconds, whatever comes of it. */
  readonly abandon: (call: Call, afterMs: number) => Promise<void>;
  readonly attempts: () => number;
}

export interface ClientOptions {
  readonly urls: readonly string[];
  readonly token: string | undefined;
  readonly random: Random;
  /** After it no attempt is made. */
  readonly signal: AbortSignal;
}

const ATTEMPT_MS = 30_000;

export function createClient({ urls, token, random, signal }: ClientOptions): Client {
  let attempts = 0;
  const attempt = async (call: Call, ms = ATTEMPT_MS): Promise<Omit<Reply, 'isRepeat'> | undefined> => {
    attempts += 1;
    const url = urls[random.between(0, urls.length)] ?? '';
    try {
      const response = await fetch(`${url}${call.path}`, {
        method: call.method,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ms)]),
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(call.key === undefined ? {} : { 'idempotency-key': call.key }),
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      });
      const text = await response.text();
      // -- reason: every reply of ours is an object, or is looked at by its status alone
      return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Reply['body'] };
    } catch {
      return undefined;
    }
  };
  return {
    attempts: () => attempts,
    abandon: async (call, afterMs) => void (await attempt(call, afterMs)),
    call: async (call) => {
      for (let isRepeat = false; ;) {
        const reply = await attempt(call);
        if (reply !== undefined && !isPassing(reply)) return { ...reply, isRepeat };
        isRepeat = true;
        signal.throwIfAborted();
        await pause(random.between(50, 400), undefined, { signal });
      }
    },
  };
}

/** What goes away by itself: trouble of the server, or a twin of this request that has not been answered yet. */
const isPassing = ({ status, body }: Omit<Reply, 'isRepeat'>): boolean =>
  status >= 500 || status === 429 || (status === 409 && /still running/.test(String(body['detail'])));
