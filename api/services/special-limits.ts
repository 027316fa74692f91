import type { Database } from '../../db/client.js';
import { takeFromCap } from '../../db/rate-caps.js';
import { tooMany } from '../http/errors.js';

export interface SpecialLimit {
  readonly key: string;
  /** The most within the window. */
  readonly points: number;
  readonly seconds: number;
  /** The sentence of the 429. */
  readonly message: string;
}

/** Counts the request against every limit, over all API processes; 429 when one of them is used up. */
export async function holdToLimits(db: Database, limits: readonly SpecialLimit[]): Promise<void> {
  for (const { message, ...cap } of limits) {
    const seconds = await takeFromCap(db, { ...cap, key: `limit:${cap.key}` });
    if (seconds !== null) throw tooMany(`${message} Try again in ${seconds} s.`, seconds);
  }
}
