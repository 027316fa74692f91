import { z } from 'zod';
import { ChainBranch, ChainDocument, ChainStep } from '../../workflows/definition/chain.js';
import { INPUT_LIMIT_BYTES, type Json } from '../../workflows/definition/values.js';
import { route, type Route } from '../http/route.js';
import { JsonValue, Page, pageOf, Time } from '../http/schemas.js';

const Slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,79}$/, 'use lower-case letters, digits and hyphens, 80 at most')
  .meta({ example: 'refund-desk' });
const Status = z.enum(['draft', 'live', 'paused']);

const example = {
  name: 'Refund desk',
  primary_steps: [
    { kind: 'trigger', label: 'Refund request' },
    { kind: 'agent', label: 'Triage', config: { message: 'Summarise: {{ input.text }}' } },
    { kind: 'human', label: 'Approve refund', config: { prompt: 'Refund this order?' } },
    { kind: 'notify', label: 'Tell the customer', config: { channel: 'log' } },
  ],
};

const ChainBody = ChainDocument.extend({ slug: Slug.optional(), status: Status.optional() }).meta({
  id: 'ChainInput',
  example,
});

const Problem = z.object({ code: z.string(), field: z.string(), message: z.string() }).meta({ id: 'Problem' });

const Chain = z
  .object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    status: Status,
    summary: z.string(),
    when_label: z.string(),
    primary_steps: z.array(ChainStep),
    branches: z.array(ChainBranch),
    input_schema: JsonValue.optional(),
    output_schema: JsonValue.optional(),
    revision: z.number().int(),
    problems: z.array(Problem),
    stats: z.object({ runs_total: z.number().int(), last_run_at: Time.nullable(), last_status: z.string().nullable() }),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'Chain' });

const RunStatus = z.enum(['queued', 'running', 'awaiting_human', 'completed', 'failed', 'cancelled']);
const Accepted = z.object({ run_id: z.string(), status: RunStatus }).meta({ id: 'ChainRunAccepted' });

const run = {
  id: z.string(),
  run_id: z.string(),
  status: RunStatus,
  trigger: z.string(),
  branch_taken: z.string().nullable(),
  created_at: Time,
  started_at: Time.nullable(),
  ended_at: Time.nullable(),
  duration_ms: z.number().nullable(),
};
const Run = z.object(run).meta({ id: 'ChainRun' });

const NodeError = z.object({ type: z.string(), message: z.string() });

const StepTrace = z
  .object({
    kind: z.string(),
    label: z.string(),
    status: z.string(),
    attempt: z.number().int(),
    input: JsonValue,
    output: JsonValue,
    error: NodeError.nullable(),
    branch_taken: z.string().nullable(),
    started_at: Time,
    ended_at: Time.nullable(),
    duration_ms: z.number().nullable(),
  })
  .meta({ id: 'ChainStepTrace' });

const RunDetail = z
  .object({
    ...run,
    input: JsonValue,
    output: JsonValue,
    error: NodeError.nullable(),
    primary_trace: z.array(StepTrace),
    branch_trace: z.array(StepTrace),
    waiting_for: z
      .object({
        approval_id: z.string(),
        prompt: z.string(),
        assignee: z.string().nullable(),
        expires_at: Time.nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'ChainRunDetail' });

/** Room for the largest input inside `{"input": ...}`, escapes included. */
const RUN_BODY_LIMIT = 2 * INPUT_LIMIT_BYTES + 4_096;

const RunBody = z
  .union([z.string(), z.strictObject({ input: JsonValue.optional() })])
  .optional()
  .meta({ id: 'ChainRunInput', example: { input: { text: 'Order 1042 arrived broken' } } });

const inputOf = (body: z.output<typeof RunBody>): Json => (typeof body === 'string' ? body : (body?.input ?? null));

/** No body is no input. */
const inputOfBody = (body: Json | undefined): Json => body ?? null;

const ResumeBody = z
  .strictObject({
    decision: z.enum(['approve', 'reject']).default('approve'),
    input: JsonValue.optional(),
    note: z.string().max(5_000).optional(),
  })
  .prefault({})
  .meta({ id: 'ChainResume', example: { decision: 'approve', note: 'fine by me' } });

const chain = { tag: 'chains', auth: 'member' } as const;
const at = '/v1/workflow-chains/:slug' as const;

const documents: readonly Route[] = [
  route({
    ...chain,
    id: 'chains.list',
    method: 'GET',
    path: '/v1/workflow-chains',
    summary: 'List chains with their run stats',
    can: 'workflow.read',
    query: Page,
    reply: pageOf(Chain),
    handle: async ({ actor, query }, { chains }) => ({ ...(await chains.list(actor.workspaceId, query)), ...query }),
  }),
  route({
    ...chain,
    id: 'chains.create',
    method: 'POST',
    path: '/v1/workflow-chains',
    summary: 'Create a chain',
    can: 'workflow.write',
    audit: { action: 'workflow_chain.create', entity: 'workflow_chain' },
    idempotent: true,
    body: ChainBody,
    status: 201,
    reply: Chain,
    errors: { 409: 'The slug is taken' },
    handle: ({ actor, body: { slug, status, ...document }, seed }, { chains }) =>
      chains.create(actor, { slug, status, document, seed }),
  }),
  route({
    ...chain,
    id: 'chains.get',
    method: 'GET',
    path: at,
    summary: 'Read a chain',
    can: 'workflow.read',
    reply: Chain,
    handle: ({ actor, params }, { chains }) => chains.get(actor.workspaceId, params.slug),
  }),
  route({
    ...chain,
    id: 'chains.replace',
    method: 'PATCH',
    path: at,
    summary: 'Replace the whole document; status live passes the readiness gate',
    can: 'workflow.write',
    audit: { action: 'workflow_chain.update', entity: 'workflow_chain' },
    body: ChainBody,
    reply: Chain,
    errors: { 409: 'The slug is taken' },
    handle: ({ actor, params, body: { slug, status, ...document } }, { chains }) =>
      chains.replace(actor, params.slug, { slug, status, document }),
  }),
  route({
    ...chain,
    id: 'chains.delete',
    method: 'DELETE',
    path: at,
    summary: 'Delete a chain; its open runs go on',
    can: 'workflow.publish',
    audit: { action: 'workflow_chain.delete', entity: 'workflow_chain' },
    status: 204,
    reply: z.undefined(),
    handle: async ({ actor, params }, { chains }) => {
      await chains.remove(actor.workspaceId, params.slug);
      return undefined;
    },
  }),
];

const runs: readonly Route[] = [
  route({
    ...chain,
    id: 'chains.run',
    method: 'POST',
    path: `${at}/run`,
    summary: 'Run a chain, drafts too',
    can: 'runtime.simulate',
    audit: { action: 'workflow_chain.run', entity: 'workflow_chain_run', snapshot: false },
    idempotent: true,
    accepts: ['text/plain'],
    bodyLimit: RUN_BODY_LIMIT,
    body: RunBody,
    status: 202,
    reply: Accepted,
    errors: { 409: 'The chain has no steps', 413: 'The input is larger than 2 MiB' },
    handle: ({ actor, params, body, seed }, { chainRuns }) =>
      chainRuns.run(actor, params.slug, { input: inputOf(body), seed }),
  }),
  route({
    ...chain,
    id: 'chains.ingress',
    method: 'POST',
    path: `${at}/ingress`,
    summary: 'Run a chain from a signed webhook, as a signed-in caller',
    can: 'runtime.simulate',
    audit: { action: 'workflow_chain.ingress', entity: 'workflow_chain_run' },
    idempotent: true,
    accepts: ['text/plain'],
    bodyLimit: INPUT_LIMIT_BYTES,
    body: JsonValue,
    status: 202,
    reply: Accepted,
    errors: { 409: 'The chain is not ready for outside callers' },
    handle: ({ actor, params, body, ...came }, { ingress }) =>
      ingress.receiveForChain({
        ...came,
        workspaceId: actor.workspaceId,
        slug: params.slug,
        input: inputOfBody(body),
        actor: actor.id,
      }),
  }),
  route({
    tag: 'chains',
    auth: 'none',
    rate: 'public',
    id: 'chains.publicIngress',
    method: 'POST',
    path: '/v1/public/workflow-chains/:workspace_slug/:chain_slug/ingress',
    summary: 'Run a live chain from a signed webhook; X-Chain-Signature is the only credential',
    audit: { action: 'workflow_chain.ingress', entity: 'workflow_chain_run' },
    idempotent: true,
    accepts: ['text/plain'],
    bodyLimit: INPUT_LIMIT_BYTES,
    body: JsonValue,
    status: 202,
    reply: Accepted,
    errors: { 401: 'Bad or missing signature', 404: 'Unknown or not live', 409: 'Paused or not ready' },
    handle: ({ params, body, ...came }, { ingress }) =>
      ingress.receiveForPublicChain({
        ...came,
        workspaceSlug: params.workspace_slug,
        slug: params.chain_slug,
        input: inputOfBody(body),
        actor: 'webhook',
      }),
  }),
  route({
    ...chain,
    id: 'chains.runs',
    method: 'GET',
    path: `${at}/runs`,
    summary: 'Recent runs of a chain',
    can: 'workflow.read',
    query: Page,
    reply: pageOf(Run),
    handle: async ({ actor, params, query }, { chainRuns }) => ({
      ...(await chainRuns.list(actor.workspaceId, params.slug, query)),
      ...query,
    }),
  }),
  route({
    ...chain,
    id: 'chains.runDetail',
    method: 'GET',
    path: `${at}/runs/:run_id`,
    summary: 'One run with the trace of every step',
    can: 'workflow.read',
    reply: RunDetail,
    handle: ({ actor, params }, { chainRuns }) => chainRuns.get(actor.workspaceId, params.slug, params.run_id),
  }),
  route({
    ...chain,
    id: 'chains.resume',
    method: 'POST',
    path: `${at}/runs/:run_id/resume`,
    summary: 'Decide the human step a run is waiting at',
    can: 'runtime.simulate',
    audit: { action: 'workflow_chain.resume', entity: 'workflow_chain_run' },
    idempotent: true,
    bodyLimit: RUN_BODY_LIMIT,
    body: ResumeBody,
    reply: Accepted,
    errors: { 409: 'The run is not awaiting_human, or somebody was first' },
    handle: ({ actor, params, body: { decision, input, note }, seed }, { chainRuns }) =>
      chainRuns.resume(
        actor,
        { slug: params.slug, runId: params.run_id },
        { decision, input, note: note ?? null, seed },
      ),
  }),
];

export const chainRoutes: readonly Route[] = [...documents, ...runs];
