import type { Database } from '../../db/client.js';
import type { Vault } from '../../db/vault/vault.js';
import { insertMembership, insertTenant, PLATFORM_TENANT } from '../../db/identity.js';
import { derivedId } from '../../db/ids.js';
import { insertSealed, sealSecret } from '../../db/secrets.js';
import { unscoped } from '../../db/scope.js';
import type { Role } from '../../db/tables.js';
import {
  countUse,
  deleteWorkspace,
  findRoles,
  findWorkspace,
  insertWorkspace,
  isWithin,
  listSubtree,
  listWorkspaces,
  lockTree,
  updateWorkspace,
  type ListedFor,
  type WorkspaceRow,
} from '../../db/workspaces.js';
import { ApiError, conflict, forbidden, invalid, notFound } from '../http/errors.js';
import type { Actor } from '../actor.js';
import type { Page } from '../http/schemas.js';
import { roleCapabilities, strongestRole } from './roles.js';
import { namespaceOf, presentWorkspace, treeOf, type WorkspaceTree, type WorkspaceView } from './workspace-view.js';
import type { WorkspaceSettings } from './workspace-settings.js';

export interface NewWorkspaceInput extends WorkspaceSettings {
  readonly name: string;
  readonly parent_id?: string | null | undefined;
  readonly max_concurrent_tasks?: number | undefined;
  readonly secrets?: Readonly<Record<string, string>> | undefined;
}

export interface WorkspacePatch extends WorkspaceSettings {
  readonly name?: string | undefined;
  readonly parent_id?: string | null | undefined;
  readonly max_concurrent_tasks?: number | undefined;
}

export interface CreatedWorkspace {
  readonly id: string;
  readonly status: 'provisioning';
  readonly awareness_namespace: string;
  readonly workspace_access: string;
  readonly name: string;
  readonly slug: string;
  readonly parent_id: string | null;
}

export interface WorkspacePage {
  readonly items: (WorkspaceView & { readonly member_role: Role | null })[];
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
}

export interface WorkspaceService {
  /** A user's own and all below, a token's own, for ADMIN_TOKEN all. */
  readonly list: (actor: Actor, page: Page) => Promise<WorkspacePage>;
  /** The same `seed` makes the same workspace once. */
  readonly create: (actor: Actor, input: NewWorkspaceInput, seed: string) => Promise<CreatedWorkspace>;
  readonly get: (id: string) => Promise<WorkspaceView>;
  /** The workspace with all below it. */
  readonly tree: (id: string) => Promise<WorkspaceTree>;
  readonly update: (actor: Actor, id: string, patch: WorkspacePatch) => Promise<WorkspaceView>;
  readonly remove: (id: string) => Promise<{ readonly status: 'removed'; readonly id: string }>;
}

export interface WorkspaceDeps {
  readonly db: Database;
  readonly vault: Vault;
}

export function createWorkspaceService(deps: WorkspaceDeps): WorkspaceService {
  const { db } = deps;
  return {
    list: async (actor, page) => {
      const { rows, total } = await listWorkspaces(db, { who: listedFor(actor), ...page });
      const items = rows.map((row) => ({ ...presentWorkspace(row), member_role: strongestRole(row.roles) ?? null }));
      return { items, total, ...page };
    },
    create: (actor, input, seed) => create(deps, actor, { ...input, id: derivedId('ws', seed) }),
    get: async (id) => presentWorkspace(await existing(db, id)),
    tree: async (id) => {
      const tree = treeOf(await listSubtree(db, id), id);
      if (tree === undefined) throw notFound('workspace', id);
      return tree;
    },
    // a move looks at both sides, and a parent of another organisation is refused by name
    update: (actor, id, patch) => unscoped(() => update(db, actor, { ...patch, id })),
    remove: (id) => remove(db, id),
  };
}

function listedFor(actor: Actor): ListedFor {
  if (actor.type === 'admin') return 'everybody';
  if (actor.type === 'org_token') return { tenantId: actor.tenantId };
  return actor.type === 'user' ? { userId: actor.id } : { workspaceId: actor.workspaceId };
}

async function existing(db: Database, id: string): Promise<WorkspaceRow> {
  const row = await findWorkspace(db, id);
  if (row === undefined) throw notFound('workspace', id);
  return row;
}

async function create(
  { db, vault }: WorkspaceDeps,
  actor: Actor,
  input: NewWorkspaceInput & { readonly id: string },
): Promise<CreatedWorkspace> {
  const { id, name, parent_id, max_concurrent_tasks: maxConcurrentTasks, secrets = {}, ...settings } = input;
  const isBound = actor.type === 'workspace_token' || actor.type === 'api_key';
  const parentId = parent_id ?? (isBound ? actor.workspaceId : null);
  const sealed = await Promise.all(
    Object.entries(secrets).map(([key, value]) => sealSecret(vault, { workspaceId: id, name: key, value })),
  );
  return db.transaction().execute(async (trx) => {
    const tenantId = await tenantFor(trx, actor, parentId);
    const size = maxConcurrentTasks === undefined ? {} : { maxConcurrentTasks };
    const row = await insertWorkspace(trx, { id, tenantId, parentId, name, settings: stored(settings), ...size });
    if (actor.type === 'user') await insertMembership(trx, { userId: actor.id, workspaceId: id, role: 'owner' });
    for (const secret of sealed) await insertSealed(trx, secret);
    return {
      id,
      status: 'provisioning',
      awareness_namespace: namespaceOf(id),
      workspace_access: input.workspace_access ?? 'none',
      name: row.name,
      slug: row.slug,
      parent_id: row.parent_id,
    };
  });
}

/** The tenant of the new workspace: its parent's, if the actor may write there, else the actor's own. */
async function tenantFor(trx: Database, actor: Actor, parentId: string | null): Promise<string> {
  if (parentId !== null) {
    const parent = await writableParent(trx, actor, parentId);
    await lockTree(trx, parent.tenant_id);
    return (await existing(trx, parentId)).tenant_id;
  }
  if (actor.type === 'user') return ownTenant(actor);
  if (actor.type === 'org_token') return actor.tenantId;
  await insertTenant(trx, { id: PLATFORM_TENANT, name: 'Platform', slug: 'platform' });
  return PLATFORM_TENANT;
}

/** A guest, or who was put out, founds nothing in the organisation. */
function ownTenant({ tenantId, role }: Actor): string {
  if (role !== null && roleCapabilities[role].has('workspace.write')) return tenantId;
  throw forbidden(
    'parent_id: a workspace of its own needs the role "admin" in the organisation; name one to make it below.',
  );
}

/** A parent the actor has no role in is not there for them. */
async function writableParent(db: Database, actor: Actor, parentId: string): Promise<WorkspaceRow> {
  if (actor.type === 'workspace_token' && actor.workspaceId !== parentId) throw notFound('workspace', parentId);
  if (actor.type === 'api_key') throw forbidden('An API key makes no workspaces: use a workspace token or sign in.');
  if (actor.type === 'user') await requireWrite(db, actor, parentId);
  const parent = await existing(db, parentId);
  if (actor.type === 'org_token' && parent.tenant_id !== actor.tenantId) throw notFound('workspace', parentId);
  return parent;
}

async function requireWrite(db: Database, actor: Actor, workspaceId: string): Promise<Role> {
  const role = strongestRole(await findRoles(db, { userId: actor.id, workspaceId }));
  if (role === undefined) throw notFound('workspace', workspaceId);
  if (roleCapabilities[role].has('workspace.write')) return role;
  throw forbidden(`Your role in workspace "${workspaceId}" is ${role}; changing its children needs admin.`);
}

/** Settings not given are left out, so that a patch leaves them as they are. */
const stored = (settings: WorkspaceSettings): Record<string, never> =>
  JSON.parse(JSON.stringify(settings)) as Record<string, never>; // -- reason: JSON text of a checked object is Json

async function update(
  db: Database,
  actor: Actor,
  { id, name, parent_id: parentId, max_concurrent_tasks, ...settings }: WorkspacePatch & { readonly id: string },
): Promise<WorkspaceView> {
  return db.transaction().execute(async (trx) => {
    if (parentId !== undefined) await move(trx, actor, { id, parentId });
    const row = await updateWorkspace(trx, id, {
      settings: stored(settings),
      ...(name === undefined ? {} : { name }),
      ...(parentId === undefined ? {} : { parentId }),
      ...(max_concurrent_tasks === undefined ? {} : { maxConcurrentTasks: max_concurrent_tasks }),
    });
    if (row === undefined) throw notFound('workspace', id);
    return presentWorkspace(row);
  });
}

/**
 * Needs the right to write on both sides: leaving a parent takes its owners' access away. The user who moves it keeps the role
 * they had, so that no workspace is left with nobody in it.
 */
async function move(
  trx: Database,
  actor: Actor,
  { id, parentId }: { readonly id: string; readonly parentId: string | null },
): Promise<void> {
  await lockTree(trx, (await existing(trx, id)).tenant_id);
  const { tenant_id: tenantId, parent_id: from } = await existing(trx, id);
  if (parentId === from) return;
  const wrong = (message: string): ApiError => invalid([{ field: 'parent_id', message }]);
  if (parentId !== null && (await isWithin(trx, { workspaceId: parentId, ancestorId: id }))) {
    throw wrong('a workspace cannot stand below itself; name one outside its own subtree');
  }
  if (actor.type === 'user') await keepRole(trx, actor, { id, from });
  if (parentId === null) return;
  const parent = await writableParent(trx, actor, parentId);
  if (parent.tenant_id !== tenantId)
    throw wrong('is of another organisation; a workspace stays in the one it was made in');
}

async function keepRole(
  trx: Database,
  actor: Actor,
  { id, from }: { readonly id: string; readonly from: string | null },
): Promise<void> {
  if (from !== null) await requireWrite(trx, actor, from);
  const role = await requireWrite(trx, actor, id);
  await insertMembership(trx, { userId: actor.id, workspaceId: id, role });
}

function remove(db: Database, id: string): Promise<{ readonly status: 'removed'; readonly id: string }> {
  return db.transaction().execute(async (trx) => {
    await lockTree(trx, (await existing(trx, id)).tenant_id);
    await existing(trx, id);
    const { children, openRuns } = await countUse(trx, id);
    if (children > 0)
      throw conflict(`This workspace has ${children} below it: move or delete them first.`, { children });
    if (openRuns > 0) {
      throw conflict(`This workspace has ${openRuns} open runs: cancel them or let them end first.`, {
        open_runs: openRuns,
      });
    }
    await deleteWorkspace(trx, id);
    return { status: 'removed', id };
  });
}
