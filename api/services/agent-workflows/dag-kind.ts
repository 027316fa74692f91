import { z } from 'zod';
import { DagDocument } from '../../../workflows/definition/agents/dag-document.js';
import type { Json } from '../../../workflows/definition/values.js';
import { validate } from '../../http/validate.js';
import type { JsonObject, ShownWorkflow, WorkflowDescriptor, WorkflowKindRules, WorkflowSummary } from './kinds.js';

/** Workflows of agents, as the workflows resource has them: their document is `config`. */

/** Names the document gets from the body. */
export const workflowNames = {
  slug: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,79}$/, 'use lower-case letters, digits, hyphens and underscores, 80 at most')
    .optional()
    .meta({ description: 'Unique in the workspace, for good; made from the name without it' }),
  name: z.string().trim().min(1).max(200),
  description: z.string().max(5_000).nullish(),
};

export const DagWorkflowBody = z
  .strictObject({ ...workflowNames, config: DagDocument })
  .meta({ id: 'AgentDagWorkflowBody' });

/** What replies show beside it, and nobody sets. */
const shownOnly = ['key', 'display_name', 'default', 'allow_handoff_agents', 'stages', 'output_schema'];

export const isObject = (json: Json | undefined): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

export const dagWorkflowKind: WorkflowKindRules = {
  isFor: ({ config }) => isObject(config) && ['nodes', 'connections'].some((key) => key in config),
  read: (body) => {
    const own = Object.fromEntries(Object.entries(body).filter(([key]) => !shownOnly.includes(key)));
    // -- reason: that schema gives this
    const read = validate(DagWorkflowBody, own, { place: 'body', status: 422 }) as z.output<typeof DagWorkflowBody>;
    const { slug, name, description, config } = read;
    // -- reason: a document that was read from JSON is JSON
    return { slug, name, description: description ?? '', document: JSON.parse(JSON.stringify(config)) as Json };
  },
  bodyOf: (document) => ({ config: document }),
  place: 'config',
  summary,
  descriptor,
};

// -- reason: the dialect parsed it before it was written
const dagOf = ({ document }: ShownWorkflow): DagDocument => document as unknown as DagDocument;

function summary(workflow: ShownWorkflow): WorkflowSummary {
  const { slug, name, description } = workflow;
  return { key: slug, display_name: name, description, step_count: dagOf(workflow).nodes.length, default: false };
}

/** A step for each node, in the order in which they were drawn. */
function descriptor(workflow: ShownWorkflow): WorkflowDescriptor {
  const steps = dagOf(workflow).nodes.map(({ id, agent_name: agent, skip_condition: skip }) => ({
    ...{ name: id, agent_key: agent, guard: skip ? `!(${skip})` : null, guard_type: 'function' as const },
    ...{ input_mapper: null, input_mapper_type: 'function' as const, max_turns: null, output_schema: null },
  }));
  return {
    ...summary(workflow),
    allow_handoff_agents: true,
    stages: steps.length === 0 ? [] : [{ name: 'agents', mode: 'sequential', reducer: null, steps }],
    output_schema: null,
  };
}
