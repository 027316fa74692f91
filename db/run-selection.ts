import { sql } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { RunStatus } from '../workflows/contract/run.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** Which runs of a workspace a command over many is for; all of it must hold. */
export interface RunSelection {
  readonly ids?: readonly string[] | undefined;
  readonly status?: readonly RunStatus[] | undefined;
  /** Id or slug. */
  readonly definition?: string | undefined;
  readonly tag?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** Of their creation: from, and before. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Only runs with a node that waits to be tried again. */
  readonly parked?: boolean | undefined;
}

const selectRuns = (db: Database, workspaceId: string, selection: RunSelection) => {
  const { ids, status, definition, tag, fingerprint, since, until, parked } = selection;
  return scoped(db, workspaceId)
    .select('runs')
    .$if(ids !== undefined, (query) => query.where('runs.id', 'in', ids ?? []))
    .$if(status !== undefined, (query) => query.where('runs.status', 'in', status ?? []))
    .$if(fingerprint !== undefined, (query) => query.where('runs.fingerprint', '=', fingerprint ?? ''))
    .$if(since !== undefined, (query) => query.where('runs.created_at', '>=', new Date(since ?? 0)))
    .$if(until !== undefined, (query) => query.where('runs.created_at', '<', new Date(until ?? 0)))
    .$if(tag !== undefined, (query) => query.where(sql<boolean>`runs.tags @> array[${tag}]::text[]`))
    .$if(parked === true, (query) =>
      query.where(sql<boolean>`exists (select from run_steps where run_id = runs.id and status = 'parked')`),
    )
    .$if(definition !== undefined, (query) =>
      query.where(
        sql<boolean>`runs.definition_id in (select id from definitions
          where workspace_id = ${workspaceId} and (id = ${definition} or slug = ${definition}))`,
      ),
    );
};

/** Newest first, from before the run `before` on. */
export async function selectRunIds(
  db: Database,
  workspaceId: string,
  page: { readonly selection: RunSelection; readonly before: string | null; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await selectRuns(db, workspaceId, page.selection)
    .select('runs.id')
    .$if(page.before !== null, (query) => query.where('runs.id', '<', page.before))
    .orderBy('runs.id', 'desc')
    .limit(page.limit)
    .execute();
  return rows.map(({ id }) => id);
}

export interface FailureGroup {
  readonly fingerprint: string;
  readonly count: number;
  readonly definition_id: string | null;
  readonly node_id: string | null;
  readonly type: string | null;
  /** Of the newest. */
  readonly message: string | null;
  readonly first_at: Date;
  readonly last_at: Date;
  /** The newest five. */
  readonly run_ids: readonly string[];
}

/** Failed runs by what they have in common; the group with the newest failure first. */
export async function failureGroups(
  db: Database,
  workspaceId: string,
  page: { readonly selection: RunSelection; readonly limit: number },
): Promise<readonly FailureGroup[]> {
  const rows = await selectRuns(db, workspaceId, { ...page.selection, status: ['failed'] })
    .where('runs.fingerprint', 'is not', null)
    .select((eb) => [
      'runs.fingerprint',
      eb.fn.countAll<string>().as('count'),
      newest<string | null>('definition_id').as('definition_id'),
      newest<NodeError | null>('error').as('error'),
      sql<Date>`min(coalesce(runs.ended_at, runs.created_at))`.as('first_at'),
      sql<Date>`max(coalesce(runs.ended_at, runs.created_at))`.as('last_at'),
      sql<string[]>`(array_agg(runs.id order by runs.id desc))[1:5]`.as('run_ids'),
    ])
    .groupBy('runs.fingerprint')
    .orderBy('last_at', 'desc')
    .limit(page.limit)
    .execute();
  return rows.map(({ error, count, fingerprint, ...group }) => ({
    ...group,
    fingerprint: fingerprint ?? '',
    count: Number(count),
    node_id: error?.node_id ?? null,
    type: error?.type ?? null,
    message: error?.message ?? null,
  }));
}

const newest = <T>(column: 'definition_id' | 'error') =>
  sql<T>`(array_agg(${sql.ref(`runs.${column}`)} order by runs.id desc))[1]`;
