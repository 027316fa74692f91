import { sql, type Selectable } from 'kysely';
import type { RunRef } from '../workflows/contract/run.js';
import type { Json, Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { Tables } from './tables.js';
import type { CallStatus } from './tables/calls.js';
import { jsonText } from './values.js';

export interface NewCall {
  readonly definitionId: string;
  readonly workflowSlug: string;
  readonly userId: string | null;
  readonly callType: 'voip' | 'sip';
  readonly phoneNumber: string | null;
  readonly direction: 'inbound' | 'outbound';
  readonly roomName: string;
  readonly userContext: Readonly<Record<string, Json>>;
  readonly metadata: Readonly<Record<string, Json>>;
  readonly isLive: boolean;
}

/** Beside its run's row, in the same transaction; a call that is there stays as it is. */
export async function insertCall(db: Database, { workspaceId, runId }: RunRef, call: NewCall): Promise<void> {
  await scoped(db, workspaceId)
    .insert('calls', {
      run_id: runId,
      definition_id: call.definitionId,
      workflow_slug: call.workflowSlug,
      user_id: call.userId,
      call_type: call.callType,
      phone_number: call.phoneNumber,
      direction: call.direction,
      room_name: call.roomName,
      user_context: jsonText(call.userContext),
      metadata: jsonText(call.metadata),
      is_live: call.isLive,
    })
    .onConflict((conflict) => conflict.column('run_id').doNothing())
    .execute();
}

/** A call with its time so far, if it is not over. */
export type CallRow = Selectable<Tables['calls']>;

export const OPEN_CALL = ['pending', 'connecting', 'active'] as const satisfies readonly CallStatus[];

/** How long the user and the agents have been talking. */
const soFar = sql<number | null>`coalesce(duration_seconds, case when connected_at is not null then
  round(greatest(extract(epoch from clock_timestamp() - connected_at), 0)::numeric, 3)::float8 end)`;

const selectCalls = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId).select('calls').selectAll('calls').select(soFar.as('duration_seconds'));

export const findCall = (db: Database, { workspaceId, runId }: RunRef): Promise<CallRow | undefined> =>
  selectCalls(db, workspaceId).where('run_id', '=', runId).executeTakeFirst();

export interface CallFilter {
  readonly status?: readonly CallStatus[] | undefined;
  readonly workflowSlug?: string | undefined;
  readonly userId?: string | undefined;
  /** Of the moment it was asked for. */
  readonly after?: Date | undefined;
  readonly before?: Date | undefined;
}

/** The newest first. */
export async function listCalls(
  db: Database,
  workspaceId: string,
  { filter, limit, offset }: { readonly filter: CallFilter; readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly CallRow[]; readonly total: number }> {
  const items = await selectCalls(db, workspaceId)
    .where(fits(filter))
    .orderBy('created_at', 'desc')
    .orderBy('run_id', 'desc')
    .limit(limit)
    .offset(offset)
    .execute();
  return { items, total: await countCalls(db, workspaceId, filter) };
}

export async function countCalls(db: Database, workspaceId: string, filter: CallFilter): Promise<number> {
  const { total } = await scoped(db, workspaceId)
    .select('calls')
    .select((eb) => eb.fn.countAll<string>().as('total'))
    .where(fits(filter))
    .executeTakeFirstOrThrow();
  return Number(total);
}

export const callsByIds = (db: Database, workspaceId: string, ids: readonly string[]): Promise<readonly CallRow[]> =>
  ids.length === 0
    ? Promise.resolve([])
    : selectCalls(db, workspaceId).where('run_id', 'in', ids).orderBy('created_at').orderBy('run_id').execute();

function fits({ status, workflowSlug, userId, after, before }: CallFilter) {
  const parts = [sql<boolean>`true`];
  if (status !== undefined) parts.push(sql<boolean>`calls.status = any(${[...status]}::text[])`);
  if (workflowSlug !== undefined) parts.push(sql<boolean>`calls.workflow_slug = ${workflowSlug}`);
  if (userId !== undefined) parts.push(sql<boolean>`calls.user_id = ${userId}`);
  if (after !== undefined) parts.push(sql<boolean>`calls.created_at >= ${after}`);
  if (before !== undefined) parts.push(sql<boolean>`calls.created_at < ${before}`);
  return sql<boolean>`(${sql.join(parts, sql` and `)})`;
}

export interface SpokenWords {
  readonly role: 'user' | 'assistant';
  readonly agent: string;
  readonly content: string;
  readonly timestamp: Date;
}

/** Everything that was said, in order and whole, as the log has it; what is cut there is read from its step. */
export async function callTranscript(db: Database, { workspaceId, runId }: RunRef): Promise<readonly SpokenWords[]> {
  const { rows } = await sql<SpokenWords>`
    select data ->> 'role' as role, data ->> 'agent' as agent, at as timestamp,
      case when (data ->> 'cut')::boolean then coalesce((
        select case when data ->> 'key' like '%:greeting' then s.said
          else value_text(whole_value(s.output::jsonb, ${workspaceId})) end
        from run_steps s where s.run_id = ${runId} and s.key = regexp_replace(data ->> 'key', ':greeting$', '')),
        data ->> 'content') else data ->> 'content' end as content
    from run_events
    where run_id = ${runId} and workspace_id = ${workspaceId} and type = 'call' and data ? 'key'
    order by seq`.execute(db);
  return rows;
}

/** The definition a call runs: one of agents that is published and not paused. */
export async function callWorkflow(
  db: Database,
  workspaceId: string,
  slug: string,
): Promise<{ readonly id: string; readonly name: string; readonly document: Json } | undefined> {
  return scoped(db, workspaceId)
    .select('definitions')
    .innerJoin('versions', 'versions.id', 'definitions.version_id')
    .select(['definitions.id', 'definitions.name', 'versions.document'])
    .where('definitions.kind', '=', 'agent_dag')
    .where('definitions.slug', '=', slug)
    .where('definitions.status', '=', 'published')
    .where('definitions.deleted_at', 'is', null)
    .executeTakeFirst();
}

export interface LastWords {
  readonly agent: string;
  readonly output: Value;
}

/** What ended this turn of a call, where its step said so itself: all that was said in it. */
export async function lastWords(
  db: Database,
  { workspaceId, runId }: RunRef,
  turn: string,
): Promise<LastWords | undefined> {
  const step = await scoped(db, workspaceId)
    .select('runs')
    .innerJoin('run_steps', 'run_steps.run_id', 'runs.id')
    .select(['run_steps.label as agent', 'run_steps.output', 'run_steps.ended_turn'])
    .where('runs.id', '=', runId)
    .where('run_steps.kind', '=', 'agent_turn')
    .orderBy('run_steps.seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return step?.ended_turn === turn && step.output !== null ? { agent: step.agent, output: step.output } : undefined;
}
