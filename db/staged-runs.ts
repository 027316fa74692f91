import { sql } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { Cost, RunRef, RunStatus } from '../workflows/contract/run.js';
import type { Json, Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { OPEN_STATUSES } from './run-commands.js';
import { scoped } from './scoped.js';

/** Runs of staged workflows as the Service surface lists them. */

const KIND = 'staged';

export type StagedStatus = 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface StagedRunRow {
  readonly id: string;
  readonly workflow_key: string;
  readonly status: StagedStatus;
  /** When it was accepted, to the microsecond: with the id its place in the list. */
  readonly started_at: string;
  readonly ended_at: Date | null;
  readonly duration_ms: number | null;
  readonly user_id: string;
  readonly conversation_id: string | null;
  readonly step_count: number;
  readonly output: Value | null;
}

export interface StagedPlace {
  readonly startedAt: string;
  readonly id: string;
}

export interface StagedRunFilter {
  readonly workflowKey?: string | undefined;
  readonly status?: StagedStatus | undefined;
  readonly startedBefore?: string | undefined;
  readonly startedAfter?: string | undefined;
  readonly conversationId?: string | undefined;
  /** Of the last row of the page before. */
  readonly after?: StagedPlace | undefined;
  readonly limit: number;
}

/** One that is to be cancelled is cancelled to whoever asks: nothing more begins in it. */
const status = sql<StagedStatus>`case when runs.status = 'completed' then 'succeeded'
  when runs.status in ('failed', 'cancelled') then runs.status
  when runs.cancel_requested_at is not null then 'cancelled' else 'running' end`;

const startedAt = sql<string>`to_char(runs.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const selectRuns = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId)
    .select('runs')
    .innerJoin('definitions', 'definitions.id', 'runs.definition_id')
    .select(['runs.id', 'definitions.slug as workflow_key', 'runs.ended_at', 'runs.actor as user_id'])
    .select(['runs.conversation_id', 'runs.output'])
    .select([
      status.as('status'),
      startedAt.as('started_at'),
      sql<number | null>`(extract(epoch from runs.ended_at - runs.created_at) * 1000)::float8`.as('duration_ms'),
      sql<number>`(select count(*)::int from run_steps
        where run_id = runs.id and kind = 'agent_turn' and status = 'completed')`.as('step_count'),
    ])
    .where('runs.definition_kind', '=', KIND);

/** Newest first; what comes after a place never holds the row it was taken from. */
export async function listStagedRuns(
  db: Database,
  workspaceId: string,
  filter: StagedRunFilter,
): Promise<readonly StagedRunRow[]> {
  const { workflowKey, startedBefore, startedAfter, conversationId, after } = filter;
  let query = selectRuns(db, workspaceId);
  if (workflowKey !== undefined) query = query.where('definitions.slug', '=', workflowKey);
  if (conversationId !== undefined) query = query.where('runs.conversation_id', '=', conversationId);
  if (filter.status !== undefined) query = query.where(status, '=', filter.status);
  if (startedBefore !== undefined)
    query = query.where('runs.created_at', '<=', sql<Date>`${startedBefore}::timestamptz`);
  if (startedAfter !== undefined) query = query.where('runs.created_at', '>=', sql<Date>`${startedAfter}::timestamptz`);
  if (after !== undefined)
    query = query.where(sql<boolean>`(runs.created_at, runs.id) < (${after.startedAt}::timestamptz, ${after.id})`);
  return query.orderBy('runs.created_at', 'desc').orderBy('runs.id', 'desc').limit(filter.limit).execute();
}

export interface WholeStagedRun extends StagedRunRow {
  /** As the engine has it. */
  readonly run_status: RunStatus;
  readonly cancel_requested_at: Date | null;
  readonly input: Value;
  readonly error: NodeError | null;
  /** Of the version it runs. */
  readonly document: Json;
}

export const findStagedRun = (db: Database, { workspaceId, runId }: RunRef): Promise<WholeStagedRun | undefined> =>
  selectRuns(db, workspaceId)
    .innerJoin('versions', 'versions.id', 'runs.version_id')
    .select(['runs.status as run_status', 'runs.cancel_requested_at', 'runs.input', 'runs.error', 'versions.document'])
    .where('runs.id', '=', runId)
    .executeTakeFirst();

export interface StagedStepRow {
  readonly key: string;
  readonly node_id: string;
  readonly output: Value | null;
  readonly cost: Cost | null;
}

/** What the agents of a run came to, or one of them. */
export const stagedSteps = (
  db: Database,
  { workspaceId, runId }: RunRef,
  key?: string,
): Promise<readonly StagedStepRow[]> =>
  scoped(db, workspaceId)
    .select('runs')
    .innerJoin('run_steps', 'run_steps.run_id', 'runs.id')
    .select(['run_steps.key', 'run_steps.node_id', 'run_steps.output', 'run_steps.cost'])
    .where('runs.id', '=', runId)
    .where('run_steps.kind', '=', 'agent_turn')
    .where('run_steps.status', '=', 'completed')
    .$if(key !== undefined, (query) => query.where('run_steps.key', '=', key ?? ''))
    .orderBy('run_steps.seq')
    .execute();

/** Whether a run has ended, for whoever waits for that. */
export async function hasStagedRunEnded(db: Database, { workspaceId, runId }: RunRef): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .select('runs')
    .select('id')
    .where('id', '=', runId)
    .where('status', 'in', OPEN_STATUSES)
    .executeTakeFirst();
  return row === undefined;
}

export interface StagedDefinition {
  readonly id: string;
  readonly kind: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly document: Json;
  readonly version_id: string | null;
}

/** By slug, or by id. */
export const findStagedDefinition = (
  db: Database,
  workspaceId: string,
  key: string,
): Promise<StagedDefinition | undefined> =>
  scoped(db, workspaceId)
    .select('definitions')
    .select(['id', 'kind', 'slug', 'name', 'description', 'document', 'version_id'])
    .where('kind', '=', KIND)
    .where('deleted_at', 'is', null)
    .where((eb) => eb.or([eb('slug', '=', key), eb('id', '=', key)]))
    .executeTakeFirst();
