import { derivedId } from '../../db/ids.js';
import { insertDefinition } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { conflict } from '../http/errors.js';
import { findDefinition, findWorkflow, pageOfWorkflows, type DefinitionRow } from './definition-rows.js';
import { vaultDocument } from './definition-secrets.js';
import { writeDraft, writeMetadata, type DraftDeps, type Metadata } from './definitions-draft.js';
import { emptyDocument, parseDocument } from './documents.js';
import { slugFrom } from './slugs.js';

/** The parts of a graph workflow's document; null takes a schema away. */
export interface GraphChange {
  readonly nodes?: readonly Json[] | undefined;
  readonly edges?: readonly Json[] | undefined;
  readonly engine?: 'studio' | 'automation' | undefined;
  readonly input_schema?: Json | undefined;
  readonly output_schema?: Json | undefined;
}

export interface WorkflowView {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly folder: string;
  readonly status: 'draft' | 'published';
  readonly graph: { readonly nodes: readonly Json[]; readonly edges: readonly Json[] };
  readonly engine: string;
  readonly input_schema: Json;
  readonly output_schema: Json;
  readonly draft_revision: number;
  readonly published_version_id: string | null;
  readonly version: number | null;
  readonly published_at: Date | null;
  readonly has_unpublished_changes: boolean;
  readonly open_runs: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface NewWorkflow extends Metadata, GraphChange {
  readonly name: string;
}

export interface WorkflowChange {
  readonly metadata: Metadata;
  readonly graph: GraphChange;
  /** The revision its author began with. */
  readonly expected: number | null;
}

/** Graph workflows, named by id or slug. */
export interface WorkflowService {
  readonly list: (
    workspaceId: string,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly WorkflowView[]; readonly total: number }>;
  readonly get: (workspaceId: string, key: string) => Promise<WorkflowView>;
  /** The definition's id. */
  readonly idOf: (workspaceId: string, key: string) => Promise<string>;
  readonly create: (actor: Actor, seed: string, workflow: NewWorkflow) => Promise<WorkflowView>;
  readonly change: (actor: Actor, key: string, change: WorkflowChange) => Promise<WorkflowView>;
  /** Its open runs finish. */
  readonly remove: (workspaceId: string, key: string) => Promise<void>;
}

export function createWorkflowService(deps: DraftDeps): WorkflowService {
  const { db } = deps;
  return {
    list: async (workspaceId, page) => {
      const { items, total } = await pageOfWorkflows(db, workspaceId, page);
      return { items: items.map(present), total };
    },
    get: async (workspaceId, key) => present(await findWorkflow(db, workspaceId, key)),
    idOf: async (workspaceId, key) => (await findWorkflow(db, workspaceId, key)).id,
    create: (actor, seed, workflow) => createWorkflow(deps, actor, { seed, workflow }),
    change: (actor, key, change) => changeWorkflow(deps, actor, { key, change }),
    remove: async (workspaceId, key) => {
      const { id } = await findWorkflow(db, workspaceId, key);
      await scoped(db, workspaceId).update('definitions', id).set({ deleted_at: new Date() }).execute();
    },
  };
}

type JsonObject = Readonly<Record<string, Json>>;

function present(row: DefinitionRow): WorkflowView {
  const { kind: _kind, document, pins: _pins, live_version: live, status, ...shown } = row;
  const { id = null, number = null, published_at = null } = live ?? {};
  return {
    ...shown,
    ...presentGraph(document),
    status: status === 'published' ? 'published' : 'draft',
    published_version_id: id,
    version: number,
    published_at,
  };
}

function presentGraph(document: Json): Pick<WorkflowView, 'graph' | 'engine' | 'input_schema' | 'output_schema'> {
  // -- reason: the workflow dialect parsed it before it was written
  const { nodes, edges, engine, input_schema = null, output_schema = null } = document as JsonObject;
  return {
    graph: { nodes: listOf(nodes), edges: listOf(edges) },
    engine: typeof engine === 'string' ? engine : 'studio',
    input_schema,
    output_schema,
  };
}

const listOf = (json: Json | undefined): readonly Json[] => (Array.isArray(json) ? (json as readonly Json[]) : []);

async function createWorkflow(
  deps: DraftDeps,
  actor: Actor,
  { seed, workflow }: { readonly seed: string; readonly workflow: NewWorkflow },
): Promise<WorkflowView> {
  const { workspaceId } = actor;
  const { name, description = '', slug: wanted, folder = '', ...graph } = workflow;
  const id = derivedId('def', seed);
  const parsed = parseDocument('workflow', documentWith(emptyDocument('workflow', name), graph));
  const made = await scoped(deps.db, workspaceId).get('definitions', id);
  if (made !== undefined) return present(await findDefinition(deps.db, { workspaceId, definitionId: id }));
  const slug = wanted ?? (await freeSlug(deps.db, workspaceId, slugFrom(name, 'workflow')));
  const document = await vaultDocument(deps.secrets, { workspaceId, kind: 'workflow', slug, document: parsed });
  const row = { workspaceId, definitionId: id, kind: 'workflow', slug, name, description, folder, status: 'draft' };
  await deps.db
    .transaction()
    .execute((trx) => insertDefinition(trx, { ...row, document, createdBy: actor.id }))
    .catch(takenSlug(slug));
  return present(await findDefinition(deps.db, { workspaceId, definitionId: id }));
}

/** The slug itself, or with the first number nobody has. */
async function freeSlug(db: Database, workspaceId: string, slug: string): Promise<string> {
  const rows = await scoped(db, workspaceId)
    .select('definitions')
    .select('slug')
    .where('kind', '=', 'workflow')
    .where('slug', 'like', `${slug}%`)
    .where('deleted_at', 'is', null)
    .execute();
  const taken = new Set(rows.map((row) => row.slug));
  let [free, number] = [slug, 1];
  while (taken.has(free)) free = `${slug.slice(0, 70)}-${(number += 1)}`;
  return free;
}

const UNIQUE_VIOLATION = '23505';

const takenSlug =
  (slug: string | undefined) =>
  (error: unknown): never => {
    const { code } = error as { readonly code?: unknown };
    if (code !== UNIQUE_VIOLATION || slug === undefined) throw error;
    throw slugTaken(slug);
  };

const slugTaken = (slug: string) => conflict(`slug: a workflow with the slug "${slug}" exists; choose another slug.`);

async function changeWorkflow(
  deps: DraftDeps,
  actor: Actor,
  { key, change }: { readonly key: string; readonly change: WorkflowChange },
): Promise<WorkflowView> {
  const { workspaceId } = actor;
  const row = await findWorkflow(deps.db, workspaceId, key);
  const { slug } = change.metadata;
  if (slug !== undefined && slug !== row.slug && (await freeSlug(deps.db, workspaceId, slug)) !== slug)
    throw slugTaken(slug);
  const hasGraph = Object.values(change.graph).some((value) => value !== undefined);
  if (hasGraph) {
    const document = documentWith(row.document, change.graph);
    await writeDraft(deps, actor, { row, document, expected: change.expected });
  }
  await writeMetadata(deps.db, { workspaceId, id: row.id }, change.metadata).catch(takenSlug(slug));
  return present(await findDefinition(deps.db, { workspaceId, definitionId: row.id }));
}

/** What the change does not name stays; null takes a key away. */
function documentWith(document: Json, change: GraphChange): Json {
  const named = Object.entries(change).filter(([, value]) => value !== undefined);
  const merged = { ...(document as JsonObject), ...(Object.fromEntries(named) as JsonObject) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}
