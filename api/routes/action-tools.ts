import { z } from 'zod';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { route, type Route } from '../http/route.js';
import { Empty, Page, pageOf, Time } from '../http/schemas.js';
import { noWorkspace } from '../services/acting-workspace.js';
import { ActionToolChange, ActionToolReplacement, NewActionTool } from '../services/action-tool-input.js';

const reads = { tag: 'action-tools', auth: 'tenant', scope: 'tools:read' } as const;
const writes = {
  ...reads,
  scope: 'tools:write',
  can: 'tool.write',
  audit: { entity: 'action_tool' },
} as const;
const all = '/api/v1/tools' as const;
const one = '/api/v1/tools/:tool_name' as const;

const item = {
  id: z.string(),
  name: z.string(),
  description: z.string(),
  config: ActionToolConfig,
  category: z.string().meta({ description: 'By the weightiest of its actions' }),
  created_at: Time,
  updated_at: Time,
};
const ToolItem = z.object(item).meta({ id: 'ActionToolItem' });
/** The lists of the configuration stand beside it too, where older clients look for them. */
const Tool = z.object({ ...item, ...ActionToolConfig.shape }).meta({ id: 'ActionTool' });

const unknown = { 404: 'no tool of the workspace has the name' };

export const actionToolRoutes: readonly Route[] = [
  route({
    ...reads,
    id: 'actionTools.list',
    method: 'GET',
    path: all,
    summary: 'List the tools that agents call, by name, with the names and categories of all',
    query: Page.extend({ search: z.string().min(1).max(200).optional() }),
    reply: pageOf(ToolItem).extend({
      total_tools: z.number().int(),
      tool_names: z.array(z.string()),
      categories: z.record(z.string(), z.array(z.string())),
    }),
    errors: noWorkspace,
    handle: async ({ actor, query }, { actionTools }) => {
      const { limit, offset } = query;
      return { ...(await actionTools.list(actor, query)), limit, offset };
    },
  }),
  route({
    ...writes,
    id: 'actionTools.create',
    method: 'POST',
    path: all,
    summary: 'Create a tool: a list of actions, carried out in order when a model calls it',
    idempotent: true,
    body: NewActionTool,
    status: 201,
    reply: Tool,
    errors: { ...noWorkspace, 409: 'a tool has the name' },
    handle: ({ actor, body, seed }, { actionTools }) => actionTools.create(actor, body, seed),
  }),
  route({
    ...reads,
    id: 'actionTools.get',
    method: 'GET',
    path: one,
    summary: 'Read a tool with its configuration',
    reply: Tool,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params }, { actionTools }) => actionTools.get(actor, params.tool_name),
  }),
  route({
    ...writes,
    id: 'actionTools.change',
    method: 'PATCH',
    path: one,
    summary: 'Change what is named; a list is replaced as a whole. Runs under way keep the old one',
    body: ActionToolChange,
    reply: Tool,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params, body }, { actionTools }) => actionTools.change(actor, params.tool_name, body),
  }),
  route({
    ...writes,
    id: 'actionTools.replace',
    method: 'PUT',
    path: one,
    summary: 'Replace a tool; its name stays',
    body: ActionToolReplacement,
    reply: Tool,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params, body }, { actionTools }) => actionTools.replace(actor, params.tool_name, body),
  }),
  route({
    ...writes,
    id: 'actionTools.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete a tool that no agent names',
    status: 204,
    reply: Empty,
    errors: { ...noWorkspace, ...unknown, 409: 'agents name it; `agents` has their names' },
    handle: async ({ actor, params }, { actionTools }) => {
      await actionTools.remove(actor, params.tool_name);
      return undefined;
    },
  }),
];
