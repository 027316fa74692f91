import { z } from 'zod';
import { Mapping, Template } from '../../workflows/definition/nodes/common.js';
import { JsonValue, Time } from '../http/schemas.js';
import { providers } from '../services/ingress/schemes/index.js';

const Provider = z.enum(providers);
export const MessageStatus = z.enum(['received', 'processed', 'dead', 'ignored']);

const Slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,79}$/, 'use lower-case letters, digits and hyphens, 80 at most')
  .meta({ example: 'shop-orders' });

const Target = z
  .union([
    z.strictObject({
      definition: z.string().min(1).max(200).meta({ description: 'Id of what is started, or a slug only it has' }),
    }),
    z.strictObject({
      event: z.strictObject({
        name: z.string().trim().min(1).max(200),
        key: Template.max(2_000).nullish().meta({ description: 'Liquid template, such as {{ body.order_id }}' }),
      }),
    }),
  ])
  .meta({ id: 'IngressTarget', description: 'A definition to start, or an event to raise' });

const MOST_MAPPING_BYTES = 65_536;
const HeaderName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, 'must be the name of a header')
  .toLowerCase();

const fields = {
  name: z.string().trim().min(1).max(200),
  verification: z
    .record(z.string().max(100), JsonValue)
    .meta({ description: "The scheme's settings besides the secret, such as `header` of hmac" }),
  target: Target,
  input: Mapping.refine(
    (mapping) => Buffer.byteLength(JSON.stringify(mapping)) <= MOST_MAPPING_BYTES,
    `must be at most ${MOST_MAPPING_BYTES} bytes of JSON`,
  ).meta({
    description:
      'Mapping over body, headers, query, source, received_at, message_id, provider_id; null gives all of them',
  }),
  keep_headers: z.array(HeaderName).max(50).meta({ description: 'Headers to keep beside the usual ones' }),
  tolerance_seconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .meta({ description: 'How far from our clock a signed time may be, either way' }),
  is_active: z.boolean(),
};

const Secret = z.string().min(1).max(1_000);

export const NewSource = z
  .strictObject({
    ...fields,
    slug: Slug.optional(),
    provider: Provider,
    secret: Secret.optional().meta({ description: 'Made where it is absent, if not the provider is who makes it' }),
    verification: fields.verification.default({}),
    input: fields.input.default(null),
    keep_headers: fields.keep_headers.default([]),
    tolerance_seconds: fields.tolerance_seconds.default(300),
    is_active: fields.is_active.default(true),
  })
  .meta({
    id: 'NewIngressSource',
    example: {
      ...{ name: 'Shop orders', provider: 'standard' },
      target: { event: { name: 'order.paid', key: '{{ body.order_id }}' } },
    },
  });

export const SourceChange = z
  .strictObject({ ...fields, slug: Slug })
  .partial()
  .meta({ id: 'IngressSourceChange', example: { is_active: false } });

export const Rotation = z
  .strictObject({
    secret: Secret.optional(),
    overlap_seconds: z
      .number()
      .int()
      .min(0)
      .max(7 * 86_400)
      .default(86_400)
      .meta({ description: 'How long the secret so far goes on' }),
  })
  .prefault({})
  .meta({ id: 'IngressSecretRotation' });

export const Source = z
  .object({
    id: z.string(),
    name: z.string(),
    slug: z.string(),
    provider: Provider,
    url: z.string().meta({ description: 'What the provider is given' }),
    verification: JsonValue,
    target: Target,
    input: JsonValue,
    keep_headers: z.array(z.string()),
    tolerance_seconds: z.number().int(),
    is_active: z.boolean(),
    previous_secret_until: Time.nullable(),
    rejected_count: z.number().int().meta({ description: 'Requests whose signature did not fit' }),
    last_rejected_at: Time.nullable(),
    dead_count: z.number().int(),
    created_by: z.string(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'IngressSource' });

export const SourceWithSecret = Source.extend({
  secret: z.string().nullable().meta({ description: 'Shown this once; null where it was given' }),
}).meta({ id: 'IngressSourceWithSecret' });

const message = {
  id: z.string(),
  source_id: z.string().nullable().meta({ description: "Null for a chain's own address" }),
  definition_id: z.string().nullable(),
  provider_id: z.string().nullable(),
  received_at: Time,
  content_type: z.string(),
  bytes: z.number().int(),
  status: MessageStatus,
  attempts: z.number().int(),
  reason: z.string().nullable(),
  run_id: z.string().nullable(),
  event_name: z.string().nullable(),
  event_key: z.string().nullable(),
  processed_at: Time.nullable(),
  duplicates: z.number().int(),
  altered_duplicates: z.number().int().meta({ description: 'Of these, how many came with another body' }),
};

export const Message = z.object(message).meta({ id: 'IngressMessage' });

export const MessageDetail = z
  .object({
    ...message,
    headers: z.record(z.string(), z.string()),
    query: JsonValue,
    ip: z.string().nullable(),
    body_sha256: z.string(),
    body: z.string().nullable(),
    body_base64: z.string().nullable().meta({ description: 'Where the body is no UTF-8' }),
    body_redacted: z.boolean(),
    next_attempt_at: Time.nullable(),
  })
  .meta({ id: 'IngressMessageDetail' });

export const MessagePage = z.object({ items: z.array(Message), next_cursor: z.string().nullable() });

export const Accepted = z
  .object({ id: z.string(), status: MessageStatus, run_id: z.string().optional(), duplicate: z.boolean() })
  .meta({ id: 'IngressAccepted' });

/** The answer to a provider that asks whether the address is ours. */
export const Challenge = z.union([z.object({ challenge: z.string() }), z.object({ type: z.literal(1) })]);

export const Redriven = z
  .object({ id: z.string(), status: MessageStatus, run_id: z.string().optional() })
  .meta({ id: 'IngressRedriven' });

export const TestRequest = z
  .strictObject({
    headers: z.record(z.string().max(200), z.string().max(8_000)),
    body: z.string().default(''),
    body_base64: z
      .string()
      .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'must be base64')
      .optional()
      .meta({ description: 'Instead of `body`, where it is no text' }),
    query: z.string().max(4_000).default('').meta({ description: 'Of the address, without the question mark' }),
  })
  .meta({ id: 'IngressTest', example: { headers: { 'content-type': 'application/json' }, body: '{}' } });

export const TestResult = z
  .object({
    verified: z.boolean(),
    provider_id: z.string().nullable(),
    signed_at: Time.nullable(),
    duplicate: z.boolean(),
    challenge: JsonValue,
    would: z.enum(['refuse', 'answer', 'ignore', 'start', 'raise', 'bury']),
    definition_id: z.string().nullable(),
    event: z.object({ name: z.string(), key: z.string().nullable() }).nullable(),
    input: JsonValue,
    reason: z.string().nullable(),
  })
  .meta({ id: 'IngressTestResult' });
