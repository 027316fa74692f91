import { sql, type RawBuilder } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { Cost, Flush, RunRef, StepRecord, StepStatus, WaitSettlement } from '../workflows/contract/run.js';
import type { Value } from '../workflows/definition/values.js';
import type { RunEnd } from '../workflows/engine/state.js';
import type { Database } from './client.js';
import {
  endPart,
  flushParts,
  heldPart,
  livingPart,
  waitingParts,
  withdrawnStepsPart,
  withdrawPart,
} from './flush-parts.js';
import { jsonText, jsonTextOrNull } from './values.js';
import { waitPart, type NewWait } from './waits.js';

/**
 * The read model of runs. Every write is one statement, may be repeated, and never goes back: a lower `seq` does not
 * overwrite a higher one, and what has ended stays ended.
 */

export const NOTHING_TO_FLUSH: Flush = { steps: [], settlements: [], status: null, seq: 0, taken: null };

/** Writes transitions only the workflow knew of. */
export async function writeFlush(db: Database, run: RunRef, flush: Flush): Promise<void> {
  if (isEmpty(flush)) return;
  await sql`with ${flushParts(run, flush)} select 1`.execute(db);
}

/** Ends the run, and with it whatever still waits. */
export async function writeEnd(
  db: Database,
  run: RunRef,
  { flush, end }: { readonly flush: Flush; readonly end: RunEnd },
): Promise<void> {
  const { steps, settlements, seq } = flush;
  const before = { steps, settlements, seq, status: null, taken: null };
  const withdrawn = sql`${withdrawPart(settlements)}, ${withdrawnStepsPart(steps)}`;
  await sql`with ${flushParts(run, before)}, ${withdrawn}, ${endPart(flush, end)}
    select 1`.execute(db);
}

export interface StepStart {
  /** `visitKey`. */
  readonly key: string;
  readonly nodeId: string;
  readonly visit: number;
  readonly scope: string;
  readonly seq: number;
  readonly kind: string;
  readonly label: string;
  readonly input: Value;
  /** Higher than the row's: a person started it anew, and its failures are counted from the start. */
  readonly round: number;
}

export interface BegunStep {
  readonly status: StepStatus;
  readonly output: Value | null;
  /** Failed attempts of this round so far. */
  readonly failures: number;
  readonly attempt: number;
  /** Of its first attempt. */
  readonly started_at: Date;
  /** Variables that the completed step set. */
  readonly vars: Readonly<Record<string, Value>> | null;
}

/** Marks a step as running and answers what is known of it: a completed one keeps its output and is not run again. */
export async function beginStep(
  db: Database,
  run: RunRef,
  { step, flush }: { readonly step: StepStart; readonly flush: Flush },
): Promise<BegunStep> {
  // what the flush says of this very step is older
  const others = { ...flush, steps: flush.steps.filter(({ key }) => key !== step.key) };
  const isDone = sql`run_steps.status = 'completed'`;
  const isAnew = sql`(excluded.round > run_steps.round and not ${isDone})`;
  const { rows } = await sql<BegunStep>`
    with ${flushParts(run, others)}
    insert into run_steps (run_id, key, scope, node_id, visit, seq, kind, label, status, round, input, started_at)
    select held.id, ${step.key}, ${step.scope}, ${step.nodeId}, ${step.visit}::int, ${step.seq}::int, ${step.kind},
      ${step.label}, 'running', ${step.round}::int, ${jsonText(step.input)}::json, clock_timestamp() from held
    on conflict (run_id, key) do update set
      status = case when ${isDone} then 'completed' else 'running' end,
      attempt = run_steps.attempt + case when ${isDone} then 0 else 1 end,
      failures = case when ${isAnew} then 0 else run_steps.failures end,
      error = case when ${isAnew} then null else run_steps.error end,
      seq = case when ${isAnew} then greatest(run_steps.seq, excluded.seq) else run_steps.seq end,
      ended_at = case when ${isDone} then run_steps.ended_at else null end,
      round = greatest(run_steps.round, excluded.round)
    returning status, output, failures, attempt, started_at, vars`.execute(db);
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
  /** Variables it set. */
  readonly vars: Readonly<Record<string, Value>> | null;
  /** What this attempt cost; a step costs what all its attempts did. */
  readonly cost: Cost | null;
  readonly decidedBy: string | null;
  /** The wait that is open once it has ended, and the step that waits. */
  readonly opens?: { readonly wait: NewWait; readonly step: StepRecord; readonly endedTurn: string | null } | undefined;
}

/** Ends an attempt of a step and, with it, the run; or opens the run's next wait. */
export async function endStep(db: Database, run: RunRef, step: StepEnd): Promise<void> {
  const { finished } = step;
  const end = { status: 'completed', output: step.output ?? { json: null } } as const;
  const runPart = finished === null ? sql`` : sql`, ${endPart(finished, end)}`;
  await sql`
    with ${heldPart(run)}${runPart}${opensPart(step)}
    update run_steps set
      status = ${step.status},
      output = ${jsonTextOrNull(step.output)}::json,
      error = ${jsonTextOrNull(step.error)}::jsonb,
      vars = ${jsonTextOrNull(step.vars)}::json,
      cost = ${step.cost === null ? sql`cost` : addedCost(step.cost)},
      decided_by = coalesce(${step.decidedBy}::text, decided_by),
      ended_turn = ${step.opens?.endedTurn ?? null},
      failures = failures + ${step.failed ? 1 : 0},
      ended_at = ${step.status === 'running' ? null : sql`clock_timestamp()`}
    from held where run_id = held.id and key = ${step.key} and status <> 'completed'
    ${endedTurnNews(step)}
  `.execute(db);
}

/** Heard by whoever asked for the turn, see `RunNews`. */
const endedTurnNews = ({ opens }: StepEnd): RawBuilder<unknown> =>
  (opens?.endedTurn ?? null) === null
    ? sql``
    : sql`returning pg_notify('run_events', run_workspace || ':' || run_id || ':turn:' || ended_turn)`;

function opensPart({ opens }: StepEnd): RawBuilder<unknown> {
  if (opens === undefined) return sql``;
  return sql`, ${livingPart}, ${waitPart(opens.wait)}, ${waitingParts(opens.step)}`;
}

const addedCost = (cost: Cost) =>
  sql`jsonb_build_object(
    'usd', coalesce((cost ->> 'usd')::float8, 0) + ${cost.usd}::float8,
    'input_tokens', coalesce((cost ->> 'input_tokens')::int, 0) + ${cost.input_tokens}::int,
    'output_tokens', coalesce((cost ->> 'output_tokens')::int, 0) + ${cost.output_tokens}::int)`;

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
  flush.steps.length === 0 &&
  flush.settlements.length === 0 &&
  flush.status === null &&
  flush.taken === null &&
  flush.response === undefined;
