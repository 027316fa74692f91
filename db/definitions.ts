import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Plan } from '../workflows/definition/plan.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { newId } from './ids.js';
import { scoped } from './scoped.js';

export interface DefinitionRef {
  readonly workspaceId: string;
  readonly definitionId: string;
}

export interface NewDefinition extends DefinitionRef {
  readonly kind: string;
  readonly slug: string;
  readonly name: string;
  readonly description?: string;
  readonly folder?: string;
  readonly status: string;
  readonly document: Json;
  readonly createdBy: string;
}

/** Writes the definition with its first draft. */
export async function insertDefinition(db: Database, definition: NewDefinition): Promise<void> {
  const { workspaceId, definitionId, kind, slug, name, status, createdBy } = definition;
  const document = JSON.stringify(definition.document);
  await scoped(db, workspaceId)
    .insert('definitions', {
      id: definitionId,
      kind,
      slug,
      name,
      description: definition.description ?? '',
      folder: definition.folder ?? '',
      status,
      document,
      created_by: createdBy,
    })
    .execute();
  const first = { definition_id: definitionId, revision: 1, document, saved_by: createdBy };
  await scoped(db, workspaceId).insert('draft_revisions', first).execute();
}

export interface DraftSave extends DefinitionRef {
  readonly document: Json;
  readonly by: string;
  /** The revision the author started from; null saves whatever is there. */
  readonly expected: number | null;
}

/** How many revisions of a draft are kept, so that an author whose draft is stale can see what it was based on. */
const KEPT_REVISIONS = 20;

/** Gives the draft its next revision; answers it, or null when the definition is gone or has another one than expected. */
export async function saveDraft(db: Database, draft: DraftSave): Promise<number | null> {
  const { workspaceId, definitionId, by, expected } = draft;
  const { rows } = await sql<{ revision: number }>`
    with saved as (
      update definitions
      set document = ${JSON.stringify(draft.document)}::jsonb, revision = revision + 1, updated_at = clock_timestamp()
      where workspace_id = ${workspaceId} and id = ${definitionId} and deleted_at is null
        and revision = coalesce(${expected}::int, revision)
      returning workspace_id, id, revision, document
    ), kept as (
      insert into draft_revisions (workspace_id, definition_id, revision, document, saved_by)
      select workspace_id, id, revision, document, ${by}::text from saved
    ), dropped as (
      delete from draft_revisions using saved
      where definition_id = saved.id and draft_revisions.revision <= saved.revision - ${KEPT_REVISIONS}::int
    )
    select revision from saved`.execute(db);
  return rows[0]?.revision ?? null;
}

/** The draft as it was; undefined when it is not kept. */
export async function draftAt(db: Database, of: DefinitionRef, revision: number): Promise<Json | undefined> {
  const row = await scoped(db, of.workspaceId)
    .select('draft_revisions')
    .select('document')
    .where('definition_id', '=', of.definitionId)
    .where('revision', '=', revision)
    .executeTakeFirst();
  return row?.document;
}

/** Keeps others from publishing or saving it until the transaction ends; answers what it is then. */
export async function lockDefinition(
  db: Database,
  of: DefinitionRef,
): Promise<{ readonly revision: number; readonly status: string; readonly version_id: string | null } | undefined> {
  return scoped(db, of.workspaceId)
    .select('definitions')
    .select(['revision', 'status', 'version_id'])
    .where('id', '=', of.definitionId)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
}

export interface VersionOf extends DefinitionRef {
  readonly document: Json;
  readonly plan: Plan;
}

/** The version of exactly this document and plan, for a run: the one there is, or a new one. Versions never change. */
export async function ensureVersion(db: Database, version: VersionOf): Promise<string> {
  const document = JSON.stringify(version.document);
  const plan = JSON.stringify(version.plan);
  const hash = contentHash(version);
  const { rows } = await sql<{ id: string }>`
    insert into versions (id, workspace_id, definition_id, hash, document, plan)
    values (${newId('ver')}, ${version.workspaceId}, ${version.definitionId}, ${hash}, ${document}::jsonb, ${plan}::jsonb)
    on conflict (definition_id, hash) do update set hash = excluded.hash
    returning id`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('a version was neither written nor found');
  return row.id;
}

/** The same for the same content, whatever order its keys came in: jsonb gives them back in its own. */
const contentHash = ({ document, plan }: VersionOf): string =>
  createHash('sha256').update(canonical(document)).update('\0').update(canonical(plan)).digest('hex');

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

export interface PublishedVersion {
  readonly id: string;
  readonly number: number;
  readonly published_at: Date;
}

/** Gives the version its number and date, once; the definition must be locked. */
export async function publishVersion(
  db: Database,
  version: VersionOf & { readonly by: string; readonly note: string | null },
): Promise<PublishedVersion> {
  const id = await ensureVersion(db, version);
  const { rows } = await sql<PublishedVersion>`
    update versions set
      number = coalesce(number,
        (select coalesce(max(number), 0) + 1 from versions where definition_id = ${version.definitionId})),
      published_by = case when published_at is null then ${version.by} else published_by end,
      published_at = coalesce(published_at, clock_timestamp()),
      note = coalesce(note, ${version.note}::text)
    where id = ${id} and workspace_id = ${version.workspaceId}
    returning id, number, published_at`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('the version to publish is gone');
  return row;
}

/** Makes a version the one new runs get. */
export async function setLive(
  db: Database,
  of: DefinitionRef,
  live: { readonly versionId: string; readonly status: string; readonly publishedAt: Date },
): Promise<void> {
  await scoped(db, of.workspaceId)
    .update('definitions', of.definitionId)
    .set({ version_id: live.versionId, status: live.status, published_at: live.publishedAt, updated_at: new Date() })
    .execute();
}
