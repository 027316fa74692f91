import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { notFound } from '../http/errors.js';
import type { DefinitionRow } from './definition-rows.js';

export interface VersionView {
  readonly id: string;
  readonly version_id: string;
  /** Null for one that only ran as a draft. */
  readonly number: number | null;
  readonly version: number | null;
  readonly is_live: boolean;
  readonly published_at: Date | null;
  readonly published_by: string | null;
  readonly note: string | null;
  readonly hash: string;
  readonly created_at: Date;
}

export interface WholeVersion extends VersionView {
  readonly document: Json;
  readonly plan: Plan;
}

interface VersionRow extends Omit<VersionView, 'version_id' | 'version' | 'is_live'> {}

const columns = ['id', 'number', 'hash', 'published_at', 'published_by', 'note', 'created_at'] as const;

const present = (row: VersionRow, live: DefinitionRow['live_version']): VersionView => ({
  ...row,
  version_id: row.id,
  version: row.number,
  is_live: row.id === live?.id,
});

const selectVersions = (db: Database, { workspaceId, definitionId }: DefinitionRef) =>
  scoped(db, workspaceId).select('versions').where('definition_id', '=', definitionId);

/** Published ones, the newest first. */
export async function pageOfVersions(
  db: Database,
  { row, workspaceId }: { readonly row: DefinitionRow; readonly workspaceId: string },
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly VersionView[]; readonly total: number }> {
  const published = selectVersions(db, { workspaceId, definitionId: row.id }).where('number', 'is not', null);
  const rows = await published
    .select(columns)
    .orderBy('number', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await published.select((eb) => eb.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  return { items: rows.map((each) => present(each, row.live_version)), total: Number(total) };
}

export interface StoredVersion extends VersionRow {
  readonly document: Json;
  readonly plan: Plan;
}

/** By id or number. */
export async function findVersion(db: Database, of: DefinitionRef, key: string): Promise<StoredVersion> {
  const versions = selectVersions(db, of).select([...columns, 'document', 'plan']);
  const isNumber = /^[1-9]\d{0,8}$/.test(key);
  const row = await (
    isNumber ? versions.where('number', '=', Number(key)) : versions.where('id', '=', key)
  ).executeTakeFirst();
  if (row === undefined) throw notFound('version', key);
  return row;
}

export const presentWhole = (version: StoredVersion, row: DefinitionRow): WholeVersion => {
  const { document, plan, ...rest } = version;
  return { ...present(rest, row.live_version), document, plan };
};
