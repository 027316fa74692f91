import { sql } from 'kysely';
import type { Database } from './client.js';

/** Figures of a workspace's calls, by the moment each was asked for. */

export interface CallRange {
  readonly workspaceId: string;
  /** That moment is in. */
  readonly from: Date;
  /** And that is not. */
  readonly to: Date;
}

const inRange = ({ workspaceId, from, to }: CallRange) =>
  sql`workspace_id = ${workspaceId} and created_at >= ${from} and created_at < ${to}`;

const counts = sql`count(*)::int as total_calls, count(*) filter (where status = 'completed')::int as completed_calls,
  count(*) filter (where status = 'failed')::int as failed_calls`;

/** Of a hundred calls that are over, and how long those lasted in which somebody spoke. */
const rates = sql`
  coalesce(round(100.0 * count(*) filter (where status = 'completed') / nullif(count(ended_at), 0), 1), 0)::float8 as success_rate,
  coalesce(round((avg(duration_seconds) filter (where connected_at is not null))::numeric, 1), 0)::float8
    as avg_duration_seconds`;

const metric = (name: string) => sql`(metrics ->> ${sql.lit(name)})::float8`;

export interface CallSummary {
  readonly total_calls: number;
  readonly completed_calls: number;
  readonly failed_calls: number;
  readonly active_calls: number;
  readonly avg_duration_seconds: number;
  readonly success_rate: number;
  readonly total_tokens: number;
  /** Null where no model was asked. */
  readonly avg_llm_latency_ms: number | null;
}

export async function callSummary(db: Database, range: CallRange): Promise<CallSummary> {
  const { rows } = await sql<CallSummary>`
    select ${counts}, ${rates}, count(*) filter (where ended_at is null)::int as active_calls,
      coalesce(sum(${metric('input_tokens')} + ${metric('output_tokens')}), 0)::float8 as total_tokens,
      round((sum(${metric('llm_ms')}) / nullif(sum(${metric('turns')}), 0))::numeric, 1)::float8 as avg_llm_latency_ms
    from calls where ${inRange(range)}`.execute(db);
  const [summary] = rows;
  if (summary === undefined) throw new Error('figures of calls were asked for and not answered');
  return summary;
}

export type CallInterval = 'hour' | 'day' | 'week';

export interface VolumePoint {
  readonly timestamp: Date;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
}

/** A point for each hour, day or week (from Monday) of UTC, those without calls too. */
export async function callVolume(
  db: Database,
  range: CallRange,
  interval: CallInterval,
): Promise<readonly VolumePoint[]> {
  const start = (at: Date) => sql`date_trunc(${sql.lit(interval)}, ${at}::timestamptz, 'UTC')`;
  const { rows } = await sql<VolumePoint>`
    with counted as (
      select date_trunc(${sql.lit(interval)}, created_at, 'UTC') as at, count(*)::int as total,
        count(*) filter (where status = 'completed')::int as completed,
        count(*) filter (where status = 'failed')::int as failed
      from calls where ${inRange(range)} group by 1
    )
    select point as timestamp, coalesce(total, 0) as total, coalesce(completed, 0) as completed,
      coalesce(failed, 0) as failed
    from generate_series(${start(range.from)} at time zone 'UTC', ${range.to}::timestamptz at time zone 'UTC' - interval '1 microsecond',
      ${sql.lit(`1 ${interval}`)}::interval) as local
    cross join lateral (select local at time zone 'UTC' as point) points
    left join counted on counted.at = point order by point`.execute(db);
  return rows;
}

export interface WorkflowStats {
  readonly workflow_id: string;
  readonly workflow_slug: string;
  readonly workflow_name: string;
  readonly total_calls: number;
  readonly completed_calls: number;
  readonly failed_calls: number;
  readonly success_rate: number;
  readonly avg_duration_seconds: number;
}

/** By workflow, those with the most calls first; under the name and slug it has now. */
export async function workflowStats(db: Database, range: CallRange): Promise<readonly WorkflowStats[]> {
  const { rows } = await sql<WorkflowStats>`
    select d.id as workflow_id, d.slug as workflow_slug, d.name as workflow_name, stats.total_calls, stats.completed_calls,
      stats.failed_calls, stats.success_rate, stats.avg_duration_seconds
    from (select definition_id, ${counts}, ${rates} from calls where ${inRange(range)} group by definition_id) stats
    join definitions d on d.id = stats.definition_id and d.workspace_id = ${range.workspaceId}
    order by stats.total_calls desc, d.id`.execute(db);
  return rows;
}

export interface CallError {
  readonly call_id: string;
  readonly level: 'error' | 'warning';
  readonly error_type: string;
  readonly message: string;
  readonly agent: string | null;
  readonly timestamp: Date;
}

export interface CallErrorQuery {
  readonly workspaceId: string;
  readonly from: Date | null;
  readonly to: Date | null;
  readonly level: CallError['level'] | null;
  readonly type: string | null;
  readonly limit: number;
  readonly offset: number;
}

/** Calls that failed, and as warnings those that ended because nobody spoke any more; the newest first. */
export async function callErrors(
  db: Database,
  query: CallErrorQuery,
): Promise<{ readonly items: readonly CallError[]; readonly total: number }> {
  const { workspaceId, from, to, level, type, limit, offset } = query;
  const errors = sql`
    select c.run_id as call_id, case c.status when 'failed' then 'error' else 'warning' end as level,
      case c.status when 'failed' then coalesce(r.error ->> 'type', 'failed') else 'timeout' end as error_type,
      coalesce(r.error ->> 'message', case c.status when 'failed' then c.status_reason end,
        'The call ended after a silence.') as message,
      c.current_agent as agent, c.ended_at as timestamp
    from calls c join runs r on r.id = c.run_id
    where c.workspace_id = ${workspaceId} and c.status in ('failed', 'timeout')
      and (${from}::timestamptz is null or c.created_at >= ${from}) and (${to}::timestamptz is null or c.created_at < ${to})`;
  const wanted = sql`(${level}::text is null or level = ${level}) and (${type}::text is null or error_type = ${type})`;
  const { rows: items } = await sql<CallError>`
    select * from (${errors}) errors where ${wanted}
    order by timestamp desc, call_id desc limit ${limit} offset ${offset}`.execute(db);
  const { rows } = await sql<{ readonly total: number }>`
    select count(*)::int as total from (${errors}) errors where ${wanted}`.execute(db);
  return { items, total: rows[0]?.total ?? 0 };
}
