import { sql } from 'kysely';
import type { Database } from './client.js';
import { unscoped } from './scope.js';

export interface Cap {
  /** Whose requests are counted. */
  readonly key: string;
  /** How many may come within `seconds`. */
  readonly points: number;
  readonly seconds: number;
}

/** Counts a request, over all API processes; how many seconds until the next one may come when there were too many. */
export async function takeFromCap(db: Database, { key, points, seconds }: Cap): Promise<number | null> {
  const now = Date.now();
  // counters belong to no workspace, whoever counts
  const { rows } = await unscoped(() =>
    sql<{ points: number; expire: string }>`
    insert into rate_limits (key, points, expire) values (${key}, 1, ${now + seconds * 1_000})
    on conflict (key) do update set
      points = case when rate_limits.expire > ${now} then rate_limits.points + 1 else 1 end,
      expire = case when rate_limits.expire > ${now} then rate_limits.expire else excluded.expire end
    returning points, expire`.execute(db),
  );
  const [row] = rows;
  if (row === undefined || row.points <= points) return null;
  return Math.max(1, Math.ceil((Number(row.expire) - now) / 1_000));
}

/** Gives back what a request took that turned out not to count. */
export async function giveToCap(db: Database, key: string): Promise<void> {
  await unscoped(() => sql`update rate_limits set points = greatest(points - 1, 0) where key = ${key}`.execute(db));
}
