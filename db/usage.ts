import { sql } from 'kysely';
import type { Database } from './client.js';

/** What a workspace used, by the day of its own time zone on which each run was accepted: all that a run does counts there. */

export interface UsageRange {
  readonly workspaceId: string;
  /** IANA name. */
  readonly tz: string;
  /** First and last day, `YYYY-MM-DD`. */
  readonly since: string;
  readonly until: string;
}

export interface UsageDay {
  readonly date: string;
  /** Runs that were started for themselves, not as part of another. */
  readonly runs: number;
  readonly queued: number;
  readonly running: number;
  readonly waiting: number;
  readonly paused: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly conversations: number;
  /** Conversations in which a model answered. */
  readonly ai_conversations: number;
  readonly steps: number;
  readonly tool_calls: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: number;
  /** What users said, and what was sent to people. */
  readonly messages: number;
  /** From the start of each run to its end, or to now. */
  readonly minutes: number;
}

/** The runs of the range; the other parts count what these did. */
const picked = ({ workspaceId, tz, since, until }: UsageRange) => sql`
  select id, status, parent_run_id, is_conversation, started_at, ended_at, (created_at at time zone ${tz})::date as day
  from runs where workspace_id = ${workspaceId}
    and created_at >= ${since}::date::timestamp at time zone ${tz}
    and created_at < (${until}::date + 1)::timestamp at time zone ${tz}`;

const topLevel = sql`count(*) filter (where parent_run_id is null`;

const byRun = sql`
  select day, ${topLevel})::int as runs, ${topLevel} and status = 'queued')::int as queued,
    ${topLevel} and status = 'running')::int as running, ${topLevel} and status = 'waiting')::int as waiting,
    ${topLevel} and status = 'paused')::int as paused, ${topLevel} and status = 'completed')::int as completed,
    ${topLevel} and status = 'failed')::int as failed, ${topLevel} and status = 'cancelled')::int as cancelled,
    ${topLevel} and is_conversation)::int as conversations,
    coalesce(sum(extract(epoch from coalesce(ended_at, now()) - started_at))
      filter (where parent_run_id is null), 0) / 60 as minutes
  from picked group by day`;

/** Each of the questions about steps is one that an index answers by itself. */
const byStep = sql`
  select day, count(*)::int as steps from picked join run_steps s on s.run_id = picked.id group by day`;

const byKind = sql`
  select day, count(*) filter (where s.kind = 'tool')::int as tool_calls,
    count(*) filter (where is_conversation and s.kind = 'listen' and s.status = 'completed'
      and s.decided_by is distinct from 'timeout')::int as heard
  from picked join run_steps s on s.run_id = picked.id where s.kind in ('listen', 'tool') group by day`;

const byCost = sql`
  select day, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(usd) as cost_usd,
    count(*) filter (where is_conversation)::int as ai_conversations
  from (
    select picked.id, picked.day, picked.is_conversation, sum((s.cost ->> 'input_tokens')::float8) as input_tokens,
      sum((s.cost ->> 'output_tokens')::float8) as output_tokens, sum((s.cost ->> 'usd')::float8) as usd
    from picked join run_steps s on s.run_id = picked.id where s.cost is not null
    group by picked.id, picked.day, picked.is_conversation
  ) spent group by day`;

const byEffect = sql`
  select day, count(*)::int as sent from picked join effects e on e.run_id = picked.id
  where e.status = 'done' and e.kind in ('email', 'channel_send', 'notify') group by day`;

const columns = sql`
  to_char(d, 'YYYY-MM-DD') as date, coalesce(runs, 0) as runs, coalesce(queued, 0) as queued,
  coalesce(running, 0) as running, coalesce(waiting, 0) as waiting, coalesce(paused, 0) as paused,
  coalesce(completed, 0) as completed, coalesce(failed, 0) as failed, coalesce(cancelled, 0) as cancelled,
  coalesce(conversations, 0) as conversations, coalesce(ai_conversations, 0) as ai_conversations,
  coalesce(steps, 0) as steps, coalesce(tool_calls, 0) as tool_calls,
  coalesce(input_tokens, 0)::float8 as input_tokens, coalesce(output_tokens, 0)::float8 as output_tokens,
  round(coalesce(cost_usd, 0)::numeric, 6)::float8 as cost_usd, coalesce(heard, 0) + coalesce(sent, 0) as messages,
  round(coalesce(minutes, 0), 2)::float8 as minutes`;

export const usageQuery = (range: UsageRange) => sql<UsageDay>`
  with picked as materialized (${picked(range)}), by_run as (${byRun}), by_step as (${byStep}), by_kind as (${byKind}),
    by_cost as (${byCost}), by_effect as (${byEffect})
  select ${columns}
  from generate_series(${range.since}::date::timestamp, ${range.until}::date::timestamp, interval '1 day') d
    left join by_run on by_run.day = d::date left join by_step on by_step.day = d::date
    left join by_kind on by_kind.day = d::date left join by_cost on by_cost.day = d::date
    left join by_effect on by_effect.day = d::date
  order by d`;

/** Days without a run are there too. */
export const usageByDay = async (db: Database, range: UsageRange): Promise<readonly UsageDay[]> =>
  (await usageQuery(range).execute(db)).rows;

/** The organisation's plan, and how many people may enter the workspace. */
export async function findPlan(
  db: Database,
  workspaceId: string,
): Promise<{ readonly plan: string; readonly members: number } | undefined> {
  const { rows } = await sql<{ plan: string; members: number }>`
    with recursive line as (
      select id, parent_id from workspaces where id = ${workspaceId}
      union
      select p.id, p.parent_id from workspaces p join line on p.id = line.parent_id
    )
    select t.plan, (select count(distinct m.user_id)::int from memberships m join line on line.id = m.workspace_id) as members
    from workspaces w join tenants t on t.id = w.tenant_id where w.id = ${workspaceId}`.execute(db);
  return rows[0];
}
