import type { Database } from '../../db/client.js';
import { findPlan, usageByDay, type UsageDay, type UsageRange } from '../../db/usage.js';
import { canonicalZone } from '../../workflows/definition/zones.js';
import { invalid, notFound } from '../http/errors.js';
import { limitsOf, type PlanLimits } from './plans.js';

export interface UsageQuery {
  /** Days, or moments whose day counts. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly tz: string;
}

export type UsageCounts = Omit<UsageDay, 'date'>;

export interface Usage {
  readonly plan: typeof EVERYTHING;
  readonly organisation_plan: string;
  readonly since: string;
  readonly until: string;
  readonly tz: string;
  readonly sessions_this_month: number;
  readonly ai_conversations: number;
  readonly tool_calls: number;
  readonly members: number;
  readonly totals: UsageCounts;
  readonly days: readonly UsageDay[];
}

interface Used {
  readonly used: number;
  readonly limit: number | null;
}

export interface BillingStatus {
  readonly plan: typeof EVERYTHING;
  readonly organisation_plan: string;
  /** First and last day. */
  readonly period: { readonly start: string; readonly end: string; readonly tz: string };
  readonly seats: Used;
  readonly usage: Readonly<Record<Exclude<keyof PlanLimits, 'seats'>, Used>>;
  readonly cost_usd: number;
}

export interface UsageService {
  readonly usage: (workspaceId: string, query: UsageQuery) => Promise<Usage>;
  readonly billing: (workspaceId: string, tz: string) => Promise<BillingStatus>;
}

/** Nothing here is held back from anybody, whatever the organisation's plan. */
const EVERYTHING = 'enterprise';
const MAX_DAYS = 366;
const DEFAULT_DAYS = 30;
const DAY_MS = 86_400_000;

export const createUsageService = ({ db }: { readonly db: Database }): UsageService => ({
  usage: (workspaceId, query) => usageOf(db, workspaceId, query),
  billing: (workspaceId, tz) => billingOf(db, workspaceId, readZone(tz)),
});

async function usageOf(db: Database, workspaceId: string, query: UsageQuery): Promise<Usage> {
  const tz = readZone(query.tz);
  const range = readRange(query, tz);
  const { plan, members } = await planOf(db, workspaceId);
  const days = await usageByDay(db, { workspaceId, tz, ...range });
  const month = totalOf(await usageByDay(db, { workspaceId, tz, ...monthOf(today(tz)) }));
  return {
    ...{ plan: EVERYTHING, organisation_plan: plan, ...range, tz, members },
    sessions_this_month: month.conversations,
    ai_conversations: month.ai_conversations,
    tool_calls: month.tool_calls,
    totals: totalOf(days),
    days,
  };
}

async function billingOf(db: Database, workspaceId: string, tz: string): Promise<BillingStatus> {
  const { plan, members } = await planOf(db, workspaceId);
  const month = monthOf(today(tz));
  const used = totalOf(await usageByDay(db, { workspaceId, tz, ...month }));
  const limits = limitsOf(plan);
  return {
    ...{ plan: EVERYTHING, organisation_plan: plan },
    period: { start: month.since, end: month.until, tz },
    seats: { used: members, limit: limits.seats },
    usage: {
      runs: { used: used.runs, limit: limits.runs },
      steps: { used: used.steps, limit: limits.steps },
      tokens: { used: used.input_tokens + used.output_tokens, limit: limits.tokens },
      messages: { used: used.messages, limit: limits.messages },
      minutes: { used: used.minutes, limit: limits.minutes },
    },
    cost_usd: used.cost_usd,
  };
}

async function planOf(db: Database, workspaceId: string) {
  const found = await findPlan(db, workspaceId);
  if (found === undefined) throw notFound('workspace', workspaceId);
  return found;
}

/** Offsets are no zones: Postgres reads `+02:00` the other way round. */
function readZone(tz: string): string {
  const zone = /^[a-z]/i.test(tz) ? canonicalZone(tz) : null;
  if (zone !== null) return zone;
  const message = `"${tz}" is no IANA time zone; write it as Europe/Berlin or UTC`;
  throw invalid([{ field: 'tz', loc: ['query', 'tz'], message }]);
}

type Days = Pick<UsageRange, 'since' | 'until'>;

function readRange(query: UsageQuery, tz: string): Days {
  const until = query.until === undefined ? today(tz) : readDay('until', query.until, tz);
  const since = query.since === undefined ? plusDays(until, 1 - DEFAULT_DAYS) : readDay('since', query.since, tz);
  if (since > until) throw wrong('since', `must not be after until (${until})`);
  if (plusDays(since, MAX_DAYS - 1) < until) throw wrong('since', `must be at most ${MAX_DAYS} days before until`);
  return { since, until };
}

const wrong = (field: string, message: string): Error => invalid([{ field, loc: ['query', field], message }]);

/** A day as it is, a moment as the day it lies in. */
function readDay(field: string, text: string, tz: string): string {
  const day = text.includes('T') ? localDay(new Date(text), tz) : text;
  if (/^(19[7-9]\d|2\d{3})-\d\d-\d\d$/.test(day)) return day;
  throw wrong(field, 'must lie between the years 1970 and 2999');
}

const today = (tz: string): string => localDay(new Date(), tz);

function localDay(at: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const { year = '', month, day } = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${year.padStart(4, '0')}-${month}-${day}`;
}

const plusDays = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);

/** The calendar month that a day lies in. */
function monthOf(day: string): Days {
  const since = `${day.slice(0, 7)}-01`;
  const next = plusDays(since, 31).slice(0, 7);
  return { since, until: plusDays(`${next}-01`, -1) };
}

function totalOf(days: readonly UsageDay[]): UsageCounts {
  const sum = (of: keyof UsageCounts): number => days.reduce((total, day) => total + day[of], 0);
  const names = Object.keys(zero) as (keyof UsageCounts)[]; // -- reason: the keys of `zero` are these
  // -- reason: every name of `zero` is there
  const totals = Object.fromEntries(names.map((name) => [name, sum(name)])) as Record<keyof UsageCounts, number>;
  // sums of decimals are rounded as their parts are
  return { ...totals, cost_usd: rounded(totals.cost_usd, 6), minutes: rounded(totals.minutes, 2) };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

const zero: UsageCounts = {
  ...{ runs: 0, queued: 0, running: 0, waiting: 0, paused: 0, completed: 0, failed: 0, cancelled: 0 },
  ...{ conversations: 0, ai_conversations: 0, steps: 0, tool_calls: 0, input_tokens: 0, output_tokens: 0 },
  ...{ cost_usd: 0, messages: 0, minutes: 0 },
};
