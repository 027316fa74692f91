import { z } from 'zod';
import { Expr, Mapping, Template } from './common.js';

/** Configurations of the nodes that act on the outside world. */

const headers = z.record(z.string(), Template).meta({ description: 'Headers by name' });

/** After a crash or a lost answer nobody knows whether it happened. What then? */
export const UnknownPolicy = z
  .discriminatedUnion('action', [
    z.strictObject({ action: z.literal('repeat') }),
    z.strictObject({
      action: z.literal('reconcile'),
      url: Template.meta({ description: 'GET: asks the provider; `idempotency_key` is known to the template' }),
      headers: headers.optional(),
      done_when: Expr.meta({ description: 'CEL over `status` and `body`: true when it happened' }),
    }),
    z.strictObject({ action: z.literal('ask'), audience: z.array(z.string().max(300)).max(100).optional() }),
  ])
  .default({ action: 'repeat' })
  .meta({
    id: 'UnknownOutcomePolicy',
    description: 'repeat: again under the same Idempotency-Key; reconcile: ask the provider first; ask: ask a person',
  });

export const HttpConfig = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET').meta({ description: 'HTTP method' }),
  url: Template.min(1).meta({ description: 'Address' }),
  headers: headers.optional(),
  query: z.record(z.string(), Template).optional().meta({ description: 'Query parameters by name' }),
  body: Mapping.optional().meta({ description: 'Sent as JSON; a plain string is sent as text' }),
  accept_status: z
    .array(z.number().int().min(100).max(599))
    .optional()
    .meta({ description: 'Taken as success; 2xx without it' }),
  outputs: z
    .record(z.string(), z.string())
    .optional()
    .meta({ description: 'Variables by name: JSONPath into the body, such as $.data.id' }),
  on_unknown: UnknownPolicy,
});

export const ToolConfig = z.strictObject({
  tool_name: z.string().min(1).max(200).meta({ description: 'A workspace tool (POST /v1/workspace-tools)' }),
  args: z.record(z.string(), Mapping).default({}).meta({ description: 'Arguments by name' }),
  on_unknown: UnknownPolicy,
});

export const CodeConfig = z.strictObject({
  source: z.string().min(1).max(100_000).meta({
    description:
      'JavaScript: the body of a function of `input, vars, steps, run, item, index`; what it returns is the output',
  }),
  timeout_ms: z.number().int().min(10).max(60_000).default(1_000).meta({ description: 'Longest time it may take' }),
  memory_mb: z.number().int().min(1).max(256).default(32).meta({ description: 'Most memory it may use' }),
});

export const EmailConfig = z.strictObject({
  to: Template.min(1).meta({ description: 'Addresses, separated by commas' }),
  subject: Template.default('').meta({ description: 'Subject' }),
  text: Template.optional().meta({ description: 'Plain text; the text of the input without it' }),
  html: Template.optional().meta({ description: 'HTML beside the text' }),
  on_unknown: UnknownPolicy,
});

export const WebhookConfig = z.strictObject({
  url: Template.min(1).meta({ description: 'Address' }),
  secret: z.string().max(500).optional().meta({ description: 'HMAC key, as {{secret:NAME}}; signs X-Chain-Signature' }),
  headers: headers.optional(),
  body: Mapping.optional().meta({ description: "What is posted; the node's input without it" }),
  on_unknown: UnknownPolicy,
});

export const ChannelSendConfig = z.strictObject({
  channel: z
    .enum(['log', 'webhook'])
    .meta({ description: 'Channels of a workspace join these when they are connected' }),
  to: Template.optional().meta({ description: 'Address; the log needs none' }),
  text: Template.optional().meta({ description: 'The text of the input without it' }),
  secret: z.string().max(500).optional().meta({ description: 'HMAC key of a webhook, as {{secret:NAME}}' }),
  on_unknown: UnknownPolicy,
});
