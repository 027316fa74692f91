import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { presentValues } from '../../db/present-values.js';
import type { Cost, RunRef, StepStatus } from '../../workflows/contract/run.js';
import type { Value } from '../../workflows/definition/values.js';
import { invalid } from '../http/errors.js';
import { durationOf, type StepDetail, type StepItem } from './run-view.js';

/** A run's steps, found only within its workspace. */
const stepsOf = (db: Database, { workspaceId, runId }: RunRef) =>
  db
    .selectFrom('run_steps')
    .innerJoin('runs', 'runs.id', 'run_steps.run_id')
    .where('runs.workspace_id', '=', workspaceId)
    .where('run_steps.run_id', '=', runId);

const selectItems = (db: Database, run: RunRef) =>
  stepsOf(db, run).select([
    'run_steps.key',
    'run_steps.node_id',
    'run_steps.kind',
    'run_steps.label',
    'run_steps.scope',
    'run_steps.visit',
    'run_steps.seq',
    'run_steps.attempt',
    'run_steps.status',
    'run_steps.error',
    'run_steps.started_at',
    'run_steps.ended_at',
    'run_steps.cost',
    'run_steps.decided_by',
    'run_steps.port',
    'run_steps.taken',
  ]);

const withDuration = (row: Omit<StepItem, 'duration_ms'>): StepItem => ({
  ...row,
  duration_ms: durationOf(row.started_at, row.ended_at),
});

type Bodies = { readonly input: Value | null; readonly output: Value | null };

async function withBodies(
  db: Database,
  { workspaceId }: RunRef,
  rows: readonly (Omit<StepItem, 'duration_ms'> & Bodies)[],
): Promise<readonly StepDetail[]> {
  const bodies = rows.flatMap(({ input, output }) => [input, output]);
  const shown = await presentValues(db, workspaceId, bodies);
  return rows.map((row, index) => ({
    ...withDuration(row),
    input: shown[2 * index] ?? null,
    output: shown[2 * index + 1] ?? null,
  }));
}

/** The newest steps, in order. */
export async function newestSteps(db: Database, run: RunRef, limit: number): Promise<readonly StepDetail[]> {
  const rows = await selectItems(db, run)
    .select(['run_steps.input', 'run_steps.output'])
    .orderBy('run_steps.seq', 'desc')
    .orderBy('run_steps.key', 'desc')
    .limit(limit)
    .execute();
  return withBodies(db, run, rows.toReversed());
}

export async function countSteps(db: Database, run: RunRef): Promise<number> {
  const { total } = await stepsOf(db, run)
    .select((eb) => eb.fn.countAll<string>().as('total'))
    .executeTakeFirstOrThrow();
  return Number(total);
}

/** Steps with one of these statuses, in order. */
export async function stepsWith(
  db: Database,
  run: RunRef,
  { statuses, limit }: { readonly statuses: readonly StepStatus[]; readonly limit: number },
): Promise<readonly StepItem[]> {
  const rows = await selectItems(db, run)
    .where('run_steps.status', 'in', statuses)
    .orderBy('run_steps.seq')
    .limit(limit)
    .execute();
  return rows.map(withDuration);
}

export interface StepWindow {
  readonly items: readonly StepItem[];
  readonly next_after: string | null;
}

export interface StepFilter {
  /** `next_after` of the window before, or a `seq`. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly node_id?: string | undefined;
  readonly status?: readonly StepStatus[] | undefined;
}

/**
 * Steps in order, without bodies. A step that changes moves to a higher `seq`, so whoever reads on sees it again and
 * misses none.
 */
export async function listSteps(db: Database, run: RunRef, filter: StepFilter): Promise<StepWindow> {
  const { after, limit, node_id: nodeId, status } = filter;
  const from = after === undefined ? null : readAfter(after);
  const rows = await selectItems(db, run)
    .$if(from !== null, (query) =>
      query.where(sql<boolean>`(run_steps.seq, run_steps.key) > (${from?.seq}::int, ${from?.key}::text)`),
    )
    .$if(nodeId !== undefined, (query) => query.where('run_steps.node_id', '=', nodeId ?? ''))
    .$if(status !== undefined, (query) => query.where('run_steps.status', 'in', status ?? []))
    .orderBy('run_steps.seq')
    .orderBy('run_steps.key')
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map(withDuration);
  const last = items.at(-1);
  return { items, next_after: rows.length > limit && last !== undefined ? `${last.seq}:${last.key}` : null };
}

/** Sorts behind every key. */
const LAST_KEY = '\u{10FFFF}';

function readAfter(after: string): { readonly seq: number; readonly key: string } {
  const [, seq, key = LAST_KEY] = /^(\d{1,9})(?::(.+))?$/.exec(after) ?? [];
  if (seq !== undefined) return { seq: Number(seq), key };
  const message = 'must be next_after of the window before, or the seq of a step';
  throw invalid([{ field: 'query.after', loc: ['query', 'after'], message }]);
}

export async function findStep(db: Database, run: RunRef, key: string): Promise<StepDetail | undefined> {
  const rows = await selectItems(db, run)
    .select(['run_steps.input', 'run_steps.output'])
    .where('run_steps.key', '=', key)
    .execute();
  const [step] = await withBodies(db, run, rows);
  return step;
}

export interface NodeSummary {
  readonly node_id: string;
  readonly kind: string;
  readonly label: string;
  readonly visits: number;
  readonly by_status: Readonly<Partial<Record<StepStatus, number>>>;
  readonly attempts: number;
  /** Of visits that have ended. */
  readonly total_ms: number;
  readonly avg_ms: number | null;
  readonly cost: Cost;
  readonly first_at: Date;
  readonly last_at: Date;
}

/** What each node of a run came to, in the order they were first visited. */
export async function summariseSteps(db: Database, run: RunRef): Promise<readonly NodeSummary[]> {
  const { rows } = await sql<NodeSummary>`
    with counted as (
      select node_id, run_steps.status, min(kind) as kind, min(label) as label, min(run_steps.seq) as seq,
        count(*)::int as visits, sum(attempt)::int as attempts, count(run_steps.ended_at) as ended,
        coalesce(sum(extract(epoch from run_steps.ended_at - run_steps.started_at)), 0)::float8 * 1000 as ms,
        sum((cost->>'usd')::float8) as usd, sum((cost->>'input_tokens')::bigint) as input_tokens,
        sum((cost->>'output_tokens')::bigint) as output_tokens,
        min(run_steps.started_at) as first_at, max(coalesce(run_steps.ended_at, run_steps.started_at)) as last_at
      from run_steps join runs on runs.id = run_steps.run_id
      where runs.workspace_id = ${run.workspaceId} and runs.id = ${run.runId}
      group by node_id, run_steps.status
    )
    select node_id, min(kind) as kind, min(label) as label, sum(visits)::int as visits,
      json_object_agg(status, visits) as by_status, sum(attempts)::int as attempts,
      round(sum(ms)) as total_ms, round(sum(ms) / nullif(sum(ended), 0)::float8) as avg_ms,
      json_build_object('usd', coalesce(sum(usd), 0), 'input_tokens', coalesce(sum(input_tokens), 0),
        'output_tokens', coalesce(sum(output_tokens), 0)) as cost,
      min(first_at) as first_at, max(last_at) as last_at
    from counted group by node_id order by min(seq)`.execute(db);
  return rows;
}
