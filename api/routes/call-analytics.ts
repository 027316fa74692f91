import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Page, pageOf, Time } from '../http/schemas.js';
import { errorLevels, intervals, periods } from '../services/calls/analytics.js';
import { Moment } from './run-schemas.js';

const reading = { method: 'GET', tag: 'analytics', auth: 'tenant', scope: 'analytics:read' } as const;

const At = Moment.transform((text) => new Date(text));
const edges = {
  started_after: At.optional().meta({
    description: 'Of calls asked for at this moment or later, instead of the period',
  }),
  started_before: At.optional().meta({ description: 'And before this one; now without it' }),
};
const Period = z.object({ period: z.enum(periods).default('24h'), ...edges });

const Count = z.number().int();
const Percent = z.number().meta({ description: 'Completed ones of a hundred calls that are over' });
const Latency = z.number().nullable().meta({ description: 'Of a turn on average; null where nothing was measured' });
const totals = { total_calls: Count, completed_calls: Count, failed_calls: Count };
const rates = { success_rate: Percent, avg_duration_seconds: z.number() };

const Summary = z
  .object({
    ...totals,
    active_calls: Count,
    ...rates,
    total_tokens: z.number(),
    avg_stt_latency_ms: Latency,
    avg_llm_latency_ms: Latency,
    avg_tts_latency_ms: Latency,
  })
  .meta({ id: 'CallSummary' });

const Volume = z
  .object({
    interval: z.enum(intervals),
    data: z.array(z.object({ timestamp: Time, total: Count, completed: Count, failed: Count })),
  })
  .meta({ id: 'CallVolume' });

const WorkflowStats = z
  .object({
    workflow_id: z.string(),
    workflow_slug: z.string(),
    workflow_name: z.string(),
    ...totals,
    ...rates,
  })
  .meta({ id: 'CallWorkflowStats' });

const CallError = z
  .object({
    id: z.string(),
    call_id: z.string(),
    level: z.enum(errorLevels),
    error_type: z.string(),
    message: z.string(),
    agent: z.string().nullable(),
    timestamp: Time,
  })
  .meta({ id: 'CallError' });

export const callAnalyticsRoutes: readonly Route[] = [
  route({
    ...reading,
    id: 'callAnalytics.summary',
    path: '/api/v1/analytics/summary',
    summary: 'How many calls there were, how they ended and what they took',
    query: Period,
    reply: Summary,
    handle: ({ actor, query }, { analytics }) => analytics.summary(actor, query),
  }),
  route({
    ...reading,
    id: 'callAnalytics.volume',
    path: '/api/v1/analytics/call-volume',
    summary: 'Calls by the hour, day or week of UTC, empty ones too',
    query: Period.extend({ interval: z.enum(intervals).default('hour') }),
    reply: Volume,
    handle: ({ actor, query }, { analytics }) => analytics.volume(actor, query),
  }),
  route({
    ...reading,
    id: 'callAnalytics.workflows',
    path: '/api/v1/analytics/workflow-stats',
    summary: 'Calls by workflow, the most called first',
    query: Period,
    reply: z.array(WorkflowStats),
    handle: ({ actor, query }, { analytics }) => analytics.workflows(actor, query),
  }),
  route({
    ...reading,
    id: 'callAnalytics.errors',
    path: '/api/v1/analytics/errors',
    summary: 'Calls that failed, and as warnings those that a silence ended; the newest first',
    query: Page.extend({
      level: z.enum(errorLevels).optional(),
      type: z.string().max(100).optional().meta({ description: 'Of the error, such as timeout' }),
      period: z.enum(periods).optional(),
      ...edges,
    }),
    reply: pageOf(CallError),
    handle: async ({ actor, query }, { analytics }) => ({
      ...(await analytics.errors(actor, query)),
      limit: query.limit,
      offset: query.offset,
    }),
  }),
];
