import type { Database } from '../../../db/client.js';
import { scoped } from '../../../db/scoped.js';
import type { Actor } from '../../actor.js';
import { actingWorkspace } from '../acting-workspace.js';
import type { UrlRulesOf } from '../egress-lists.js';
import { rulesOf, type JsonObject, type WorkflowDescriptor, type WorkflowSummary } from './kinds.js';
import { ACTIVE, findWorkflow, pageOfWorkflows, type WorkflowQuery, type WorkflowRow } from './rows.js';
import { createWorkflow, writeWorkflow } from './writes.js';

/** A workflow as lists show it: the fields of both surfaces. */
export interface AgentWorkflowItem extends WorkflowSummary {
  readonly id: string;
  readonly kind: string;
  readonly slug: string;
  readonly name: string;
  readonly is_active: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface AgentWorkflowView extends AgentWorkflowItem, WorkflowDescriptor {
  /** Of the live version; null before it was ever published. */
  readonly version: number | null;
  /** The document. */
  readonly config: JsonObject;
}

/** Workflows of agents and staged workflows, by slug. Whatever is saved is published. */
export interface AgentWorkflowService {
  readonly list: (
    actor: Actor,
    query: WorkflowQuery,
  ) => Promise<{ readonly items: readonly AgentWorkflowItem[]; readonly total: number }>;
  readonly get: (actor: Actor, slug: string) => Promise<AgentWorkflowView>;
  readonly create: (actor: Actor, body: JsonObject, seed: string) => Promise<AgentWorkflowView>;
  /** Parts of the configuration that are named take the place of what is there. */
  readonly change: (actor: Actor, slug: string, body: JsonObject) => Promise<AgentWorkflowView>;
  readonly replace: (actor: Actor, slug: string, body: JsonObject) => Promise<AgentWorkflowView>;
  /** Its open runs finish. */
  readonly remove: (actor: Actor, slug: string) => Promise<void>;
}

export interface AgentWorkflowDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
  /** Gives a workspace what new ones begin with. */
  readonly starters: { readonly ensure: (workspaceId: string) => Promise<void> };
}

export function createAgentWorkflowService(deps: AgentWorkflowDeps): AgentWorkflowService {
  const { db, starters } = deps;
  const enter = async (actor: Actor): Promise<string> => {
    const workspaceId = actingWorkspace(actor);
    await starters.ensure(workspaceId);
    return workspaceId;
  };
  const write = async (
    actor: Actor,
    { slug, body, mode }: { readonly slug: string; readonly body: JsonObject; readonly mode: 'change' | 'replace' },
  ): Promise<AgentWorkflowView> => {
    const workspaceId = await enter(actor);
    await writeWorkflow(deps, { workspaceId, slug, body, mode, by: actor.id });
    return present(await findWorkflow(db, workspaceId, slug));
  };
  return {
    list: async (actor, query) => {
      const { items, total } = await pageOfWorkflows(db, await enter(actor), query);
      return { items: items.map(presentItem), total };
    },
    get: async (actor, slug) => present(await findWorkflow(db, await enter(actor), slug)),
    create: async (actor, body, seed) =>
      present(await createWorkflow(deps, { workspaceId: await enter(actor), body, seed, by: actor.id })),
    change: (actor, slug, body) => write(actor, { slug, body, mode: 'change' }),
    replace: (actor, slug, body) => write(actor, { slug, body, mode: 'replace' }),
    remove: async (actor, slug) => {
      const workspaceId = await enter(actor);
      const { id } = await findWorkflow(db, workspaceId, slug);
      await scoped(db, workspaceId).update('definitions', id).set({ deleted_at: new Date() }).execute();
    },
  };
}

const shared = ({ id, kind, slug, name, status, created_at, updated_at }: WorkflowRow) => ({
  ...{ id, kind, slug, name, created_at, updated_at },
  is_active: status === ACTIVE,
});

const presentItem = (row: WorkflowRow): AgentWorkflowItem => ({ ...rulesOf(row.kind).summary(row), ...shared(row) });

const present = (row: WorkflowRow): AgentWorkflowView => ({
  ...rulesOf(row.kind).descriptor(row),
  ...shared(row),
  version: row.version,
  // -- reason: documents of every kind are objects
  config: row.document as JsonObject,
});
