import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../../../db/client.js';
import { insertDefinition, publishVersion, saveDraft, setLive, type DefinitionRef } from '../../../db/definitions.js';
import { derivedId } from '../../../db/ids.js';
import { scoped } from '../../../db/scoped.js';
import type { Plan } from '../../../workflows/definition/plan.js';
import type { Json } from '../../../workflows/definition/values.js';
import { conflict, invalid, notFound } from '../../http/errors.js';
import { compileRow } from '../definitions.js';
import { isBlocker, problemDetail } from '../documents.js';
import type { UrlRulesOf } from '../egress-lists.js';
import { slugFrom } from '../slugs.js';
import { kindOf, rulesOf, type JsonObject, type WorkflowKind, type WrittenWorkflow } from './kinds.js';
import { ACTIVE, findWorkflow, holdSlugs, INACTIVE, takenSlugs, workflowWithId, type WorkflowRow } from './rows.js';
import { isObject } from './dag-kind.js';

export interface WriteDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
}

/** What replies show and nobody sets: a reply may be sent back as it came. */
const shownOnly = ['id', 'kind', 'created_at', 'updated_at', 'step_count', 'version'];

/** The body's own fields, and whether it is to be active. */
function ownFields({ is_active: isActive, ...body }: JsonObject): {
  readonly isActive: boolean | undefined;
  readonly fields: JsonObject;
} {
  if (isActive !== undefined && typeof isActive !== 'boolean')
    throw invalid([{ field: 'is_active', message: 'must be true or false', type: 'invalid_type' }]);
  const own = Object.entries(body).filter(([key]) => !shownOnly.includes(key));
  return { isActive, fields: unfolded(Object.fromEntries(own)) };
}

/** A reply shows every document as `config`; one of stages stands beside the name when it is written. */
function unfolded({ config, ...body }: JsonObject): JsonObject {
  const hasStages = isObject(config) && ('stages' in config || 'steps' in config);
  if (hasStages) return { ...body, ...config };
  return config === undefined ? body : { ...body, config };
}

/** Of `/api/v1/workflows/runs`, which is a row of its own. */
const RESERVED = ['runs'];

function refuseReserved(slug: string): void {
  if (!RESERVED.includes(slug)) return;
  throw invalid([{ field: 'slug', message: `must not be "${slug}", which is an address of its own; choose another` }]);
}

interface Making {
  readonly workspaceId: string;
  readonly body: JsonObject;
  readonly seed: string;
  readonly by: string;
}

export async function createWorkflow(deps: WriteDeps, making: Making): Promise<WorkflowRow> {
  const { workspaceId, by } = making;
  const { isActive = true, fields } = ownFields(making.body);
  const kind = kindOf(fields);
  const written = rulesOf(kind).read(fields);
  if (written.slug !== undefined) refuseReserved(written.slug);
  const of = { workspaceId, definitionId: derivedId('def', making.seed) };
  const plan = await planOf(deps, of, { kind, document: written.document });
  await deps.db.transaction().execute(async (trx) => {
    await holdSlugs(trx, workspaceId);
    if ((await workflowWithId(trx, workspaceId, of.definitionId)) !== null) return;
    const slug = await freeSlug(trx, workspaceId, written);
    const { name, description, document } = written;
    const row = { ...of, kind, slug, name, description, document, status: 'draft', createdBy: by };
    await insertDefinition(trx, row);
    await goLive(trx, of, { document, plan, by, isActive });
  });
  const made = await workflowWithId(deps.db, workspaceId, of.definitionId);
  if (made === null) throw notFound('workflow', of.definitionId);
  return made;
}

/** The one that was asked for, or 409; one made from the name gets the first number nobody has. */
async function freeSlug(trx: Database, workspaceId: string, { slug, name }: WrittenWorkflow): Promise<string> {
  const wanted = slug ?? slugFrom(name, 'workflow');
  const taken = new Set([...(await takenSlugs(trx, workspaceId, wanted)), ...RESERVED]);
  if (!taken.has(wanted)) return wanted;
  if (slug !== undefined)
    throw conflict(`slug: a workflow with the slug "${slug}" exists; choose another, or PATCH that one.`);
  let [free, number] = [wanted, 1];
  while (taken.has(free)) free = `${wanted.slice(0, 70)}-${(number += 1)}`;
  return free;
}

/** Compiled with the agents as they are now; 422 with one detail for each problem. */
async function planOf(
  deps: WriteDeps,
  { workspaceId, definitionId: id }: DefinitionRef,
  { kind, document }: { readonly kind: WorkflowKind; readonly document: Json },
): Promise<Plan> {
  const { plan, problems } = await compileRow(deps, workspaceId, { id, kind, document });
  const blockers = problems.filter(isBlocker);
  if (plan !== null && blockers.length === 0) return plan;
  const { place } = rulesOf(kind);
  throw invalid(blockers.map((problem) => problemDetail(problem, place)));
}

interface Live {
  readonly document: Json;
  readonly plan: Plan;
  readonly by: string;
  readonly isActive: boolean;
}

async function goLive(trx: Database, of: DefinitionRef, { isActive, ...content }: Live): Promise<void> {
  const version = await publishVersion(trx, { ...of, ...content, note: null });
  const status = isActive ? ACTIVE : INACTIVE;
  await setLive(trx, of, { versionId: version.id, status, publishedAt: version.published_at });
}

interface Writing {
  readonly workspaceId: string;
  readonly slug: string;
  readonly body: JsonObject;
  readonly mode: 'change' | 'replace';
  readonly by: string;
}

export async function writeWorkflow(deps: WriteDeps, writing: Writing): Promise<void> {
  const { workspaceId, slug, mode, by } = writing;
  const row = await findWorkflow(deps.db, workspaceId, slug);
  const { isActive, fields } = ownFields(writing.body);
  const written = rulesOf(row.kind).read(mode === 'replace' ? fields : merged(row, fields));
  refuseOtherSlug(slug, written.slug);
  const { name, description, document } = written;
  const willBeActive = isActive ?? (mode === 'replace' || row.status === ACTIVE);
  const isChanged = !isDeepStrictEqual(document, row.document);
  const of = { workspaceId, definitionId: row.id };
  // one that is only paused may name agents that are gone
  const isPublished = isChanged || (willBeActive && row.status !== ACTIVE);
  const plan = isPublished ? await planOf(deps, of, { kind: row.kind, document }) : null;
  await deps.db.transaction().execute(async (trx) => {
    if (isChanged) await saveDocument(trx, of, { document, by, expected: row.revision });
    await scoped(trx, workspaceId)
      .update('definitions', row.id)
      .set({ name, description, updated_at: new Date(), ...(willBeActive ? {} : { status: INACTIVE }) })
      .execute();
    if (plan !== null) await goLive(trx, of, { document, plan, by, isActive: willBeActive });
  });
}

async function saveDocument(
  trx: Database,
  of: DefinitionRef,
  draft: { readonly document: Json; readonly by: string; readonly expected: number },
): Promise<void> {
  if ((await saveDraft(trx, { ...of, ...draft })) !== null) return;
  throw conflict(
    'The workflow was changed or deleted by somebody else meanwhile: read it again and repeat the change.',
  );
}

/** The slug is what others know it by. */
function refuseOtherSlug(slug: string, asked: string | undefined): void {
  if (asked === undefined || asked === slug) return;
  const message = `cannot be changed: this workflow is "${slug}"; create another one called "${asked}"`;
  throw invalid([{ field: 'slug', message }]);
}

/** What is there with what the change names in its place, in `config` part by part. */
function merged({ kind, name, description, document }: WorkflowRow, change: JsonObject): JsonObject {
  // -- reason: documents of every kind are objects
  const own = document as JsonObject;
  const present: JsonObject = { name, description, ...(rulesOf(kind).bodyOf?.(own) ?? own) };
  const { config } = change;
  const before = present['config'];
  if (!isObject(config) || !isObject(before)) return { ...present, ...change };
  return { ...present, ...change, config: { ...before, ...config } };
}
