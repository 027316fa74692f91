import { sql } from 'kysely';
import type { Database } from '../../../db/client.js';
import { scoped } from '../../../db/scoped.js';
import type { Json } from '../../../workflows/definition/values.js';
import { notFound } from '../../http/errors.js';
import { likeText } from '../definition-rows.js';
import { kindNames, type WorkflowKind } from './kinds.js';

export interface WorkflowRow {
  readonly id: string;
  readonly kind: WorkflowKind;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly status: string;
  readonly revision: number;
  readonly document: Json;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly version: number | null;
}

export interface WorkflowQuery {
  readonly is_active?: boolean | undefined;
  readonly search?: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

export const ACTIVE = 'published';
export const INACTIVE = 'paused';

const selectWorkflows = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId)
    .select('definitions')
    .leftJoin('versions', 'versions.id', 'definitions.version_id')
    .where('definitions.kind', 'in', kindNames)
    .where('definitions.deleted_at', 'is', null);

const columns = [
  'definitions.id',
  'definitions.kind',
  'definitions.slug',
  'definitions.name',
  'definitions.description',
  'definitions.status',
  'definitions.revision',
  'definitions.document',
  'definitions.created_at',
  'definitions.updated_at',
  'versions.number as version',
] as const;

type Selected = Omit<WorkflowRow, 'kind'> & { readonly kind: string };

// -- reason: the query asks for these kinds alone
const known = (row: Selected): WorkflowRow => ({ ...row, kind: row.kind as WorkflowKind });

export async function findWorkflow(db: Database, workspaceId: string, slug: string): Promise<WorkflowRow> {
  const row = await selectWorkflows(db, workspaceId)
    .select(columns)
    .where('definitions.slug', '=', slug)
    .executeTakeFirst();
  if (row === undefined) throw notFound('workflow', slug);
  return known(row);
}

/** Also one that was made by an earlier attempt of the same request. */
export async function workflowWithId(db: Database, workspaceId: string, id: string): Promise<WorkflowRow | null> {
  const row = await selectWorkflows(db, workspaceId)
    .select(columns)
    .where('definitions.id', '=', id)
    .executeTakeFirst();
  return row === undefined ? null : known(row);
}

/** The newest first. */
export async function pageOfWorkflows(
  db: Database,
  workspaceId: string,
  { is_active: isActive, search, limit, offset }: WorkflowQuery,
): Promise<{ readonly items: readonly WorkflowRow[]; readonly total: number }> {
  let found = selectWorkflows(db, workspaceId);
  if (isActive !== undefined) found = found.where('definitions.status', isActive ? '=' : '<>', ACTIVE);
  if (search !== undefined) {
    const part = `%${likeText(search)}%`;
    found = found.where((eb) =>
      eb.or((['slug', 'name', 'description'] as const).map((column) => eb(`definitions.${column}`, 'ilike', part))),
    );
  }
  const page = found.select(columns).orderBy('definitions.id', 'desc').limit(limit).offset(offset);
  const items = await page.execute();
  const { total } = await found.select((eb) => eb.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  return { items: items.map(known), total: Number(total) };
}

/** Slugs that begin so, of every kind of this resource: it knows a workflow by its slug alone. */
export async function takenSlugs(db: Database, workspaceId: string, slug: string): Promise<ReadonlySet<string>> {
  const rows = await selectWorkflows(db, workspaceId)
    .select('definitions.slug')
    .where('definitions.slug', 'like', `${likeText(slug)}%`)
    .execute();
  return new Set(rows.map((row) => row.slug));
}

/** Whoever else makes a workflow in this workspace waits: two kinds could take one slug. */
export const holdSlugs = async (trx: Database, workspaceId: string): Promise<void> => {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`workflows/${workspaceId}`}, 0))`.execute(trx);
};
