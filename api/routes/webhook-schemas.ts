import { z } from 'zod';
import { JsonValue, Time } from '../http/schemas.js';

const MOST_HEADERS = 20;

const Url = z.string().trim().min(1).max(2_000).meta({ example: 'https://example.com/hooks' });
const Description = z.string().max(500);
const EventTypes = z
  .array(z.string().max(60))
  .min(1, 'must name at least one; * stands for all')
  .max(50)
  .meta({ description: 'Names of GET /v1/webhook-event-types; `run.*` and `*` stand for several', example: ['run.*'] });
const DefinitionIds = z
  .array(z.string().max(100))
  .max(100)
  .meta({ description: 'Only runs and calls of these; empty: of all' });
const Timeout = z.number().int().min(5).max(60).meta({ description: 'Seconds the receiver may take to answer' });
const Headers = z
  .record(
    z.string().max(200),
    z
      .string()
      .max(1_000)
      .regex(/^[\t\x20-\x7e]*$/, 'must be plain text on one line'),
  )
  .refine((headers) => Object.keys(headers).length <= MOST_HEADERS, `must have at most ${MOST_HEADERS} entries`)
  .meta({ description: 'Sent with each event, and shown as they are: no secrets' });

export const NewEndpoint = z
  .strictObject({
    url: Url,
    description: Description.default(''),
    event_types: EventTypes,
    definition_ids: DefinitionIds.default([]),
    include_children: z.boolean().default(false).meta({ description: 'Also of runs that another run started' }),
    include_tests: z.boolean().default(false).meta({ description: 'Also of test runs' }),
    timeout_seconds: Timeout.default(30),
    headers: Headers.default({}),
    all_workspaces: z
      .boolean()
      .default(false)
      .meta({ description: 'Events of every workspace of the organisation; for its owners and administrators' }),
  })
  .meta({ id: 'NewWebhookEndpoint' });

export const EndpointPatch = z
  .strictObject({
    url: Url,
    description: Description,
    event_types: EventTypes,
    definition_ids: DefinitionIds,
    include_children: z.boolean(),
    include_tests: z.boolean(),
    is_active: z.boolean().meta({ description: 'true also takes back why it was turned off' }),
    timeout_seconds: Timeout,
    headers: Headers,
  })
  .partial()
  .meta({ id: 'WebhookEndpointPatch' });

const endpoint = {
  id: z.string(),
  workspace_id: z.string().nullable(),
  all_workspaces: z.boolean(),
  url: z.string(),
  description: z.string(),
  event_types: z.array(z.string()),
  definition_ids: z.array(z.string()),
  include_children: z.boolean(),
  include_tests: z.boolean(),
  is_active: z.boolean(),
  disabled_reason: z.string().nullable(),
  disabled_at: Time.nullable(),
  timeout_seconds: z.number().int(),
  headers: z.record(z.string(), z.string()),
  source: z.enum(['api', 'tenant_settings']),
  failing_since: Time.nullable(),
  dead_in_a_row: z.number().int(),
  previous_secret_expires_at: Time.nullable(),
  created_by: z.string(),
  created_at: Time,
  updated_at: Time,
};

export const Endpoint = z.object(endpoint).meta({ id: 'WebhookEndpoint' });
export const MintedEndpoint = z
  .object({ ...endpoint, secret: z.string().meta({ description: 'whsec_ and base64; shown this once' }) })
  .meta({ id: 'MintedWebhookEndpoint' });

export const Status = z.enum(['pending', 'delivering', 'delivered', 'dead', 'cancelled']);

const delivery = {
  id: z.string(),
  endpoint_id: z.string(),
  event_id: z.string().meta({ description: 'The webhook-id: the same at every attempt and redrive' }),
  type: z.string(),
  run_id: z.string().nullable(),
  status: Status,
  attempts: z.number().int(),
  next_attempt_at: Time.nullable(),
  last_status: z.number().int().nullable(),
  last_error: z.string().nullable(),
  created_at: Time,
  delivered_at: Time.nullable(),
  ended_at: Time.nullable(),
  redriven_from: z.string().nullable(),
};

export const Delivery = z.object(delivery).meta({ id: 'WebhookDelivery' });
export const DeliveryDetail = z
  .object({
    ...delivery,
    payload: JsonValue.nullable().meta({ description: 'What is sent; null before the first attempt' }),
    log: z.array(
      z.object({
        number: z.number().int(),
        at: Time,
        duration_ms: z.number().int().nullable(),
        status: z.number().int().nullable(),
        error: z.string().nullable(),
        response: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'WebhookDeliveryDetail' });
