import type { PlanSource, RunInput, RunRef } from '../workflows/contract/run.js';
import type { Plan } from '../workflows/definition/plan.js';
import { INLINE_LIMIT_BYTES, type Json, type Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

export interface NewRun {
  readonly run: RunRef;
  readonly definition: { readonly id: string; readonly versionId: string } | null;
  readonly kind: string;
  /** Null when the worker is to load it with the version. */
  readonly plan: Plan | null;
  readonly input: Value;
  /** What started it: `api`, `ingress`, `public_ingress`, `schedule`, `approval`. */
  readonly trigger: string;
  readonly actor: string;
  readonly scheduleId?: string;
}

export interface InsertedRun {
  readonly input: RunInput;
  /** False when the row was there before. */
  readonly isNew: boolean;
}

const NO_DEFINITION = { id: null, versionId: null };

/**
 * Writes the run's row, queued: from here on it is accepted, and a sweep starts it should this process die.
 * A run that exists already is left as it is.
 */
export async function insertRun(db: Database, run: NewRun): Promise<InsertedRun> {
  const { definition, plan, input } = run;
  const { id: definitionId, versionId } = definition ?? NO_DEFINITION;
  const source = planSource(plan, versionId);
  if (source === null) throw new Error('a run needs a plan or a version');
  const result = await db
    .insertInto('runs')
    .values({
      id: run.run.runId,
      workspace_id: run.run.workspaceId,
      definition_id: definitionId,
      definition_kind: run.kind,
      version_id: versionId,
      plan: definition === null ? JSON.stringify(plan) : null,
      schedule_id: run.scheduleId ?? null,
      status: 'queued',
      trigger: run.trigger,
      actor: run.actor,
      input: JSON.stringify(input),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst();
  const of = definitionId === null ? {} : { definitionId };
  return { input: { run: run.run, source, input, ...of }, isNew: (result.numInsertedOrUpdatedRows ?? 0n) > 0n };
}

/** A small plan travels with the start, a larger one is loaded by the worker; null where there is neither. */
function planSource(plan: Plan | null, versionId: string | null): PlanSource | null {
  if (plan === null) return versionId === null ? null : { versionId };
  const isSmall = versionId === null || Buffer.byteLength(JSON.stringify(plan)) <= INLINE_LIMIT_BYTES;
  return isSmall ? { plan } : { versionId };
}

/** Runs accepted at least `olderThanMs` ago that no worker has taken up; those never tried before come first. */
export async function queuedRuns(db: Database, olderThanMs: number, limit: number): Promise<readonly RunInput[]> {
  const rows = await selectQueued(db)
    .where('runs.created_at', '<', new Date(Date.now() - olderThanMs))
    .orderBy('runs.dispatched_at', (order) => order.asc().nullsFirst())
    .orderBy('runs.created_at')
    .limit(limit)
    .execute();
  return rows.flatMap((row) => toInput(row) ?? []);
}

/** Lets the runs that were never tried go first next time. */
export async function markDispatched(db: Database, { workspaceId, runId }: RunRef): Promise<void> {
  await scoped(db, workspaceId).update('runs', runId).set({ dispatched_at: new Date() }).execute();
}

/** The run if no worker has taken it up. */
export async function queuedRun(db: Database, run: RunRef): Promise<RunInput | null> {
  const row = await selectQueued(db)
    .where('runs.id', '=', run.runId)
    .where('runs.workspace_id', '=', run.workspaceId)
    .executeTakeFirst();
  return row === undefined ? null : toInput(row);
}

const selectQueued = (db: Database) =>
  db
    .selectFrom('runs')
    .leftJoin('versions', 'versions.id', 'runs.version_id')
    .select([
      'runs.id',
      'runs.workspace_id',
      'runs.version_id',
      'runs.definition_id',
      'runs.input',
      'runs.plan',
      'versions.plan as version_plan',
    ])
    .where('runs.status', '=', 'queued');

interface QueuedRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly version_id: string | null;
  readonly definition_id: string | null;
  readonly input: Value;
  readonly plan: Plan | null;
  readonly version_plan: Plan | null;
}

function toInput(row: QueuedRow): RunInput | null {
  const source = planSource(row.plan ?? row.version_plan, row.version_id);
  if (source === null) return null;
  const run = { workspaceId: row.workspace_id, runId: row.id };
  const of = row.definition_id === null ? {} : { definitionId: row.definition_id };
  return { run, source, input: row.input, ...of };
}

export async function planOfVersion(db: Database, workspaceId: string, versionId: string): Promise<Plan> {
  const version = await db
    .selectFrom('versions')
    .select('plan')
    .where('workspace_id', '=', workspaceId)
    .where('id', '=', versionId)
    .executeTakeFirstOrThrow();
  return version.plan;
}

export interface ApprovalRow {
  readonly id: string;
  readonly run: RunRef;
  readonly nodeId: string;
  readonly visit: number;
  readonly action: string;
  readonly reason: string | null;
  readonly assignee: string | null;
  readonly context: Json;
  readonly options: Json;
  readonly taskId: string | null;
  readonly expiresAt: number | null;
}

/** Adds a pending approval unless it is there; answers whether it was added. */
export async function insertApproval(db: Database, approval: ApprovalRow): Promise<boolean> {
  const result = await db
    .insertInto('approvals')
    .values({
      id: approval.id,
      workspace_id: approval.run.workspaceId,
      run_id: approval.run.runId,
      node_id: approval.nodeId,
      visit: approval.visit,
      task_id: approval.taskId,
      action: approval.action,
      reason: approval.reason,
      assignee: approval.assignee,
      context: JSON.stringify(approval.context),
      options: JSON.stringify(approval.options),
      decided_by: null,
      decided_at: null,
      note: null,
      expires_at: approval.expiresAt === null ? null : new Date(approval.expiresAt),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}
