import { ensureVersion } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, invalid, notFound } from '../http/errors.js';

/** What a run is to run: a version, which for a draft is made now. */
export interface RunTarget {
  readonly definition: { readonly id: string; readonly versionId: string };
  readonly kind: string;
  readonly plan: Plan;
  readonly version: number | null;
}

export interface DefinitionRow {
  readonly id: string;
  readonly kind: string;
  readonly slug: string;
  readonly name: string;
  readonly document: Json;
  readonly version_id: string | null;
}

export interface RunTargetDeps {
  readonly db: Database;
  /** The plan of a draft, or a 422 that names what keeps it from running. */
  readonly compileDraft: (workspaceId: string, definition: DefinitionRow) => Promise<Plan>;
}

const selectDefinitions = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId).select('definitions').select(['id', 'kind', 'slug', 'name', 'document', 'version_id']);

/** Also one that was deleted since: its runs are still its own. */
export async function definitionOf(db: Database, workspaceId: string, id: string): Promise<DefinitionRow> {
  const row = await selectDefinitions(db, workspaceId).where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw notFound('definition', id);
  return row;
}

/** By id, or by a slug that only one definition has. */
export async function findDefinition(db: Database, workspaceId: string, named: string): Promise<DefinitionRow> {
  const rows = await selectDefinitions(db, workspaceId)
    .where('deleted_at', 'is', null)
    .where((eb) => eb.or([eb('id', '=', named), eb('slug', '=', named)]))
    .orderBy('kind')
    .execute();
  const [only, ...more] = rows;
  if (only === undefined) throw notFound('definition', named);
  if (more.length === 0) return only;
  const kinds = rows.map(({ kind, id }) => `${kind} (${id})`).join(' and ');
  throw conflict(`definition: "${named}" is the slug of a ${kinds}; name one by its id.`);
}

/** `version` is an id, a number or `draft`; the live one without it. */
export async function targetOf(
  { db, compileDraft }: RunTargetDeps,
  workspaceId: string,
  asked: { readonly definition: DefinitionRow; readonly version: string | number | undefined },
): Promise<RunTarget> {
  const { definition, version } = asked;
  // a chain is bound to a version each time it is saved
  if (version === 'draft' && definition.kind !== 'chain') {
    const plan = await compileDraft(workspaceId, definition);
    const { id, kind, document } = definition;
    const versionId = await ensureVersion(db, { workspaceId, definitionId: id, document, plan });
    return { definition: { id, versionId }, kind, plan, version: null };
  }
  const query = scoped(db, workspaceId)
    .select('versions')
    .select(['id', 'number', 'plan'])
    .where('definition_id', '=', definition.id);
  const found = await (
    version === undefined || version === 'draft'
      ? query.where('id', '=', definition.version_id ?? '')
      : isNumber(version)
        ? query.where('number', '=', Number(version))
        : query.where('id', '=', String(version))
  ).executeTakeFirst();
  if (found === undefined) throw missing(definition, version);
  const { id: versionId, number, plan } = found;
  return { definition: { id: definition.id, versionId }, kind: definition.kind, plan, version: number };
}

/** As a version's number is written; ids start with a letter. */
const isNumber = (version: string | number): boolean => /^\d{1,9}$/.test(String(version));

function missing({ id, kind, name }: DefinitionRow, version: string | number | undefined): Error {
  if (version !== undefined && version !== 'draft') {
    return invalid([{ field: 'version', message: `"${name}" has no version ${version}` }]);
  }
  if (kind === 'chain') return conflict(`The chain "${name}" has no steps; add one to run it.`);
  const publish = `POST /v1/definitions/${id}/publish`;
  return conflict(`"${name}" has no published version: publish it first (${publish}), or run "version": "draft".`);
}
