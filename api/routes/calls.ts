import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { JsonValue, Page, pageOf, Time } from '../http/schemas.js';
import { callStatuses } from '../services/calls/call-view.js';
import { listOf, Moment } from './run-schemas.js';

const tag = 'calls';
const entity = 'call';
const reading = { method: 'GET', tag, auth: 'tenant', scope: 'calls:read' } as const;
const acting = { method: 'POST', tag, auth: 'tenant', scope: 'calls:initiate', idempotent: true } as const;

const Status = z.enum(callStatuses);
const Given = z.record(z.string(), JsonValue);
const Seconds = z.number().meta({ description: 'While somebody listened or spoke; of an open call until now' });

const Metrics = z
  .object({
    duration_seconds: Seconds.nullable(),
    stt_latency_ms: z.null().meta({ description: 'Not measured here: media is not ours' }),
    llm_latency_ms: z.number().nullable().meta({ description: 'On average of a turn' }),
    tts_latency_ms: z.null(),
    total_tokens: z.number().int(),
    agent_handoffs: z.number().int(),
  })
  .meta({ id: 'CallMetrics' });

const AgentPeriod = z
  .object({ agent: z.string(), node_id: z.string(), started_at: Time, ended_at: Time.nullable() })
  .meta({ id: 'CallAgentPeriod' });

const Call = z
  .object({
    id: z.string(),
    workflow_id: z.string(),
    workflow_slug: z.string(),
    user_id: z.string().nullable(),
    call_type: z.enum(['voip', 'sip']),
    phone_number: z.string().nullable(),
    direction: z.enum(['inbound', 'outbound']),
    room_name: z.string(),
    status: Status,
    status_reason: z.string().nullable(),
    duration_seconds: Seconds.nullable(),
    current_agent: z.string().nullable(),
    agent_history: z.array(AgentPeriod),
    metrics: Metrics,
    user_context: Given,
    metadata: Given,
    livemode: z.boolean().meta({ description: 'false: started with a test key' }),
    created_at: Time,
    started_at: Time.nullable(),
    connected_at: Time.nullable(),
    ended_at: Time.nullable(),
  })
  .meta({ id: 'Call' });

const StartedCall = z
  .object({
    call_id: z.string(),
    room_name: z.string(),
    url: z.string().meta({ description: 'Where its socket is: join with the token' }),
    livekit_url: z.string().meta({ description: 'The older name of url' }),
    token: z.string().meta({ description: 'Lets into this call, for a quarter of an hour' }),
    status: Status,
  })
  .meta({ id: 'StartedCall' });

const PhoneNumber = z
  .string()
  .regex(/^\+[1-9]\d{1,14}$/, 'must be an E.164 number such as +14155550123')
  .meta({ description: 'Needed when call_type is sip', example: '+14155550123' });

const NewCall = z
  .strictObject({
    workflow_slug: z.string().min(1, 'must not be empty').max(200),
    user_id: z.string().min(1, 'must not be empty').max(200).optional(),
    call_type: z.enum(['voip', 'sip']).default('voip'),
    phone_number: PhoneNumber.optional(),
    user_context: Given.optional().meta({ description: 'What the agents know of the caller; 32 KiB at most' }),
    user_data: Given.optional().meta({ description: 'The older name of user_context' }),
    metadata: Given.default({}).meta({ description: 'Yours, kept with the call; 16 KiB at most' }),
  })
  .meta({
    id: 'NewCall',
    example: { workflow_slug: 'front-desk', user_id: 'customer-7', user_context: { name: 'Ada' } },
  });

const CallTurn = z
  .object({
    call_id: z.string(),
    status: Status,
    current_agent: z.string().nullable(),
    messages: z.array(z.object({ role: z.literal('assistant'), content: z.string(), agent: z.string() })),
    ended: z.boolean(),
  })
  .meta({ id: 'CallTurn' });

const Words = z
  .object({ role: z.enum(['user', 'assistant']), content: z.string(), agent: z.string(), timestamp: Time })
  .meta({ id: 'CallWords' });

const capped = 'The workspace allows this workflow no more calls and turns a minute (rpm_cap_per_agent)';

export const callRoutes: readonly Route[] = [
  route({
    ...acting,
    id: 'calls.start',
    path: '/api/v1/calls',
    summary: 'Start a call with a workflow of agents, as they are now',
    audit: { entity, snapshot: false },
    body: NewCall,
    status: 201,
    reply: StartedCall,
    errors: {
      404: 'No such workflow, or it is not active',
      409: '`blockers` keep the workflow from running',
      429: capped,
    },
    handle: async ({ actor, body, seed }, { calls }) => {
      const { user_context, user_data, ...call } = body;
      const started = await calls.start(actor, {
        // -- reason: parsed JSON is JSON
        call: { ...call, user_context: user_context ?? user_data ?? {} } as Parameters<typeof calls.start>[1]['call'],
        seed,
      });
      return { ...started, livekit_url: started.url };
    },
  }),
  route({
    ...reading,
    id: 'calls.list',
    path: '/api/v1/calls',
    summary: 'Calls of the workspace, the newest first',
    query: Page.extend({
      status: listOf(callStatuses).optional(),
      workflow_slug: z.string().max(200).optional(),
      user_id: z.string().max(200).optional(),
      started_after: Moment.optional().meta({ description: 'Asked for at this moment or later' }),
      started_before: Moment.optional(),
    }),
    reply: pageOf(Call),
    handle: async ({ actor, query }, { calls }) => {
      const {
        limit,
        offset,
        status,
        workflow_slug: workflowSlug,
        user_id: userId,
        started_after,
        started_before,
      } = query;
      const [after, before] = [started_after, started_before].map((at) =>
        at === undefined ? undefined : new Date(at),
      );
      const filter = { status, workflowSlug, userId, after, before };
      return { ...(await calls.list(actor, { filter, limit, offset })), limit, offset };
    },
  }),
  route({
    ...reading,
    id: 'calls.get',
    path: '/api/v1/calls/:call_id',
    summary: 'A call: where it stands, who had it, what was measured',
    reply: Call,
    errors: { 404: 'No such call here.' },
    handle: ({ actor, params }, { calls }) => calls.get(actor, params.call_id),
  }),
  route({
    ...reading,
    id: 'calls.transcript',
    path: '/api/v1/calls/:call_id/transcript',
    summary: 'Everything said in a call so far, in order',
    reply: z.array(Words),
    errors: { 404: 'No such call here.' },
    handle: ({ actor, params }, { calls }) => calls.transcript(actor, params.call_id),
  }),
  route({
    ...acting,
    id: 'calls.turn',
    path: '/api/v1/calls/:call_id/turns',
    summary: 'Say something in a call and get the answer; a repeated Idempotency-Key is one turn',
    audit: false,
    body: z
      .strictObject({
        message: z.string().trim().min(1, 'must not be empty').max(20_000).nullish().meta({
          description: 'Left out: waits for the first words of the call',
        }),
      })
      .meta({ id: 'NewCallTurn', example: { message: 'Where is my order?' } }),
    reply: CallTurn,
    errors: { 404: 'No such call here.', 409: 'The call is over, or nobody listens now', 429: capped },
    handle: ({ actor, params, body, seed }, { calls }) =>
      calls.turn(actor, params.call_id, { message: body.message ?? null, seed }),
  }),
  route({
    ...acting,
    id: 'calls.end',
    path: '/api/v1/calls/:call_id/end',
    summary: 'Hang up, whatever the agents are at; 202 when the end takes longer than anybody waits',
    audit: { entity },
    body: z
      .strictObject({ reason: z.string().trim().min(1, 'must not be empty').max(200).optional() })
      .default({})
      .meta({ id: 'EndCall', example: { reason: 'customer left' } }),
    reply: Call,
    errors: { 404: 'No such call here.', 409: 'The call is over already' },
    handle: async ({ actor, params, body, seed }, { calls }) => {
      const { call, isOver } = await calls.end(actor, params.call_id, { reason: body.reason, seed });
      return new Reply(call, isOver ? {} : { status: 202 });
    },
  }),
];
