import { sql } from 'kysely';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import type { Json } from '../../workflows/definition/values.js';
import { notFound } from '../http/errors.js';
import { documentKinds, type DocumentKind } from './documents.js';

export interface LiveVersion {
  readonly id: string;
  readonly number: number | null;
  readonly published_at: Date | null;
}

/** A definition as lists show it: all but its document and pins. */
export interface DefinitionView {
  readonly id: string;
  readonly kind: DocumentKind;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly folder: string;
  readonly status: string;
  readonly draft_revision: number;
  readonly live_version: LiveVersion | null;
  readonly has_unpublished_changes: boolean;
  readonly open_runs: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface DefinitionRow extends DefinitionView {
  readonly document: Json;
  readonly pins: Readonly<Record<string, Json>>;
}

export function presentDefinition({ document: _document, pins: _pins, ...shown }: DefinitionRow): DefinitionView {
  return shown;
}

/** Nothing of a definition that is a draft is live, even where a version stands ready for its runs. */
const selectDefinitions = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId)
    .select('definitions')
    .leftJoin('versions as live', (join) =>
      join.onRef('live.id', '=', 'definitions.version_id').on('definitions.status', '<>', 'draft'),
    )
    .select([
      'definitions.id',
      'definitions.kind',
      'definitions.slug',
      'definitions.name',
      'definitions.description',
      'definitions.folder',
      'definitions.status',
      'definitions.revision as draft_revision',
      'definitions.created_at',
      'definitions.updated_at',
      'live.id as live_id',
      'live.number as live_number',
      'live.published_at as live_published_at',
    ])
    .select((eb) => [
      sql<boolean>`live.id is null or live.document is distinct from definitions.document`.as('is_changed'),
      eb
        .selectFrom('runs')
        .select((run) => run.fn.countAll<string>().as('n'))
        .whereRef('runs.definition_id', '=', 'definitions.id')
        .whereRef('runs.workspace_id', '=', 'definitions.workspace_id')
        .where('runs.status', 'in', ['queued', 'running', 'waiting', 'paused'])
        .as('open_runs'),
    ])
    .where('definitions.kind', 'in', documentKinds)
    .where('definitions.deleted_at', 'is', null);

const selectWhole = (db: Database, workspaceId: string) =>
  selectDefinitions(db, workspaceId).select(['definitions.document', 'definitions.pins']);

interface Selected {
  readonly kind: string;
  readonly live_id: string | null;
  readonly live_number: number | null;
  readonly live_published_at: Date | null;
  readonly is_changed: boolean;
  readonly open_runs: string | null;
}

type Shown<T> = Omit<T, keyof Selected> &
  Pick<DefinitionView, 'kind' | 'live_version' | 'has_unpublished_changes' | 'open_runs'>;

function shown<T extends Selected>(selected: T): Shown<T> {
  const { live_id: id, live_number: number, live_published_at, is_changed, open_runs, kind, ...row } = selected;
  return {
    ...row,
    kind: kind as DocumentKind, // -- reason: the query asks for these alone
    live_version: id === null ? null : { id, number, published_at: live_published_at },
    has_unpublished_changes: is_changed,
    open_runs: Number(open_runs ?? 0),
  };
}

export async function findDefinition(db: Database, of: DefinitionRef): Promise<DefinitionRow> {
  const row = await selectWhole(db, of.workspaceId).where('definitions.id', '=', of.definitionId).executeTakeFirst();
  if (row === undefined) throw notFound('definition', of.definitionId);
  return shown(row);
}

/** By id or slug: no slug looks like an id. */
export async function findWorkflow(db: Database, workspaceId: string, key: string): Promise<DefinitionRow> {
  const row = await selectWhole(db, workspaceId)
    .where('definitions.kind', '=', 'workflow')
    .where((eb) => eb.or([eb('definitions.id', '=', key), eb('definitions.slug', '=', key)]))
    .executeTakeFirst();
  if (row === undefined) throw notFound('workflow', key);
  return shown(row);
}

export async function pageOfWorkflows(
  db: Database,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly DefinitionRow[]; readonly total: number }> {
  const rows = await selectWhole(db, workspaceId)
    .where('definitions.kind', '=', 'workflow')
    .orderBy('definitions.id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await scoped(db, workspaceId)
    .select('definitions')
    .select((eb) => eb.fn.countAll<string>().as('total'))
    .where('kind', '=', 'workflow')
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  return { items: rows.map(shown), total: Number(total) };
}

export interface DefinitionQuery {
  readonly kind?: string | undefined;
  /** Everything in it and below. */
  readonly folder?: string | undefined;
  /** Part of a name, slug or description. */
  readonly q?: string | undefined;
  readonly limit: number;
  /** The last id of the page before. */
  readonly cursor?: string | undefined;
}

/** Newest first. */
export async function listDefinitions(
  db: Database,
  workspaceId: string,
  { kind, folder, q, limit, cursor }: DefinitionQuery,
): Promise<readonly DefinitionView[]> {
  let query = selectDefinitions(db, workspaceId).orderBy('definitions.id', 'desc').limit(limit);
  if (kind !== undefined) query = query.where('definitions.kind', '=', kind);
  if (cursor !== undefined) query = query.where('definitions.id', '<', cursor);
  if (folder !== undefined && folder !== '') {
    query = query.where((eb) =>
      eb.or([eb('definitions.folder', '=', folder), eb('definitions.folder', 'like', `${likeText(folder)}/%`)]),
    );
  }
  if (q !== undefined) {
    const part = `%${likeText(q)}%`;
    query = query.where((eb) =>
      eb.or([
        eb('definitions.name', 'ilike', part),
        eb('definitions.slug', 'ilike', part),
        eb('definitions.description', 'ilike', part),
      ]),
    );
  }
  return (await query.execute()).map(shown);
}

/** A text that `like` takes as it stands. */
export const likeText = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&');
