import { z } from 'zod';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { route, type Route } from '../http/route.js';
import { Empty, Page, pageOf, QueryFlag, Time } from '../http/schemas.js';
import { noWorkspace } from '../services/acting-workspace.js';
import { AgentChange, AgentReplacement, NewAgent } from '../services/agent-input.js';

const reads = { tag: 'agents', auth: 'tenant' } as const;
const writes = { ...reads, scope: 'agents:write', can: 'workflow.write', audit: { entity: 'agent' } } as const;
const all = '/api/v1/agents' as const;
const one = '/api/v1/agents/:agent_name' as const;

const State = z.enum(['active', 'inactive', 'error']).meta({ description: 'error: it names a tool that is gone' });

const item = {
  id: z.string(),
  name: z.string(),
  display_name: z.string(),
  description: z.string(),
  is_active: z.boolean(),
  status: State,
  created_at: Time,
  updated_at: Time,
};
const AgentItem = z.object(item).meta({ id: 'AgentSummary' });

const Agent = z
  .object({
    ...item,
    config: NamedAgentConfig,
    effective: NamedAgentConfig.optional().meta({
      description: "The configuration with the organisation's defaults filled in, where it has any",
    }),
  })
  .meta({ id: 'Agent' });

const AgentStatus = z
  .object({ name: z.string(), status: State, last_used: Time.nullable(), total_conversations: z.number().int() })
  .meta({ id: 'AgentStatus' });

const unknown = { 404: 'no agent of the workspace has the name' };

/** The list is of two surfaces: whoever may read conversations sees it too. */
export const agentRoutes: readonly Route[] = [
  route({
    ...reads,
    id: 'namedAgents.list',
    method: 'GET',
    path: all,
    summary: 'List the agents of the workspace by name',
    scope: ['agents:read', 'conversations:read'],
    query: Page.extend({ is_active: QueryFlag, search: z.string().min(1).max(200).optional() }),
    reply: pageOf(AgentItem),
    errors: noWorkspace,
    handle: async ({ actor, query }, { namedAgents }) => {
      const { limit, offset } = query;
      return { ...(await namedAgents.list(actor, query)), limit, offset };
    },
  }),
  route({
    ...writes,
    id: 'namedAgents.create',
    method: 'POST',
    path: all,
    summary: 'Create an agent',
    idempotent: true,
    body: NewAgent,
    status: 201,
    reply: Agent,
    errors: { ...noWorkspace, 409: 'an agent has the name' },
    handle: ({ actor, body, seed }, { namedAgents }) => namedAgents.create(actor, body, seed),
  }),
  route({
    ...reads,
    id: 'namedAgents.get',
    method: 'GET',
    path: one,
    summary: 'Read an agent with its configuration',
    scope: 'agents:read',
    reply: Agent,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params }, { namedAgents }) => namedAgents.get(actor, params.agent_name),
  }),
  route({
    ...writes,
    id: 'namedAgents.change',
    method: 'PATCH',
    path: one,
    summary:
      'Change what is named; the configuration is merged deeply, null takes away. Runs under way keep the old one',
    body: AgentChange,
    reply: Agent,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params, body }, { namedAgents }) => namedAgents.change(actor, params.agent_name, body),
  }),
  route({
    ...writes,
    id: 'namedAgents.replace',
    method: 'PUT',
    path: one,
    summary: 'Replace an agent; its name stays',
    body: AgentReplacement,
    reply: Agent,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params, body }, { namedAgents }) => namedAgents.replace(actor, params.agent_name, body),
  }),
  route({
    ...writes,
    id: 'namedAgents.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete an agent that no active workflow names',
    status: 204,
    reply: Empty,
    errors: { ...noWorkspace, ...unknown, 409: 'active workflows name it; `workflows` has their slugs' },
    handle: async ({ actor, params }, { namedAgents }) => {
      await namedAgents.remove(actor, params.agent_name);
      return undefined;
    },
  }),
  route({
    ...reads,
    id: 'namedAgents.status',
    method: 'GET',
    path: `${one}/status`,
    summary: 'Whether an agent can work, when it last did, and in how many conversations',
    scope: ['agents:read', 'conversations:read'],
    reply: AgentStatus,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params }, { namedAgents }) => namedAgents.status(actor, params.agent_name),
  }),
];
