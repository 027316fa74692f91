import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Page, pageOf, Time } from '../http/schemas.js';
import { SecretName, SecretValue } from '../services/secrets.js';
import { workspaceSettings } from '../services/workspace-settings.js';

const { initial_memories: _kept, ...shownSettings } = workspaceSettings;

const Name = z.string().trim().min(1, 'must not be empty').max(100);
const ParentId = z.string().min(1).max(64).nullable();
const Concurrency = z.number().int().min(1).max(1_000);

const Workspace = z
  .object({
    ...shownSettings,
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    parent_id: z.string().nullable(),
    status: z.literal('ready'),
    awareness_namespace: z.string(),
    max_concurrent_tasks: z.number().int(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'Workspace' });

const ListedWorkspace = Workspace.extend({
  member_role: z.enum(['owner', 'admin', 'developer', 'editor', 'viewer']).nullable(),
}).meta({ id: 'ListedWorkspace' });

const CreatedWorkspace = z
  .object({
    id: z.string(),
    status: z.literal('provisioning'),
    awareness_namespace: z.string(),
    workspace_access: z.string(),
    name: z.string(),
    slug: z.string(),
    parent_id: z.string().nullable(),
  })
  .meta({ id: 'CreatedWorkspace' });

const WorkspaceTree = z
  .object({
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    parent_id: z.string().nullable(),
    get children() {
      return z.array(WorkspaceTree);
    },
  })
  .meta({ id: 'WorkspaceTree' });

const tag = 'workspaces';

export const workspaceRoutes: readonly Route[] = [
  route({
    id: 'workspaces.list',
    method: 'GET',
    path: '/workspaces',
    summary: 'The workspaces the caller can reach',
    tag,
    auth: 'user',
    query: Page,
    reply: pageOf(ListedWorkspace),
    handle: ({ actor, query }, { workspaces }) => workspaces.list(actor, query),
  }),
  route({
    id: 'workspaces.create',
    method: 'POST',
    path: '/workspaces',
    summary: 'Create a workspace; the user who does becomes its owner',
    tag,
    auth: 'user',
    idempotent: true,
    audit: false,
    body: z.object({
      ...workspaceSettings,
      name: Name,
      parent_id: ParentId.optional(),
      max_concurrent_tasks: Concurrency.optional(),
      secrets: z.record(SecretName, SecretValue).optional(),
    }),
    reply: CreatedWorkspace,
    status: 201,
    errors: { 403: 'the parent may not be changed', 404: 'no such parent' },
    handle: async ({ actor, body, seed, requestId }, { workspaces, audit }) => {
      const created = await workspaces.create(actor, body, seed);
      // by itself, so that the new workspace's own log begins with it
      await audit.record({
        workspaceId: created.id,
        actorType: actor.type,
        actorId: actor.id,
        action: 'workspaces.create',
        entityType: 'workspace',
        entityId: created.id,
        after: { ...created },
        requestId,
      });
      return created;
    },
  }),
  route({
    id: 'workspaces.get',
    method: 'GET',
    path: '/workspaces/:id',
    summary: 'One workspace',
    tag,
    auth: 'workspace',
    can: 'workspace.read',
    reply: Workspace,
    errors: { 404: 'no such workspace' },
    handle: ({ params }, { workspaces }) => workspaces.get(params.id),
  }),
  route({
    id: 'workspaces.tree',
    method: 'GET',
    path: '/workspaces/:id/tree',
    summary: 'The workspace with all below it, 64 levels deep',
    tag,
    auth: 'workspace',
    can: 'workspace.read',
    reply: WorkspaceTree,
    errors: { 404: 'no such workspace' },
    handle: ({ params }, { workspaces }) => workspaces.tree(params.id),
  }),
  route({
    id: 'workspaces.update',
    method: 'PATCH',
    path: '/workspaces/:id',
    summary: 'Change a workspace; only what is named changes',
    tag,
    auth: 'workspace',
    can: 'workspace.write',
    audit: { entity: 'workspace' },
    body: z.object({
      ...shownSettings,
      name: Name.optional(),
      parent_id: ParentId.optional(),
      max_concurrent_tasks: Concurrency.optional(),
    }),
    reply: Workspace,
    errors: { 404: 'no such workspace or parent' },
    handle: ({ actor, params, body }, { workspaces }) => workspaces.update(actor, params.id, body),
  }),
  route({
    id: 'workspaces.delete',
    method: 'DELETE',
    path: '/workspaces/:id',
    summary: 'Delete a workspace with its tokens and schedules',
    tag,
    auth: 'workspace',
    can: 'workspace.write',
    audit: { entity: 'workspace' },
    reply: z.object({ status: z.literal('removed'), id: z.string() }),
    errors: { 404: 'no such workspace', 409: 'it has children or open runs' },
    handle: ({ params }, { workspaces }) => workspaces.remove(params.id),
  }),
];
