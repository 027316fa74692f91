import { z } from 'zod';
import type { Json } from '../../workflows/definition/values.js';
import { route, type Route } from '../http/route.js';
import { Empty, JsonValue, Page, pageOf, QueryFlag, Time } from '../http/schemas.js';
import { noWorkspace } from '../services/acting-workspace.js';

const reads = { tag: 'agent workflows', auth: 'tenant', scope: ['workflows:read', 'conversations:read'] } as const;
const writes = {
  tag: 'agent workflows',
  auth: 'tenant',
  scope: 'workflows:write',
  can: 'workflow.write',
  audit: { entity: 'agent_workflow' },
} as const;
const all = '/api/v1/workflows' as const;
const one = '/api/v1/workflows/:workflow_key' as const;

const JsonObject = z.record(z.string(), JsonValue);

const item = {
  id: z.string(),
  kind: z.string().meta({ description: 'agent_dag: agents of a call; staged: stages of steps' }),
  slug: z.string(),
  name: z.string(),
  description: z.string(),
  is_active: z.boolean(),
  created_at: Time,
  updated_at: Time,
  key: z.string().meta({ description: 'The slug' }),
  display_name: z.string(),
  step_count: z.number().int(),
  default: z.boolean(),
};
const WorkflowItem = z.object(item).meta({ id: 'AgentWorkflowSummary' });

const Step = z
  .object({
    name: z.string(),
    agent_key: z.string(),
    guard: z.string().nullable(),
    guard_type: z.string(),
    input_mapper: z.string().nullable(),
    input_mapper_type: z.string(),
    max_turns: z.number().int().nullable(),
    output_schema: JsonObject.nullable(),
  })
  .meta({ id: 'WorkflowStepDescriptor' });

const Stage = z
  .object({
    name: z.string(),
    mode: z.enum(['sequential', 'parallel']),
    reducer: z.string().nullable(),
    steps: z.array(Step),
  })
  .meta({ id: 'WorkflowStageDescriptor' });

const Workflow = z
  .object({
    ...item,
    version: z.number().int().nullable().meta({ description: 'Of the live version' }),
    allow_handoff_agents: z.boolean(),
    stages: z.array(Stage),
    output_schema: JsonObject.nullable(),
    config: JsonObject.meta({
      description: 'The document: of an agent_dag `nodes`, `connections` and `shared_context`',
    }),
  })
  .meta({ id: 'AgentWorkflow' });

const example = {
  name: 'Front desk',
  config: {
    nodes: [{ id: 'hello', agent_name: 'front_desk', is_entry: true, is_exit: true }],
    connections: [],
    shared_context: [],
  },
};

/** Each kind reads its own body, so that all that is wrong with it is told at once. */
const WorkflowBody = JsonObject.meta({
  id: 'AgentWorkflowBody',
  description:
    'slug, name, description, is_active, and `config` with nodes[] {id, agent_name, is_entry, is_exit, skip_condition, position}, connections[] {source_id, target_id, context_passed} and shared_context[]; or `stages` or `steps` of a staged workflow',
  example,
});
const WorkflowChange = JsonObject.meta({
  id: 'AgentWorkflowChange',
  description: 'What is named takes the place of what is there, in `config` part by part',
  example: { description: 'Answers the phone' },
});

// -- reason: the schema lets any JSON object pass
const asJson = (body: unknown): Readonly<Record<string, Json>> => body as Readonly<Record<string, Json>>;

const unknown = { 404: 'no workflow of the workspace has the slug' };
const changed = { ...noWorkspace, ...unknown, 409: 'somebody else changed it meanwhile' };

/** One resource of two surfaces. */
export const agentWorkflowRoutes: readonly Route[] = [
  route({
    ...reads,
    id: 'agentWorkflows.list',
    method: 'GET',
    path: all,
    summary: 'List the workflows of agents and the staged workflows, the newest first',
    query: Page.extend({ is_active: QueryFlag, search: z.string().min(1).max(200).optional() }),
    reply: pageOf(WorkflowItem),
    errors: noWorkspace,
    handle: async ({ actor, query }, { agentWorkflows }) => {
      const { limit, offset } = query;
      return { ...(await agentWorkflows.list(actor, query)), limit, offset };
    },
  }),
  route({
    ...writes,
    id: 'agentWorkflows.create',
    method: 'POST',
    path: all,
    summary: 'Create a workflow and publish it; each thing that is wrong with it is one detail',
    idempotent: true,
    body: WorkflowBody,
    status: 201,
    reply: Workflow,
    errors: { ...noWorkspace, 409: 'the slug is taken' },
    handle: ({ actor, body, seed }, { agentWorkflows }) => agentWorkflows.create(actor, asJson(body), seed),
  }),
  route({
    ...reads,
    id: 'agentWorkflows.get',
    method: 'GET',
    path: one,
    summary: 'Read a workflow: its stages and steps, and the document',
    reply: Workflow,
    errors: { ...noWorkspace, ...unknown },
    handle: ({ actor, params }, { agentWorkflows }) => agentWorkflows.get(actor, params.workflow_key),
  }),
  route({
    ...writes,
    id: 'agentWorkflows.change',
    method: 'PATCH',
    path: one,
    summary: 'Change what is named and publish it; calls and runs under way keep the version they began with',
    body: WorkflowChange,
    reply: Workflow,
    errors: changed,
    handle: ({ actor, params, body }, { agentWorkflows }) =>
      agentWorkflows.change(actor, params.workflow_key, asJson(body)),
  }),
  route({
    ...writes,
    id: 'agentWorkflows.replace',
    method: 'PUT',
    path: one,
    summary: 'Replace a workflow and publish it; its slug stays',
    body: WorkflowBody,
    reply: Workflow,
    errors: changed,
    handle: ({ actor, params, body }, { agentWorkflows }) =>
      agentWorkflows.replace(actor, params.workflow_key, asJson(body)),
  }),
  route({
    ...writes,
    id: 'agentWorkflows.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete a workflow; its open calls and runs finish',
    status: 204,
    reply: Empty,
    errors: { ...noWorkspace, ...unknown },
    handle: async ({ actor, params }, { agentWorkflows }) => {
      await agentWorkflows.remove(actor, params.workflow_key);
      return undefined;
    },
  }),
];
