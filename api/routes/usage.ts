import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Moment } from './run-schemas.js';

const reading = { method: 'GET', tag: 'usage', auth: 'member', can: 'usage.read' } as const;

const Count = z.number().int();
const Plan = z
  .literal('enterprise')
  .meta({ description: 'Nothing is held back, whatever the organisation has booked' });
const Zone = z.string().max(64).default('UTC').meta({ description: 'IANA name of the zone whose days count' });
const Day = Moment.meta({ description: 'A day, or a moment whose day counts' });

const counts = {
  runs: Count.meta({ description: 'Those started for themselves; the statuses add up to them' }),
  queued: Count,
  running: Count,
  waiting: Count,
  paused: Count,
  completed: Count,
  failed: Count,
  cancelled: Count,
  conversations: Count,
  ai_conversations: Count.meta({ description: 'Conversations in which a model answered' }),
  steps: Count,
  tool_calls: Count,
  input_tokens: z.number(),
  output_tokens: z.number(),
  cost_usd: z.number(),
  messages: Count.meta({ description: 'What users said, and e-mails, channel messages and notices sent' }),
  minutes: z.number().meta({ description: 'From the start of each run to its end, or to now' }),
};

const Usage = z
  .object({
    plan: Plan,
    organisation_plan: z.string(),
    group: z.literal('day'),
    since: z.iso.date(),
    until: z.iso.date(),
    tz: z.string(),
    sessions_this_month: Count,
    ai_conversations: Count.meta({ description: 'This month' }),
    tool_calls: Count.meta({ description: 'This month' }),
    members: Count,
    totals: z.object(counts).meta({ id: 'UsageCounts' }),
    days: z.array(z.object({ date: z.iso.date(), ...counts }).meta({ id: 'UsageDay' })),
  })
  .meta({ id: 'WorkspaceUsage' });

const Used = z.object({ used: z.number(), limit: z.number().nullable() }).meta({ id: 'UsedOfLimit' });

const Billing = z
  .object({
    plan: Plan,
    organisation_plan: z.string().meta({ description: 'FREE, STARTER, PRO or ENTERPRISE' }),
    period: z.object({ start: z.iso.date(), end: z.iso.date(), tz: z.string() }),
    seats: Used,
    usage: z.object({ runs: Used, steps: Used, tokens: Used, messages: Used, minutes: Used }),
    limits_enforced: z.boolean(),
    cost_usd: z.number(),
  })
  .meta({ id: 'BillingStatus' });

export const usageRoutes: readonly Route[] = [
  route({
    ...reading,
    id: 'usage.get',
    path: '/v1/workspaces/usage',
    summary: 'What the workspace used, day by day; all of a run counts on the day it was accepted',
    query: z.object({
      since: Day.optional(),
      until: Day.optional(),
      group: z.enum(['day']).default('day'),
      tz: Zone,
    }),
    reply: Usage,
    handle: async ({ actor, query }, { usage }) => ({
      ...(await usage.usage(actor.workspaceId, query)),
      group: query.group,
    }),
  }),
  route({
    ...reading,
    id: 'billing.status',
    path: '/v1/workspaces/billing/status',
    summary: 'What the workspace used this month, beside what the plan of its organisation is meant for',
    query: z.object({ tz: Zone }),
    reply: Billing,
    handle: async ({ actor, query: { tz } }, { usage }) => ({
      ...(await usage.billing(actor.workspaceId, tz)),
      limits_enforced: false,
    }),
  }),
];
