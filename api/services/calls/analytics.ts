import {
  callErrors,
  callSummary,
  callVolume,
  workflowStats,
  type CallError,
  type CallInterval,
  type CallRange,
  type CallSummary,
  type VolumePoint,
  type WorkflowStats,
} from '../../../db/call-analytics.js';
import type { Database } from '../../../db/client.js';
import type { Actor } from '../../actor.js';
import { invalid } from '../../http/errors.js';
import { actingWorkspace } from '../acting-workspace.js';

export const periods = ['1h', '24h', '7d', '30d'] as const;
export const intervals = ['hour', 'day', 'week'] as const satisfies readonly CallInterval[];
export const errorLevels = ['error', 'warning'] as const;

export interface Period {
  readonly period?: (typeof periods)[number] | undefined;
  /** Either moves the edge of the period. */
  readonly started_after?: Date | undefined;
  readonly started_before?: Date | undefined;
}

/** Media is none of ours: how long hearing and speaking took is not known. */
export interface AnalyticsSummary extends CallSummary {
  readonly avg_stt_latency_ms: null;
  readonly avg_tts_latency_ms: null;
}

export interface CallErrorItem extends CallError {
  readonly id: string;
}

export interface AnalyticsService {
  readonly summary: (actor: Actor, period: Period) => Promise<AnalyticsSummary>;
  readonly volume: (
    actor: Actor,
    asked: Period & { readonly interval: CallInterval },
  ) => Promise<{ readonly interval: CallInterval; readonly data: readonly VolumePoint[] }>;
  readonly workflows: (actor: Actor, period: Period) => Promise<readonly WorkflowStats[]>;
  readonly errors: (
    actor: Actor,
    asked: Period & {
      readonly level?: CallError['level'] | undefined;
      readonly type?: string | undefined;
      readonly limit: number;
      readonly offset: number;
    },
  ) => Promise<{ readonly items: readonly CallErrorItem[]; readonly total: number }>;
}

export const createAnalyticsService = ({ db }: { readonly db: Database }): AnalyticsService => ({
  summary: async (actor, period) => ({
    ...(await callSummary(db, rangeOf(actor, period))),
    avg_stt_latency_ms: null,
    avg_tts_latency_ms: null,
  }),
  volume: async (actor, { interval, ...period }) => {
    const range = rangeOf(actor, period);
    checkPoints(range, interval);
    return { interval, data: await callVolume(db, range, interval) };
  },
  workflows: (actor, period) => workflowStats(db, rangeOf(actor, period)),
  errors: async (actor, { level = null, type = null, limit, offset, ...period }) => {
    const workspaceId = actingWorkspace(actor);
    const edges = Object.values(period).every((each) => each === undefined)
      ? { from: null, to: null }
      : rangeOf(actor, period);
    const { items, total } = await callErrors(db, { ...edges, workspaceId, level, type, limit, offset });
    return { items: items.map((item) => ({ id: `${item.call_id}:end`, ...item })), total };
  },
});

const HOUR_MS = 3_600_000;
const periodMs: Readonly<Record<(typeof periods)[number], number>> = {
  '1h': HOUR_MS,
  '24h': 24 * HOUR_MS,
  '7d': 7 * 24 * HOUR_MS,
  '30d': 30 * 24 * HOUR_MS,
};

function rangeOf(actor: Actor, { period = '24h', started_after: after, started_before: before }: Period): CallRange {
  const workspaceId = actingWorkspace(actor);
  const to = before ?? new Date();
  const from = after ?? new Date(to.getTime() - periodMs[period]);
  if (from < to) return { workspaceId, from, to };
  const field = after === undefined ? 'started_before' : 'started_after';
  throw wrong(field, `must leave a time in between: ${from.toISOString()} is not before ${to.toISOString()}`);
}

const intervalMs: Readonly<Record<CallInterval, number>> = {
  hour: HOUR_MS,
  day: 24 * HOUR_MS,
  week: 7 * 24 * HOUR_MS,
};

const MOST_POINTS = 2_000;

function checkPoints({ from, to }: CallRange, interval: CallInterval): void {
  const points = Math.ceil((to.getTime() - from.getTime()) / intervalMs[interval]);
  if (points <= MOST_POINTS) return;
  throw wrong(
    'interval',
    `would give ${points} points, of ${MOST_POINTS} at most: take a longer one, or a shorter time`,
  );
}

const wrong = (field: string, message: string): Error => invalid([{ field, loc: ['query', field], message }]);
