import { sql, type RawBuilder } from 'kysely';
import type { Flush, RunRef, StepRecord, WaitSettlement } from '../workflows/contract/run.js';
import type { RunEnd } from '../workflows/engine/state.js';
import { failureShape } from './fingerprint.js';
import { jsonText, jsonTextOrNull } from './values.js';

/**
 * The parts of a write to the read model, as common table expressions: together one statement. Each takes the run's row
 * first (`held`), so that two writers of one run never wait for each other in a circle.
 */

const ENDED = sql`('completed', 'failed', 'cancelled')`;

export const flushParts = (run: RunRef, flush: Flush): RawBuilder<unknown> =>
  sql.join([heldPart(run), ...changesIn(flush)], sql`, `);

/** A run that is held and has not ended. */
export const livingPart = sql`living as (select * from held where is_open)`;

/** What a step that begins to wait changes, of a run that lives. */
export const waitingParts = (step: StepRecord): RawBuilder<unknown> =>
  sql`${stepsPart([step], sql`living`)}, ${statusPart({ status: 'waiting', seq: step.seq, taken: null })}`;

function changesIn(flush: Flush): readonly RawBuilder<unknown>[] {
  const parts: RawBuilder<unknown>[] = [];
  if (flush.steps.length > 0) parts.push(stepsPart(newestOfEach(flush.steps)));
  if (flush.settlements.length > 0) parts.push(settlementsPart(flush.settlements));
  if (flush.settlements.some(({ votes = [] }) => votes.length > 0)) parts.push(votesPart(flush.settlements));
  if (flush.status !== null || flush.taken !== null || flush.response !== undefined) parts.push(statusPart(flush));
  return parts;
}

/** The run's row, locked: where a part selects from it, nothing is written before the lock is had. */
export const heldPart = ({ runId, workspaceId }: RunRef): RawBuilder<unknown> =>
  sql`held as materialized (
    select id, workspace_id as run_workspace, status not in ${ENDED} as is_open
    from runs where id = ${runId} and workspace_id = ${workspaceId} for no key update
  )`;

/** One statement touches a row once. */
function newestOfEach(steps: readonly StepRecord[]): readonly StepRecord[] {
  const newest = new Map<string, StepRecord>();
  for (const step of steps) {
    const known = newest.get(step.key);
    if (known === undefined || known.seq <= step.seq) newest.set(step.key, step);
  }
  return [...newest.values()];
}

function stepsPart(steps: readonly StepRecord[], runs = sql`held`): RawBuilder<unknown> {
  return sql`flushed as (
    insert into run_steps (run_id, key, scope, node_id, visit, seq, kind, label, status, input, output, error, taken,
      port, decided_by, said, started_at, ended_at)
    select ${runs}.id, s.key, s.scope, s."nodeId", s.visit, s.seq, s.kind, s.label, s.status, s.input, s.output,
      s.error, s.taken, s.port, s."decidedBy", s.said, to_timestamp(s."startedAt" / 1000.0),
      to_timestamp(s."endedAt" / 1000.0)
    from ${runs}, json_to_recordset(${jsonText(steps)}::json) as s(key text, scope text, "nodeId" text, visit int, seq int,
      kind text, label text, status text, input json, output json, error jsonb, taken text, port text,
      "decidedBy" text, said text, "startedAt" float8, "endedAt" float8)
    on conflict (run_id, key) do update set
      seq = excluded.seq,
      status = case when run_steps.status = 'completed' then 'completed' else excluded.status end,
      output = coalesce(run_steps.output, excluded.output),
      error = coalesce(excluded.error, run_steps.error),
      taken = coalesce(excluded.taken, run_steps.taken),
      port = coalesce(excluded.port, run_steps.port),
      decided_by = coalesce(excluded.decided_by, run_steps.decided_by),
      said = coalesce(excluded.said, run_steps.said),
      ended_at = coalesce(run_steps.ended_at, excluded.ended_at)
    where run_steps.seq <= excluded.seq
  )`;
}

function settlementsPart(settlements: readonly WaitSettlement[]): RawBuilder<unknown> {
  return sql`settled as (
    update waits set
      status = case
        when waits.kind = 'decision' then case when t.outcome in ('approved', 'resolved') then 'approved' else 'denied' end
        when t.outcome in ('expired', 'cancelled') then t.outcome
        else 'resolved' end,
      decided_by = t.by, decided_at = to_timestamp(t.at / 1000.0), note = t.note, result = nullif(t.value::text, 'null')::json
    from held, json_to_recordset(${jsonText(settlements)}::json)
      as t(token text, outcome text, by text, note text, value json, at float8)
    where waits.id = t.token and waits.run_id = held.id and waits.status = 'pending'
  )`;
}

function votesPart(settlements: readonly WaitSettlement[]): RawBuilder<unknown> {
  const votes = settlements.flatMap(({ token, votes = [] }) => votes.map((vote) => ({ token, ...vote })));
  return sql`voted as (
    insert into wait_votes (wait_id, workspace_id, by, decision, note, data, shown_hash, at)
    select waits.id, waits.workspace_id, v.by, v.decision, v.note, nullif(v.value::text, 'null')::json, v."shownHash",
      to_timestamp(v.at / 1000.0)
    from held, json_to_recordset(${jsonText(votes)}::json)
      as v(token text, by text, decision text, note text, value json, "shownHash" text, at float8)
    join waits on waits.id = v.token
    where waits.run_id = held.id
    on conflict (wait_id, by) do nothing
  )`;
}

/** A status counts only in its order; an answer to a caller counts whenever it comes, but once. */
function statusPart({ status, seq, taken, response }: Omit<Flush, 'steps' | 'settlements'>): RawBuilder<unknown> {
  const counts = sql`(seq <= ${seq} and status not in ${ENDED})`;
  return sql`moved as (
    update runs set
      status = case when ${counts} then coalesce(${status}::text, status) else status end,
      seq = case when ${counts} then ${seq} else seq end,
      branch_taken = case when ${counts} then coalesce(${taken}::text, branch_taken) else branch_taken end,
      started_at = coalesce(started_at, clock_timestamp()),
      response = coalesce(response, ${jsonTextOrNull(response)}::json)
    from held where runs.id = held.id and (${counts} or (${response !== undefined} and response is null))
  )`;
}

export function endPart({ seq, taken, response }: Flush, end: RunEnd): RawBuilder<unknown> {
  const output = end.status === 'completed' ? jsonText(end.output) : null;
  const error = end.status === 'completed' ? null : end.error;
  const shape = end.status === 'failed' ? failureShape(end.error) : null;
  return sql`ended as (
    update runs set
      status = ${end.status}, seq = greatest(seq, ${seq}), output = ${output}::json,
      error = ${jsonTextOrNull(error)}::jsonb, fingerprint = ${fingerprintOf(shape)},
      started_at = coalesce(started_at, clock_timestamp()), ended_at = clock_timestamp(),
      branch_taken = coalesce(${taken}::text, branch_taken),
      response = coalesce(response, ${jsonTextOrNull(response)}::json)
    from held where runs.id = held.id and status not in ${ENDED}
  )`;
}

/** Of the definition (of the kind, where there is none) and the shape of the error: alike failures have one. */
const fingerprintOf = (shape: string | null): RawBuilder<unknown> =>
  shape === null
    ? sql`null`
    : sql`left(encode(sha256(convert_to(coalesce(definition_id, definition_kind) || ${`\n${shape}`}::text, 'UTF8')), 'hex'), 16)`;

/** A run that is over waits for nobody: what is still open, and not settled in the same statement, is withdrawn. */
export function withdrawPart(settled: readonly WaitSettlement[]): RawBuilder<unknown> {
  const tokens = settled.map(({ token }) => token);
  return sql`withdrawn as (
    update waits set
      status = case when kind = 'decision' then 'denied' else 'cancelled' end,
      decided_by = 'system:run-ended', decided_at = clock_timestamp()
    from held where waits.run_id = held.id and waits.status = 'pending' and waits.id <> all(${tokens}::text[])
  )`;
}

/** Nothing works in a run that is over: a step that could not say how it ended, and is not told of in the same statement, was withdrawn. */
export function withdrawnStepsPart(told: readonly StepRecord[]): RawBuilder<unknown> {
  const keys = told.map(({ key }) => key);
  return sql`abandoned as (
    update run_steps set
      status = 'cancelled', decided_by = coalesce(decided_by, 'system:run-ended'), ended_at = clock_timestamp()
    from held where run_steps.run_id = held.id and run_steps.status in ('running', 'waiting', 'parked')
      and run_steps.key <> all(${keys}::text[])
  )`;
}
