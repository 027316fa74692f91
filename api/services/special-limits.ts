import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import { giveToCap, takeFromCap } from '../../db/rate-caps.js';
import { networkOf } from '../address.js';
import { tooMany } from '../http/errors.js';

/** A limit that a contract names for one thing, besides the class of its route. */
export interface Limit {
  /** What is counted and for whom; see `limitKey`. */
  readonly key: string;
  readonly points: number;
  readonly seconds: number;
  /** What there were too many of, as a sentence. */
  readonly message: string;
}

export const HOUR = 3_600;
export const DAY = 86_400;

/** The key of a limit: who is counted is hashed, so that the counters tell nobody's address. */
export const limitKey = (what: string, who: string): string => `${what}:${sha256Hex(who)}`;

/** The key of a limit of a caller's address; of IPv6 the network counts. */
export const addressKey = (what: string, ip: string): string => limitKey(`${what}/ip`, networkOf(ip));

/**
 * Counts one in each limit, over all API processes, and throws 429 with Retry-After at the first that is full; the later ones
 * are then not counted. So the caller's own limit stands before that of whom they name: a refused caller uses up nobody else's.
 */
export async function holdToLimits(db: Database, limits: readonly Limit[]): Promise<void> {
  for (const { message, ...cap } of limits) {
    const seconds = await takeFromCap(db, cap);
    if (seconds !== null) throw tooMany(`${message} Try again in ${seconds} s.`, seconds);
  }
}

/** Gives one back to a limit that counts failures alone: it was taken before it was known how the work ends. */
export const giveBack = (db: Database, { key }: Pick<Limit, 'key'>): Promise<void> => giveToCap(db, key);
