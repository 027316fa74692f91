import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Empty, JsonValue, Page, pageOf, Time } from '../http/schemas.js';
import { NewTool, ToolChange } from '../services/workspace-tool-input.js';

const tool = { tag: 'tools', auth: 'member' } as const;
const one = '/v1/workspace-tools/:tool_id' as const;

const Tool = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    method: z.string(),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    body: JsonValue,
    parameters: JsonValue,
    outputs: z.record(z.string(), z.string()),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'WorkspaceTool' });

const taken = { 409: 'A tool of that name exists' };

export const workspaceToolRoutes: readonly Route[] = [
  route({
    ...tool,
    id: 'tools.list',
    method: 'GET',
    path: '/v1/workspace-tools',
    summary: 'List the HTTP tools of the workspace; secrets stand in them by name',
    can: 'tool.read',
    query: Page,
    reply: pageOf(Tool),
    handle: async ({ actor, query }, { tools }) => ({ ...(await tools.list(actor.workspaceId, query)), ...query }),
  }),
  route({
    ...tool,
    id: 'tools.create',
    method: 'POST',
    path: '/v1/workspace-tools',
    summary: 'Add an HTTP tool that nodes and agents call by name',
    can: 'tool.write',
    idempotent: true,
    audit: { entity: 'workspace_tool' },
    body: NewTool,
    status: 201,
    reply: Tool,
    errors: taken,
    handle: ({ actor, body, seed }, { tools }) => tools.create({ workspaceId: actor.workspaceId, seed, input: body }),
  }),
  route({
    ...tool,
    id: 'tools.get',
    method: 'GET',
    path: one,
    summary: 'Read a tool',
    can: 'tool.read',
    reply: Tool,
    handle: ({ actor, params }, { tools }) => tools.get({ workspaceId: actor.workspaceId, toolId: params.tool_id }),
  }),
  route({
    ...tool,
    id: 'tools.change',
    method: 'PATCH',
    path: one,
    summary: 'Change what is named of a tool',
    can: 'tool.write',
    audit: { entity: 'workspace_tool' },
    body: ToolChange,
    reply: Tool,
    errors: taken,
    handle: ({ actor, params, body }, { tools }) =>
      tools.change({ workspaceId: actor.workspaceId, toolId: params.tool_id }, body),
  }),
  route({
    ...tool,
    id: 'tools.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete a tool; runs that come to a node with it then fail there',
    can: 'tool.write',
    audit: { entity: 'workspace_tool' },
    status: 204,
    reply: Empty,
    handle: async ({ actor, params }, { tools }) => {
      await tools.remove({ workspaceId: actor.workspaceId, toolId: params.tool_id });
      return undefined;
    },
  }),
];
