import { sql } from 'kysely';
import type { Database } from '../client.js';
import { unscoped } from '../scope.js';
import { ingressMessages, oldestQueued, openRuns, webhookDeliveries } from './metrics.js';

const FRESH_MS = 5_000;

/** Figures of the whole installation that only the database knows, read at most every five seconds. */
export function createBacklog(db: Database): () => Promise<void> {
  let readAt = 0;
  return async () => {
    if (Date.now() - readAt < FRESH_MS) return;
    readAt = Date.now();
    // the figures are those of all workspaces
    await unscoped(() => Promise.all([readRuns(db), readWebhooks(db)]));
  };
}

async function readRuns(db: Database): Promise<void> {
  const { rows } = await sql<{ status: string; count: string; oldest: string | null }>`
    select status, count(*) as count, extract(epoch from clock_timestamp() - min(created_at)) as oldest from runs
    where status in ('queued', 'running', 'waiting', 'paused') group by status`.execute(db);
  openRuns.reset();
  for (const status of ['queued', 'running', 'waiting', 'paused']) {
    openRuns.set({ status }, Number(rows.find((row) => row.status === status)?.count ?? 0));
  }
  oldestQueued.set(Number(rows.find(({ status }) => status === 'queued')?.oldest ?? 0));
}

/** What is on its way, however old, and what died in the last day. */
async function readWebhooks(db: Database): Promise<void> {
  const { rows } = await sql<{ direction: 'in' | 'out'; status: string; count: string }>`
    select 'out' as direction, status, count(*) as count from webhook_deliveries
      where status in ('pending', 'delivering') or (status = 'dead' and ended_at > now() - interval '1 day')
      group by status
    union all
    select 'in', status, count(*) from ingress_messages
      where status = 'received' or (status = 'dead' and received_at > now() - interval '1 day') group by status`.execute(
    db,
  );
  for (const [gauge, direction, statuses] of [
    [webhookDeliveries, 'out', ['pending', 'delivering', 'dead']],
    [ingressMessages, 'in', ['received', 'dead']],
  ] as const) {
    for (const status of statuses) {
      const found = rows.find((row) => row.direction === direction && row.status === status);
      gauge.set({ status }, Number(found?.count ?? 0));
    }
  }
}
