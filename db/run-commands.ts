import { sql, type Selectable } from 'kysely';
import type { RunRef, RunStatus } from '../workflows/contract/run.js';
import type { Plan } from '../workflows/definition/plan.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { Tables } from './tables.js';

export const OPEN_STATUSES = ['queued', 'running', 'waiting', 'paused'] as const satisfies readonly RunStatus[];
export const isOpenStatus = (status: RunStatus): boolean => (OPEN_STATUSES as readonly RunStatus[]).includes(status);

export type RunRow = Selectable<Tables['runs']>;

export const findRun = (db: Database, { workspaceId, runId }: RunRef): Promise<RunRow | undefined> =>
  scoped(db, workspaceId).get('runs', runId);

/** The plan a run is on: its own, or its version's. */
export async function planOfRun(db: Database, run: RunRow): Promise<Plan | null> {
  if (run.plan !== null || run.version_id === null) return run.plan;
  const version = await scoped(db, run.workspace_id).get('versions', run.version_id);
  return version?.plan ?? null;
}

/** Notes that somebody wants the run to stop; null when it has ended. The first to ask is remembered. */
export async function requestCancel(db: Database, run: RunRef, by: string): Promise<RunStatus | null> {
  const row = await scoped(db, run.workspaceId)
    .update('runs', run.runId)
    .set((eb) => ({
      cancel_requested_at: eb.fn.coalesce('cancel_requested_at', sql<Date>`clock_timestamp()`),
      cancel_requested_by: eb.fn.coalesce('cancel_requested_by', eb.val(by)),
    }))
    .where('status', 'in', OPEN_STATUSES)
    .returning('status')
    .executeTakeFirst();
  return row?.status ?? null;
}

/** Runs that this one waits for. Of one that it started and left to itself, its own step is completed. */
export async function openChildren(db: Database, { workspaceId, runId }: RunRef): Promise<readonly RunRef[]> {
  const rows = await scoped(db, workspaceId)
    .select('runs')
    .select('id')
    .where('parent_run_id', '=', runId)
    .where('status', 'in', OPEN_STATUSES)
    .where(
      sql<boolean>`not exists (select from run_steps
        where run_id = runs.parent_run_id and key = runs.parent_key and status = 'completed')`,
    )
    .execute();
  return rows.map(({ id }) => ({ workspaceId, runId: id }));
}

export interface StepPlace {
  readonly key: string;
  readonly node_id: string;
  readonly status: string;
  readonly scope: string;
  readonly seq: number;
}

/** The run's visits in order, without their values. */
export const stepPlaces = (db: Database, runId: string): Promise<readonly StepPlace[]> =>
  db
    .selectFrom('run_steps')
    .select(['key', 'node_id', 'status', 'scope', 'seq'])
    .where('run_id', '=', runId)
    .orderBy('seq')
    .execute();

/** Runs somebody asked to stop so long ago that the request may not have reached Temporal. */
export async function cancelsToRepeat(db: Database, olderThanMs: number, limit: number): Promise<readonly RunRef[]> {
  const rows = await db
    .selectFrom('runs')
    .select(['id', 'workspace_id'])
    .where('status', 'in', OPEN_STATUSES)
    .where('cancel_requested_at', '<', new Date(Date.now() - olderThanMs))
    .orderBy('cancel_requested_at', 'desc')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ workspaceId: row.workspace_id, runId: row.id }));
}
