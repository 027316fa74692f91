import { sql, type ExpressionBuilder } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import type { Tables } from '../../db/tables.js';
import type { RunStatus } from '../../workflows/contract/run.js';
import { pageOfRows, readIdCursor } from './id-cursor.js';
import { costOf, durationOf, type RunItem } from './run-view.js';

export interface RunFilter {
  readonly status?: readonly RunStatus[] | undefined;
  /** Id or slug. */
  readonly definition?: string | undefined;
  readonly tag?: string | undefined;
  readonly parent?: string | undefined;
  /** Of their creation: from, and before. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** The start of an id, part of the definition's name or of the error. */
  readonly q?: string | undefined;
}

export interface RunPage {
  readonly items: readonly RunItem[];
  readonly next_cursor: string | null;
}

/** Newest first; ids sort by time, so a page stays the same page whatever is added. */
export async function listRuns(
  db: Database,
  workspaceId: string,
  { cursor, limit, ...filter }: RunFilter & { readonly cursor?: string | undefined; readonly limit: number },
): Promise<RunPage> {
  const before = readIdCursor('run', cursor);
  const rows = await selectItems(db, workspaceId)
    .where((eb) => eb.and(conditions(eb, workspaceId, filter)))
    .$if(before !== null, (query) => query.where('runs.id', '<', before))
    .orderBy('runs.id', 'desc')
    .limit(limit + 1)
    .execute();
  const { items, ...next } = pageOfRows(rows, limit);
  return { items: items.map(withDuration), ...next };
}

/** Runs with the names and numbers their definitions give them. */
export const selectItems = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId)
    .select('runs')
    .leftJoin('definitions', 'definitions.id', 'runs.definition_id')
    .leftJoin('versions', 'versions.id', 'runs.version_id')
    .select([
      'runs.id',
      'runs.definition_id',
      'runs.definition_kind',
      'definitions.name as definition_name',
      'versions.number as version',
      'runs.version_id',
      'runs.status',
      'runs.trigger',
      'runs.tags',
      'runs.priority',
      'runs.error',
      'runs.created_at',
      'runs.started_at',
      'runs.ended_at',
      'runs.parent_run_id',
      'runs.origin',
      'runs.event_seq',
      costOf(sql`from run_steps where run_id = runs.id and cost is not null`).as('cost'),
    ]);

export const withDuration = <T extends { readonly started_at: Date | null; readonly ended_at: Date | null }>(
  row: T,
): T & { readonly duration_ms: number | null } => ({ ...row, duration_ms: durationOf(row.started_at, row.ended_at) });

type Joined = ExpressionBuilder<
  Tables & { definitions: Nullable<Tables['definitions']>; versions: Nullable<Tables['versions']> },
  'runs' | 'definitions' | 'versions'
>;
type Nullable<T> = { [K in keyof T]: T[K] | null };

function conditions(eb: Joined, workspaceId: string, filter: RunFilter) {
  const { status, definition, tag, parent, since, until, q } = filter;
  return [
    ...(status === undefined ? [] : [eb('runs.status', 'in', status)]),
    ...(parent === undefined ? [] : [eb('runs.parent_run_id', '=', parent)]),
    ...(since === undefined ? [] : [eb('runs.created_at', '>=', new Date(since))]),
    ...(until === undefined ? [] : [eb('runs.created_at', '<', new Date(until))]),
    ...(tag === undefined ? [] : [sql<boolean>`runs.tags @> array[${tag}]::text[]`]),
    ...(definition === undefined
      ? []
      : [
          sql<boolean>`runs.definition_id in (select id from definitions
            where workspace_id = ${workspaceId} and (id = ${definition} or slug = ${definition}))`,
        ]),
    ...(q === undefined
      ? []
      : [
          sql<boolean>`(runs.id like ${`${escaped(q)}%`} or definitions.name ilike ${`%${escaped(q)}%`}
            or runs.error->>'message' ilike ${`%${escaped(q)}%`})`,
        ]),
  ];
}

/** What a pattern would take for itself, as it stands. */
const escaped = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);
