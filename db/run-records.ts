import { sql, type RawBuilder } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { Cost, Flush, RunRef, StepRecord, StepStatus, WaitSettlement } from '../workflows/contract/run.js';
import type { Value } from '../workflows/definition/values.js';
import type { RunEnd } from '../workflows/engine/state.js';
import type { Database } from './client.js';

/**
 * The read model of runs. Every write is one statement, may be repeated, and never goes back: a lower `seq` does not
 * overwrite a higher one, and what has ended stays ended.
 */

export const NOTHING_TO_FLUSH: Flush = { steps: [], settlements: [], status: null, seq: 0, taken: null };

const ENDED = sql`('completed', 'failed', 'cancelled')`;

/** Writes transitions only the workflow knew of. */
export async function writeFlush(db: Database, run: RunRef, flush: Flush): Promise<void> {
  if (isEmpty(flush)) return;
  await sql`with ${flushParts(run, flush)} select 1`.execute(db);
}

export async function writeEnd(
  db: Database,
  run: RunRef,
  { flush, end }: { readonly flush: Flush; readonly end: RunEnd },
): Promise<void> {
  await sql`with ${flushParts(run, { ...flush, status: null, taken: null })}, ${endPart(run, flush, end)} select 1`.execute(
    db,
  );
}

export interface StepStart {
  readonly key: string;
  readonly nodeId: string;
  readonly visit: number;
  readonly scope: string;
  readonly seq: number;
  readonly kind: string;
  readonly label: string;
  readonly input: Value;
  readonly round: number;
}

export interface BegunStep {
  readonly status: StepStatus;
  readonly output: Value | null;
  /** Failed attempts of this round so far. */
  readonly failures: number;
  readonly attempt: number;
  readonly vars: Readonly<Record<string, Value>> | null;
}

/** Marks a step as running and answers what is known of it: a completed one keeps its output and is not run again. */
export async function beginStep(
  db: Database,
  run: RunRef,
  { step, flush }: { readonly step: StepStart; readonly flush: Flush },
): Promise<BegunStep> {
  const { rows } = await sql<BegunStep>`
    with ${flushParts(run, flush)}
    insert into run_steps
      (run_id, key, scope, node_id, visit, seq, kind, label, status, input, round, started_at)
    values (${run.runId}, ${step.key}, ${step.scope}, ${step.nodeId}, ${step.visit}, ${step.seq}, ${step.kind},
      ${step.label}, 'running', ${JSON.stringify(step.input)}, ${step.round}, clock_timestamp())
    on conflict (run_id, key) do update set
      status = case when run_steps.status = 'completed' then 'completed' else 'running' end,
      attempt = run_steps.attempt + case when run_steps.status = 'completed' then 0 else 1 end,
      failures = case when run_steps.round < excluded.round then 0 else run_steps.failures end,
      round = greatest(run_steps.round, excluded.round)
    returning status, output, failures, attempt, vars`.execute(db);
  const [begun] = rows;
  if (begun === undefined) throw new Error('a step row was neither written nor found');
  return begun;
}

export interface StepEnd {
  readonly key: string;
  readonly status: StepStatus;
  readonly output: Value | null;
  readonly error: NodeError | null;
  /** Counts this attempt against the node's policy. */
  readonly failed: boolean;
  /** The run's end when it ends with this step. */
  readonly finished: Flush | null;
  readonly vars: Readonly<Record<string, Value>> | null;
  /** Of this attempt; a step costs what its attempts cost together. */
  readonly cost: Cost | null;
  readonly decidedBy: string | null;
}

/** Ends an attempt of a step and, when the run ends with it, the run. */
export async function endStep(db: Database, run: RunRef, step: StepEnd): Promise<void> {
  const { finished } = step;
  const end = { status: 'completed', output: step.output ?? { json: null } } as const;
  const runPart = finished === null ? sql`nothing as (select 1)` : endPart(run, finished, end);
  await sql`
    with ${runPart}
    update run_steps set
      status = ${step.status},
      output = ${step.output === null ? null : JSON.stringify(step.output)},
      error = ${step.error === null ? null : JSON.stringify(step.error)},
      failures = failures + ${step.failed ? 1 : 0},
      vars = ${step.vars === null ? null : JSON.stringify(step.vars)},
      cost = ${addedCost(step.cost)},
      decided_by = ${step.decidedBy},
      ended_at = ${step.status === 'running' ? null : sql`clock_timestamp()`}
    where run_id = ${run.runId} and key = ${step.key} and status <> 'completed'
  `.execute(db);
}

function addedCost(cost: Cost | null): RawBuilder<unknown> {
  if (cost === null) return sql`cost`;
  const part = (name: keyof Cost): RawBuilder<unknown> =>
    sql`${name}::text, coalesce((cost ->> ${name})::float8, 0) + ${cost[name]}::float8`;
  return sql`jsonb_build_object(${sql.join([part('usd'), part('input_tokens'), part('output_tokens')])})`;
}

/** Writes a decision at once, so that whoever decided reads it back; the workflow's own write then changes nothing. */
export async function writeSettlement(
  db: Database,
  run: RunRef,
  told: { readonly settlement: WaitSettlement; readonly status: Flush['status']; readonly seq: number },
): Promise<void> {
  const { settlement, status, seq } = told;
  await writeFlush(db, run, { steps: [], settlements: [settlement], status, seq, taken: null });
}

const isEmpty = (flush: Flush): boolean =>
  flush.steps.length === 0 && flush.settlements.length === 0 && flush.status === null && flush.taken === null;

function flushParts(run: RunRef, flush: Flush): RawBuilder<unknown> {
  const parts = [sql`unused as (select 1)`];
  if (flush.steps.length > 0) parts.push(stepsPart(run, flush.steps));
  if (flush.settlements.length > 0) parts.push(settlementsPart(run, flush.settlements));
  if (flush.status !== null || flush.taken !== null) parts.push(statusPart(run, flush));
  return sql.join(parts, sql`, `);
}

function stepsPart(run: RunRef, steps: readonly StepRecord[]): RawBuilder<unknown> {
  return sql`flushed as (
    insert into run_steps
      (run_id, key, scope, node_id, visit, seq, kind, label, status, input, output, error, taken, started_at, ended_at)
    select ${run.runId}, s.key, s.scope, s."nodeId", s.visit, s.seq, s.kind, s.label, s.status, s.input, s.output, s.error, s.taken,
      to_timestamp(s."startedAt" / 1000.0), to_timestamp(s."endedAt" / 1000.0)
    from json_to_recordset(${JSON.stringify(steps)}::json) as s(key text, scope text, "nodeId" text, visit int, seq int, kind text,
      label text, status text, input json, output json, error jsonb, taken text, "startedAt" float8, "endedAt" float8)
    on conflict (run_id, key) do update set
      seq = excluded.seq,
      status = case when run_steps.status = 'completed' then 'completed' else excluded.status end,
      output = coalesce(run_steps.output, excluded.output),
      error = coalesce(excluded.error, run_steps.error),
      taken = coalesce(excluded.taken, run_steps.taken),
      ended_at = coalesce(run_steps.ended_at, excluded.ended_at)
    where run_steps.seq <= excluded.seq
  )`;
}

function settlementsPart(run: RunRef, settlements: readonly WaitSettlement[]): RawBuilder<unknown> {
  return sql`settled as (
    update waits set
      status = case when t.outcome = 'approved' then 'approved' else 'denied' end,
      decided_by = t.by, decided_at = to_timestamp(t.at / 1000.0), note = t.note
    from jsonb_to_recordset(${JSON.stringify(settlements)}::jsonb)
      as t(token text, outcome text, by text, note text, at float8)
    where waits.id = t.token and waits.run_id = ${run.runId}
      and waits.workspace_id = ${run.workspaceId} and waits.status = 'pending'
  )`;
}

function statusPart(run: RunRef, { status, seq, taken }: Flush): RawBuilder<unknown> {
  return sql`moved as (
    update runs set
      status = coalesce(${status}::text, status), seq = ${seq},
      started_at = coalesce(started_at, clock_timestamp()),
      branch_taken = coalesce(${taken}::text, branch_taken)
    where id = ${run.runId} and workspace_id = ${run.workspaceId} and seq <= ${seq} and status not in ${ENDED}
  )`;
}

function endPart(run: RunRef, { seq, taken }: Flush, end: RunEnd): RawBuilder<unknown> {
  const output = end.status === 'completed' ? JSON.stringify(end.output) : null;
  const error = end.status === 'completed' || end.error === null ? null : JSON.stringify(end.error);
  return sql`ended as (
    update runs set
      status = ${end.status}, seq = greatest(seq, ${seq}), output = ${output}::json, error = ${error}::jsonb,
      started_at = coalesce(started_at, clock_timestamp()), ended_at = clock_timestamp(),
      branch_taken = coalesce(${taken}::text, branch_taken)
    where id = ${run.runId} and workspace_id = ${run.workspaceId} and status not in ${ENDED}
  )`;
}
