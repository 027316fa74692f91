import { z } from 'zod';
import type { Json } from '../../workflows/definition/values.js';
import { route, type Route } from '../http/route.js';
import { JsonValue, Page, pageOf, Time } from '../http/schemas.js';
import { runStatuses } from '../services/run-view.js';
import { NodeError } from './run-schemas.js';

const runtime = { tag: 'runtime', auth: 'member' } as const;
const ofWorkflow = '/v1/runtime/workflows/:workflow_id/sessions' as const;
const session = '/v1/runtime/workflows/sessions/:session_id' as const;
const entity = 'workflow_session';

const Status = z.enum(runStatuses);
const State = z.enum(['awaiting_input', 'working', 'ended']).meta({
  description:
    'working: neither its user nor its end is waited for; a step, a clock or somebody else moves it. Read the session again to see what came of it.',
});
const Variables = z.record(z.string(), JsonValue);

const Message = z
  .object({
    role: z.enum(['user', 'assistant']),
    text: z.string(),
    node_id: z.string().meta({ description: 'Who said it, or listened' }),
    at: Time.nullable().optional(),
  })
  .meta({ id: 'SessionMessage' });

const TraceEntry = z.object({ type: z.string(), node_id: z.string() }).catchall(JsonValue).meta({
  id: 'SessionTraceEntry',
  description: 'workflow.node.route, workflow.tool.executed, workflow.subworkflow.enter, workflow.subworkflow.leave',
});

const Turn = z
  .object({
    session_id: z.string(),
    messages: z.array(Message),
    state: State,
    status: Status,
    active_node: z.string().nullable(),
    variables: Variables,
    trace: z.array(TraceEntry),
    error: NodeError.nullable(),
  })
  .meta({ id: 'SessionTurn' });

const Session = Turn.extend({
  workflow_id: z.string(),
  version: z.number().int().nullable().meta({ description: 'Null: a draft' }),
  use_draft: z.boolean(),
}).meta({ id: 'WorkflowSession' });

const SessionItem = z
  .object({
    session_id: z.string(),
    status: Status,
    state: State,
    turns: z.number().int().meta({ description: 'Messages of its user' }),
    started_at: Time,
    ended_at: Time.nullable(),
    version: z.number().int().nullable(),
    use_draft: z.boolean(),
  })
  .meta({ id: 'WorkflowSessionItem' });

const Said = z.string().trim().min(1).max(20_000);

const NewSession = z
  .strictObject({
    use_draft: z.boolean().default(true).meta({ description: 'false: the published version' }),
    variables: Variables.default({}).meta({ description: 'Variables the conversation begins with, by name' }),
    message: Said.optional().meta({
      description: "The user's first message; the session begins with a greeting without it",
    }),
  })
  .default({ use_draft: true, variables: {} })
  .meta({ id: 'NewWorkflowSession', example: { use_draft: true, variables: { tier: 'gold' } } });

const TurnBody = z.strictObject({ message: Said }).meta({ id: 'NewTurn', example: { message: 'Where is my order?' } });

const tooMany = 'The workspace allows this workflow no more sessions and turns a minute (rpm_cap_per_agent)';

export const runtimeWorkflowRoutes: readonly Route[] = [
  route({
    ...runtime,
    id: 'workflowSessions.start',
    method: 'POST',
    path: ofWorkflow,
    summary: 'Start a conversation with a workflow, its draft unless told otherwise',
    can: 'runtime.simulate',
    audit: { entity, snapshot: false },
    idempotent: true,
    body: NewSession,
    status: 201,
    reply: Session,
    errors: {
      409: 'No version is published',
      422: '`blockers` keep the draft from running',
      429: tooMany,
    },
    handle: async ({ actor, params, body, seed }, { workflowSessions }) => {
      const { use_draft: useDraft, variables, message } = body;
      // -- reason: parsed JSON is JSON
      const given = variables as Readonly<Record<string, Json>>;
      const workflow = params.workflow_id;
      return workflowSessions.start(actor, { workflow, useDraft, variables: given, message, seed });
    },
  }),
  route({
    ...runtime,
    id: 'workflowSessions.turn',
    method: 'POST',
    path: `${session}/turns`,
    summary: 'Say something in a conversation and get its answer; a repeated Idempotency-Key is one turn',
    can: 'runtime.simulate',
    audit: false,
    idempotent: true,
    body: TurnBody,
    reply: Turn,
    errors: { 409: 'The session has ended, or nobody listens in it now', 429: tooMany },
    handle: ({ actor: { workspaceId }, params, body: { message }, seed }, { workflowSessions }) =>
      workflowSessions.turn({ workspaceId, runId: params.session_id }, { message, seed }),
  }),
  route({
    ...runtime,
    id: 'workflowSessions.get',
    method: 'GET',
    path: session,
    summary: 'Read a whole conversation: what both sides said, where it stands, what happened',
    can: 'workflow.read',
    reply: Session,
    handle: ({ actor: { workspaceId }, params }, { workflowSessions }) =>
      workflowSessions.get({ workspaceId, runId: params.session_id }),
  }),
  route({
    ...runtime,
    id: 'workflowSessions.list',
    method: 'GET',
    path: ofWorkflow,
    summary: 'List the conversations with a workflow, the newest first',
    can: 'workflow.read',
    query: Page,
    reply: pageOf(SessionItem),
    handle: async ({ actor: { workspaceId }, params, query }, { workflowSessions }) => ({
      ...(await workflowSessions.list({ workspaceId, workflow: params.workflow_id }, query)),
      ...query,
    }),
  }),
];
