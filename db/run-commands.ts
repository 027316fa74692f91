import { sql, type Selectable } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
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

export interface RunClosing {
  readonly status: 'failed' | 'cancelled';
  readonly error: NodeError;
  /** Who closed it, as its waits name people. */
  readonly by: string;
  /** Closes it only in one of these. */
  readonly from?: readonly RunStatus[];
}

/** Ends the record of a run whose workflow can no longer do so, with what was open in it. False when it had ended. */
export async function closeRun(db: Database, { workspaceId, runId }: RunRef, closing: RunClosing): Promise<boolean> {
  const { status, error, by, from = OPEN_STATUSES } = closing;
  return db.transaction().execute(async (trx) => {
    const closed = await scoped(trx, workspaceId)
      .update('runs', runId)
      .set((eb) => ({
        status,
        error: JSON.stringify(error),
        ended_at: sql<Date>`clock_timestamp()`,
        started_at: eb.fn.coalesce('started_at', 'created_at'),
      }))
      .where('status', 'in', from)
      .executeTakeFirst();
    if (closed.numUpdatedRows === 0n) return false;
    await trx
      .updateTable('run_steps')
      .set({ status: 'cancelled', ended_at: sql<Date>`clock_timestamp()` })
      .where('run_id', '=', runId)
      .where('status', 'in', ['running', 'waiting', 'parked'])
      .execute();
    await trx
      .updateTable('waits')
      .set({ status: 'cancelled', decided_by: by, decided_at: sql<Date>`clock_timestamp()` })
      .where('run_id', '=', runId)
      .where('status', '=', 'pending')
      .execute();
    return true;
  });
}

/** Runs that this one started and that have not ended. */
export async function openChildren(db: Database, { workspaceId, runId }: RunRef): Promise<readonly RunRef[]> {
  const rows = await scoped(db, workspaceId)
    .select('runs')
    .select('id')
    .where('parent_run_id', '=', runId)
    .where('status', 'in', OPEN_STATUSES)
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

/** Open runs after this one by id, for a look at whether Temporal agrees. Not queued ones: the sweep starts those. */
export async function runsToReconcile(db: Database, after: string, limit: number): Promise<readonly RunRef[]> {
  const rows = await db
    .selectFrom('runs')
    .select(['id', 'workspace_id'])
    .where('status', 'in', ['running', 'waiting', 'paused'])
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ workspaceId: row.workspace_id, runId: row.id }));
}

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
