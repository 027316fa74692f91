import { sql } from 'kysely';
import type { Database } from './client.js';

/** Counters whose time is over mean nothing: a limiter begins anew where none is. */
export async function purgeRateLimits(db: Database): Promise<void> {
  await sql`delete from rate_limits where expire < extract(epoch from now()) * 1000`.execute(db);
}
