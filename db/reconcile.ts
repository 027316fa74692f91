import { sql } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { RunRef } from '../workflows/contract/run.js';
import type { Database } from './client.js';
import { endPart, heldPart, withdrawPart } from './flush-parts.js';
import { jsonText } from './values.js';

/** Runs that Temporal no longer knows, or that somebody terminated there: their rows would stay open for ever. */

export interface OpenRun extends RunRef {
  readonly createdAt: Date;
}

export interface OpenRunsPage {
  /** Younger ones may not have been started yet. */
  readonly olderThanMinutes: number;
  readonly limit: number;
  /** Id of the last run of the page before. */
  readonly after?: string;
}

/** Open runs to be compared with Temporal, by id. One that is queued counts only where no sweep would start it. */
export async function openRunsOlderThan(db: Database, page: OpenRunsPage): Promise<readonly OpenRun[]> {
  const { olderThanMinutes, limit, after = '' } = page;
  return db
    .selectFrom('runs')
    .select(['id as runId', 'workspace_id as workspaceId', 'created_at as createdAt'])
    .where('created_at', '<', sql<Date>`now() - make_interval(mins => ${olderThanMinutes})`)
    .where(
      sql<boolean>`(status in ('running', 'waiting', 'paused') or (status = 'queued' and parent_run_id is not null))`,
    )
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

export interface LostRun {
  readonly status: 'failed' | 'cancelled';
  readonly error: NodeError;
}

const LOST: LostRun = {
  status: 'failed',
  error: { type: 'lost', message: 'The engine no longer knows this run. Continue it from its last finished step.' },
};

/** Ends a run from outside, with its open steps and waits. One that has ended stays as it is. */
export async function markLost(db: Database, run: RunRef, end: LostRun = LOST): Promise<void> {
  const flush = { steps: [], settlements: [], status: null, seq: 0, taken: null };
  await sql`
    with ${heldPart(run)}, ${withdrawPart([])}, ${endPart(flush, end)}
    update run_steps set
      status = 'cancelled', ended_at = clock_timestamp(), error = coalesce(error, ${jsonText(end.error)}::jsonb)
    from held where run_steps.run_id = held.id and run_steps.status in ('running', 'waiting', 'parked')`.execute(db);
}
