import { z } from 'zod';
import { JsonSchema, Mapping, seconds, Template } from './common.js';

/** Configurations of the nodes that wait. While they do, nothing runs. */

export const DelayConfig = z.union([
  z.strictObject({ seconds: seconds.meta({ description: 'How long' }) }),
  z.strictObject({
    cron: z.string().max(200).meta({ description: 'Five fields, or a nickname such as @daily' }),
    timezone: z.string().max(100).default('UTC').meta({ description: 'IANA name' }),
  }),
]);

export const UntilConfig = z.strictObject({
  at: Mapping.meta({ description: 'ISO 8601 time, or epoch milliseconds; in the past it passes at once' }),
});

const Audience = z.array(z.string().min(1).max(300)).max(100).meta({
  description: 'Who may decide: user ids, e-mail addresses, or `role:admin` (that role or above); anyone without it',
});

export const ApprovalConfig = z.strictObject({
  prompt: Template.meta({ description: 'The question' }),
  reason: Template.optional().meta({ description: 'Why it is asked' }),
  context: Mapping.optional().meta({ description: "What is shown; the node's input without it" }),
  form: JsonSchema.optional().meta({ description: 'JSON Schema of the `data` a decision must bring' }),
  assignee: z.string().max(500).optional().meta({ description: 'Who is told; by mail if it is an address' }),
  audience: Audience.optional(),
  quorum: z.number().int().min(1).max(100).default(1).meta({ description: 'Approvals of different people it takes' }),
  rejections: z.number().int().min(1).max(100).default(1).meta({ description: 'Rejections it takes to refuse' }),
  forbid_own: z.boolean().default(false).meta({ description: 'Whoever started the run may not decide' }),
  reminders: z
    .array(seconds)
    .max(20)
    .default([])
    .meta({ description: 'Reminds the audience so many seconds after the start' }),
  escalation: z
    .array(z.strictObject({ after: seconds, audience: Audience, replace: z.boolean().default(false) }))
    .max(10)
    .default([])
    .meta({ description: 'Others may decide as well (or instead) so many seconds after the start' }),
  timeout_seconds: seconds.optional().meta({ description: 'How long it is open; without end without it' }),
  on_expire: z
    .enum(['expire', 'approve', 'reject'])
    .default('expire')
    .meta({ description: 'What happens when nobody decides in time' }),
});

export const WaitEventConfig = z.strictObject({
  name: z.string().min(1).max(200).meta({ description: 'Name of the event' }),
  key: Template.optional().meta({
    description: 'Correlation key; events of POST /v1/events reach the runs waiting for it',
  }),
  timeout_seconds: seconds.optional().meta({ description: 'Then the path labelled `timeout` is taken' }),
  accept_earlier_seconds: seconds
    .default(0)
    .meta({ description: 'Also takes events posted so long before the run began' }),
});

/** Waits for the user of a conversation. */
export const ListenConfig = z.strictObject({
  greeting: Template.optional().meta({ description: 'Said when the wait is first opened' }),
  always_greet: z.boolean().optional().meta({ description: 'Also greets a user who has said something before' }),
  timeout_seconds: seconds.optional().meta({ description: 'Then the path labelled `timeout` is taken' }),
});
