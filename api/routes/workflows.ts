import { z } from 'zod';
import { GraphEdge, GraphNode } from '../../workflows/definition/graph.js';
import { JsonSchema } from '../../workflows/definition/nodes/common.js';
import type { Json } from '../../workflows/definition/values.js';
import { Reply, route, type Frozen, type Route } from '../http/route.js';
import { Empty, JsonValue, Page, pageOf, Time } from '../http/schemas.js';
import type { WorkflowView } from '../services/workflows.js';
import {
  etag,
  expectedRevision,
  Folder,
  PublishBody,
  Published,
  publishRequest,
  Slug,
  ValidateBody,
  Validation,
  Version,
} from './definition-schemas.js';

const workflow = { tag: 'workflows', auth: 'member' } as const;
const all = '/v1/workflows' as const;
const one = '/v1/workflows/:workflow_id' as const;
const entity = 'workflow';

const Engine = z
  .enum(['studio', 'automation'])
  .meta({ description: 'automation opens the whole palette of node types' });
const Schema = JsonSchema.nullable().optional();

/** Nodes and edges are shown as they were written; what they lack the compiler says. */
const Graph = z
  .object({ nodes: z.array(JsonValue), edges: z.array(JsonValue) })
  .meta({ id: 'Graph', description: '`nodes` are GraphNode, `edges` GraphEdge' });

const Workflow = z
  .object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    description: z.string(),
    folder: z.string(),
    status: z.enum(['draft', 'published']),
    graph: Graph,
    engine: z.string(),
    input_schema: JsonValue,
    output_schema: JsonValue,
    draft_revision: z.number().int(),
    published_version_id: z.string().nullable(),
    version: z.number().int().nullable(),
    published_at: Time.nullable(),
    has_unpublished_changes: z.boolean(),
    open_runs: z.number().int(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'Workflow' });

const metadata = {
  name: z.string().trim().min(1).max(200),
  description: z.string().max(5_000).optional(),
  slug: Slug.optional(),
  folder: Folder.optional(),
};
const settings = { engine: Engine.optional(), input_schema: Schema, output_schema: Schema };
const graph = { nodes: z.array(GraphNode).max(2_000), edges: z.array(GraphEdge).max(10_000) };

const NewWorkflow = z.strictObject({ ...metadata, ...settings, graph: z.strictObject(graph).optional() }).meta({
  id: 'NewWorkflow',
  example: { name: 'Refund desk', description: 'Answers customers who want their money back' },
});

const WorkflowChange = z
  .strictObject({ ...metadata, ...settings })
  .partial()
  .meta({ id: 'WorkflowChange', example: { name: 'Refund desk' } });

const GraphInput = z.strictObject({ ...graph, ...settings }).meta({
  id: 'GraphInput',
  example: {
    nodes: [
      { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help the customer with a refund.' } },
      { id: 'bye', type: 'end', config: { final_message: 'Goodbye.' } },
    ],
    edges: [{ source: 'root_agent', target: 'bye', condition: { expr: 'default' } }],
  },
});

const tagged = (view: WorkflowView): Reply<Frozen<z.input<typeof Workflow>>> =>
  new Reply(view, { headers: etag(view.draft_revision) });

// -- reason: parsed JSON is JSON
const asJson = <T>(parsed: T): Json => parsed as Json;

const graphOf = (body: z.output<typeof GraphInput>) => ({
  ...body,
  nodes: body.nodes.map(asJson),
  edges: body.edges.map(asJson),
});

const documents: readonly Route[] = [
  route({
    ...workflow,
    id: 'workflows.list',
    method: 'GET',
    path: all,
    summary: 'List graph workflows, the newest first',
    can: 'workflow.read',
    query: Page,
    reply: pageOf(Workflow),
    handle: async ({ actor, query }, { workflows }) => ({
      ...(await workflows.list(actor.workspaceId, query)),
      ...query,
    }),
  }),
  route({
    ...workflow,
    id: 'workflows.create',
    method: 'POST',
    path: all,
    summary: 'Create a graph workflow; its slug is made from its name unless given',
    can: 'workflow.write',
    audit: { entity },
    idempotent: true,
    body: NewWorkflow,
    status: 201,
    reply: Workflow,
    errors: { 409: 'The slug is taken' },
    handle: async ({ actor, body: { graph: drawn, ...rest }, seed }, { workflows }) => {
      const { nodes, edges } = drawn ?? {};
      const parts = { nodes: nodes?.map(asJson), edges: edges?.map(asJson) };
      return tagged(await workflows.create(actor, seed, { ...rest, ...parts }));
    },
  }),
  route({
    ...workflow,
    id: 'workflows.get',
    method: 'GET',
    path: one,
    summary: 'Read a workflow by id or slug; the ETag is the revision of its draft',
    can: 'workflow.read',
    reply: Workflow,
    handle: async ({ actor, params }, { workflows }) =>
      tagged(await workflows.get(actor.workspaceId, params.workflow_id)),
  }),
  route({
    ...workflow,
    id: 'workflows.change',
    method: 'PATCH',
    path: one,
    summary: 'Change what is named: metadata, and the settings of the draft',
    can: 'workflow.write',
    audit: { entity },
    body: WorkflowChange,
    reply: Workflow,
    errors: { 409: 'The slug is taken, or the draft is not the one If-Match names' },
    handle: async ({ actor, params, body, headers }, { workflows }) => {
      const { engine, input_schema, output_schema, ...rest } = body;
      const change = {
        metadata: rest,
        graph: { engine, input_schema, output_schema },
        expected: expectedRevision(headers['if-match']),
      };
      return tagged(await workflows.change(actor, params.workflow_id, change));
    },
  }),
  route({
    ...workflow,
    id: 'workflows.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete a workflow; its open runs finish',
    can: 'workflow.publish',
    audit: { entity },
    status: 204,
    reply: Empty,
    handle: async ({ actor, params }, { workflows }) => {
      await workflows.remove(actor.workspaceId, params.workflow_id);
      return undefined;
    },
  }),
  route({
    ...workflow,
    id: 'workflows.graph',
    method: 'PUT',
    path: `${one}/graph`,
    summary: 'Replace the graph of the draft; an incomplete one may be saved, a broken structure is 422',
    can: 'workflow.write',
    audit: { entity },
    body: GraphInput,
    reply: Workflow,
    errors: { 409: 'The draft is not the one If-Match names: `current_revision`, `base` and `current` help to merge' },
    handle: async ({ actor, params, body, headers }, { workflows }) => {
      const expected = expectedRevision(headers['if-match']);
      return tagged(
        await workflows.change(actor, params.workflow_id, { metadata: {}, graph: graphOf(body), expected }),
      );
    },
  }),
];

const publishing: readonly Route[] = [
  route({
    ...workflow,
    id: 'workflows.validate',
    method: 'POST',
    path: `${one}/validate-publish`,
    summary: 'Say what keeps the draft from being published, and what is likely to be a mistake',
    can: 'workflow.read',
    audit: false,
    body: ValidateBody,
    reply: Validation,
    handle: async ({ actor: { workspaceId }, params, body }, { workflows, publishing: service }) => {
      const definitionId = await workflows.idOf(workspaceId, params.workflow_id);
      return service.validate({ workspaceId, definitionId }, body.replay ?? null);
    },
  }),
  route({
    ...workflow,
    id: 'workflows.publish',
    method: 'POST',
    path: `${one}/publish`,
    summary: 'Make the draft the live version; what was published before is the version it was',
    can: 'workflow.publish',
    audit: { entity },
    idempotent: true,
    body: PublishBody,
    reply: Published,
    errors: { 409: 'The draft changed meanwhile', 422: '`blockers` keep it from being published' },
    handle: async ({ actor, params, body, seed }, { workflows, publishing: service }) => {
      const definitionId = await workflows.idOf(actor.workspaceId, params.workflow_id);
      return service.publish(actor, definitionId, publishRequest(body, seed));
    },
  }),
  route({
    ...workflow,
    id: 'workflows.versions',
    method: 'GET',
    path: `${one}/versions`,
    summary: 'List published versions, the newest first',
    can: 'workflow.read',
    query: Page,
    reply: pageOf(Version),
    handle: async ({ actor: { workspaceId }, params, query }, { workflows, publishing: service }) => {
      const of = { workspaceId, definitionId: await workflows.idOf(workspaceId, params.workflow_id) };
      return { ...(await service.versions(of, query)), ...query };
    },
  }),
  route({
    ...workflow,
    id: 'workflows.restore',
    method: 'POST',
    path: `${one}/versions/:version_id/restore`,
    summary: 'Copy a version into the draft; what is live stays so',
    can: 'workflow.publish',
    audit: { entity },
    reply: Workflow,
    handle: async ({ actor, params }, { workflows, publishing: service }) => {
      const id = await workflows.idOf(actor.workspaceId, params.workflow_id);
      await service.restore(actor, id, params.version_id);
      return tagged(await workflows.get(actor.workspaceId, id));
    },
  }),
];

export const workflowRoutes: readonly Route[] = [...documents, ...publishing];
