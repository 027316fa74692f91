import type { PlanSource, ReusedStep, RunInput, RunRef } from '../workflows/contract/run.js';
import type { Plan } from '../workflows/definition/plan.js';
import { INLINE_LIMIT_BYTES, type Value } from '../workflows/definition/values.js';
import { sql } from 'kysely';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { RunOrigin, RunTest } from './tables.js';
import { jsonText, jsonTextOrNull } from './values.js';

export interface NewRun {
  readonly run: RunRef;
  readonly definition: { readonly id: string; readonly versionId: string } | null;
  readonly kind: string;
  /** Null when the worker is to load it with the version. */
  readonly plan: Plan | null;
  /** The plan is the run's own, not its version's: it is kept with the run. */
  readonly hasOwnPlan?: boolean;
  readonly input: Value;
  /** What started it: `api`, `ingress`, `public_ingress`, `schedule`, `approval`, `subflow`, ... */
  readonly trigger: string;
  readonly actor: string;
  readonly scheduleId?: string;
  /** The run whose subflow it is, and the visit that starts it; its workflow starts this one. */
  readonly parentRunId?: string;
  readonly parentKey?: string;
  /** How many runs are above it. */
  readonly depth?: number;
  /** The run it continues or replays. */
  readonly origin?: RunOrigin;
  /** 1 (first) to 5; 3 without it. */
  readonly priority?: number;
  readonly tags?: readonly string[];
  readonly isConversation?: boolean;
  /** Runs of one conversation share it. */
  readonly conversationId?: string;
  readonly test?: RunTest;
  /** Results of an earlier run it starts with. */
  readonly reuse?: readonly ReuseRow[];
}

export interface ReuseRow extends ReusedStep {
  /** `visitKey`. */
  readonly key: string;
}

export interface InsertedRun {
  readonly input: RunInput;
  /** False when the row was there before. */
  readonly isNew: boolean;
}

const DEFAULT_PRIORITY = 3;

const ordinary = {
  priority: DEFAULT_PRIORITY,
  depth: 0,
  isConversation: false,
  conversationId: null,
  tags: [],
  reuse: [],
  scheduleId: null,
  parentRunId: null,
  parentKey: null,
  origin: null,
  test: null,
} as const;

type WholeRun = ReturnType<typeof completed>;
const completed = (run: NewRun) => ({
  ...ordinary,
  ...run,
  definitionId: run.definition?.id ?? null,
  versionId: run.definition?.versionId ?? null,
});

/**
 * Writes the run's row, queued, and what it reuses, in one statement: from here on it is accepted, and a sweep starts it
 * should this process die. A run that exists already is left as it is.
 */
export async function insertRun(db: Database, newRun: NewRun): Promise<InsertedRun> {
  const run = completed(newRun);
  const row = rowOf(run);
  const { plan, input, test, reuse } = run;
  const own = isOwn(run) ? plan : null;
  const accepted = toInput({ ...row, plan: own, version_plan: plan, input, test, reuses: reuse.length > 0 });
  if (accepted === null) throw new Error('a run needs a plan or a version');
  const reused = sql`select added.id, added.workspace_id, r.key, r.output, r.port, nullif(r.vars::text, 'null')::json from added,
    json_to_recordset(${jsonText(reuse)}::json) as r(key text, output json, port text, vars json)`;
  const rows = await db
    .with('added', (query) =>
      query
        .insertInto('runs')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doNothing())
        .returning(['id', 'workspace_id']),
    )
    .with('reused', (query) =>
      query
        .insertInto('run_reuse')
        .columns(['run_id', 'workspace_id', 'key', 'output', 'port', 'vars'])
        .expression(reused),
    )
    .selectFrom('added')
    .select('id')
    .execute();
  return { input: accepted, isNew: rows.length > 0 };
}

const isOwn = ({ definition, hasOwnPlan }: WholeRun): boolean => definition === null || hasOwnPlan === true;

const rowOf = (run: WholeRun) => ({
  id: run.run.runId,
  workspace_id: run.run.workspaceId,
  definition_id: run.definitionId,
  definition_kind: run.kind,
  version_id: run.versionId,
  plan: isOwn(run) ? jsonTextOrNull(run.plan) : null,
  schedule_id: run.scheduleId,
  status: 'queued' as const,
  trigger: run.trigger,
  actor: run.actor,
  input: jsonText(run.input),
  parent_run_id: run.parentRunId,
  parent_key: run.parentKey,
  depth: run.depth,
  origin: jsonTextOrNull(run.origin),
  priority: run.priority,
  tags: [...run.tags],
  is_conversation: run.isConversation,
  conversation_id: run.conversationId,
  test: jsonTextOrNull(run.test),
});

/** A small plan, or the run's own, travels with the start; the worker loads another. Null where there is neither. */
function planSource(row: Pick<QueuedRow, 'plan' | 'version_plan' | 'version_id'>): PlanSource | null {
  const { plan, version_plan: ofVersion, version_id: versionId } = row;
  if (plan !== null) return { plan };
  if (versionId === null) return ofVersion === null ? null : { plan: ofVersion };
  const isSmall = ofVersion !== null && Buffer.byteLength(JSON.stringify(ofVersion)) <= INLINE_LIMIT_BYTES;
  return isSmall ? { plan: ofVersion } : { versionId };
}

/**
 * Runs accepted at least `olderThanMs` ago that no worker has taken up; those never tried before come first. A subflow
 * is its parent's to start.
 */
export async function queuedRuns(db: Database, olderThanMs: number, limit: number): Promise<readonly RunInput[]> {
  const rows = await selectQueued(db)
    .where('runs.parent_run_id', 'is', null)
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

/** The run as its workflow starts with it, whatever has become of it. */
export async function storedRun(db: Database, run: RunRef): Promise<RunInput | null> {
  const row = await selectInputs(db)
    .where('runs.id', '=', run.runId)
    .where('runs.workspace_id', '=', run.workspaceId)
    .executeTakeFirst();
  return row === undefined ? null : toInput(row);
}

const selectQueued = (db: Database) => selectInputs(db).where('runs.status', '=', 'queued');

const selectInputs = (db: Database) =>
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
      'runs.actor',
      'runs.is_conversation',
      'runs.priority',
      'runs.depth',
      'runs.test',
      sql<boolean>`exists (select 1 from run_reuse where run_reuse.run_id = runs.id)`.as('reuses'),
    ]);

interface QueuedRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly version_id: string | null;
  readonly definition_id: string | null;
  readonly input: Value;
  readonly plan: Plan | null;
  readonly version_plan: Plan | null;
  readonly actor: string;
  readonly is_conversation: boolean;
  readonly priority: number;
  readonly depth: number;
  readonly test: RunTest | null;
  readonly reuses: boolean;
}

/** What its workflow starts with; null where there is no plan. Ordinary things are left out. */
function toInput(row: QueuedRow): RunInput | null {
  const source = planSource(row);
  if (source === null) return null;
  return {
    run: { workspaceId: row.workspace_id, runId: row.id },
    source,
    input: row.input,
    startedBy: row.actor,
    ...(row.definition_id === null ? {} : { definitionId: row.definition_id }),
    ...(row.is_conversation ? { isConversation: true } : {}),
    ...(row.priority === DEFAULT_PRIORITY ? {} : { priority: row.priority }),
    ...(row.depth === 0 ? {} : { depth: row.depth }),
    ...(row.test === null ? {} : { test: row.test }),
    ...(row.reuses ? { reuses: true } : {}),
  };
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

/** Recorded results a run starts with, by key: at most so many of those that come after a key. */
export async function reuseOf(
  db: Database,
  { workspaceId, runId }: RunRef,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly ReuseRow[]> {
  const rows = await db
    .selectFrom('run_reuse')
    .innerJoin('runs', 'runs.id', 'run_reuse.run_id')
    .select(['run_reuse.key', 'run_reuse.output', 'run_reuse.port', 'run_reuse.vars'])
    .where('runs.id', '=', runId)
    .where('runs.workspace_id', '=', workspaceId)
    .where('run_reuse.key', '>', page.after ?? '')
    .orderBy('run_reuse.key')
    .limit(page.limit)
    .execute();
  return rows.map(({ vars, ...row }) => (vars === null ? row : { ...row, vars }));
}

/** Notes that the run goes on with another version of its definition. */
export async function moveRun(db: Database, { workspaceId, runId }: RunRef, versionId: string): Promise<void> {
  await scoped(db, workspaceId)
    .update('runs', runId)
    .set({ version_id: versionId })
    .where('definition_id', '=', (query) =>
      query
        .selectFrom('versions')
        .select('definition_id')
        .where('versions.id', '=', versionId)
        .where('versions.workspace_id', '=', workspaceId),
    )
    .execute();
}
