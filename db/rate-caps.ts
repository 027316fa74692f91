import { sql } from 'kysely';
import type { Database } from './client.js';

export interface Cap {
  /** Whose requests are counted. */
  readonly key: string;
  /** The most within the window. */
  readonly points: number;
  /** How long the window is, from its first request on. */
  readonly seconds: number;
}

/** Counts a request, over all API processes; how many seconds until the next one may come when there were too many. */
export async function takeFromCap(db: Database, { key, points, seconds }: Cap): Promise<number | null> {
  const now = Date.now();
  const { rows } = await sql<{ points: number; expire: string }>`
    insert into rate_limits (key, points, expire) values (${key}, 1, ${now + seconds * 1_000})
    on conflict (key) do update set
      points = case when rate_limits.expire > ${now} then rate_limits.points + 1 else 1 end,
      expire = case when rate_limits.expire > ${now} then rate_limits.expire else excluded.expire end
    returning points, expire`.execute(db);
  const [row] = rows;
  if (row === undefined || row.points <= points) return null;
  return Math.max(1, Math.ceil((Number(row.expire) - now) / 1_000));
}
