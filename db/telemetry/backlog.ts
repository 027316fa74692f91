import { sql } from 'kysely';
import type { Database } from '../client.js';
import { unscoped } from '../scope.js';
import { openRuns, oldestQueued } from './metrics.js';

const FRESH_MS = 5_000;

/** Figures of the whole installation that only the database knows, read at most every five seconds. */
export function createBacklog(db: Database): () => Promise<void> {
  let readAt = 0;
  return async () => {
    if (Date.now() - readAt < FRESH_MS) return;
    readAt = Date.now();
    // the figures are those of all workspaces
    await unscoped(() => readBacklog(db));
  };
}

async function readBacklog(db: Database): Promise<void> {
  const { rows } = await sql<{ status: string; count: string; oldest: string | null }>`
    select status, count(*) as count, extract(epoch from clock_timestamp() - min(created_at)) as oldest from runs
    where status in ('queued', 'running', 'waiting', 'paused') group by status`.execute(db);
  openRuns.reset();
  for (const status of ['queued', 'running', 'waiting', 'paused']) {
    openRuns.set({ status }, Number(rows.find((row) => row.status === status)?.count ?? 0));
  }
  oldestQueued.set(Number(rows.find(({ status }) => status === 'queued')?.oldest ?? 0));
}
