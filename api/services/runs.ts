import { derivedId } from '../../db/ids.js';
import { writeSettlement } from '../../db/run-records.js';
import { insertRun, queuedRun } from '../../db/runs.js';
import { cleanJson, storeValue } from '../../db/values.js';
import type { Database } from '../../db/client.js';
import type { RunInput, RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { INPUT_LIMIT_BYTES, type Json, type Value } from '../../workflows/definition/values.js';
import { ApiError, tooLarge } from '../http/errors.js';
import type { TemporalGateway } from '../temporal/gateway.js';

export interface StartRun {
  readonly workspaceId: string;
  readonly definition: { readonly id: string; readonly versionId: string } | null;
  readonly kind: string;
  readonly plan: Plan;
  readonly input: Json;
  readonly trigger: string;
  readonly actor: string;
  /** Of the request: the same seed is the same run. */
  readonly seed: string;
  /** Written in the same transaction as the run's row. */
  readonly alongside?: (db: Database, run: RunRef) => Promise<void>;
}

export interface Decide {
  readonly run: RunRef;
  readonly token: string;
  readonly decision: 'approve' | 'reject';
  /** Goes on instead of what the wait was given. */
  readonly input: Json | undefined;
  readonly note: string | null;
  readonly by: string;
  /** Of the request: the same seed is the same decision. */
  readonly seed: string;
}

export interface RunService {
  /** Accepts a run: once this answers, it is never lost and never starts twice. */
  readonly start: (start: StartRun) => Promise<RunRef>;
  /** Decides a wait. Exactly one caller gets a status, whoever comes later `settled`. */
  readonly decide: (decide: Decide) => Promise<{ readonly status: RunStatus } | 'settled'>;
}

export interface RunDeps {
  readonly db: Database;
  readonly temporal: Pick<TemporalGateway, 'startRun' | 'resolveWait'>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

export function createRunService(deps: RunDeps): RunService {
  return {
    start: async (start) => {
      const run = { workspaceId: start.workspaceId, runId: derivedId('run', start.seed) };
      const input = await acceptValue(deps.db, run, start.input);
      await launch(deps, await accept(deps.db, start, { run, input }));
      return run;
    },
    decide: (decide) => decideWait(deps, decide),
  };
}

async function accept(
  db: Database,
  start: StartRun,
  accepted: { readonly run: RunRef; readonly input: Value },
): Promise<RunInput> {
  const { alongside } = start;
  const row = { ...start, ...accepted };
  if (alongside === undefined) return (await insertRun(db, row)).input;
  return db.transaction().execute(async (trx) => {
    const { input } = await insertRun(trx, row);
    await alongside(trx, accepted.run);
    return input;
  });
}

/** A value from outside, held to the limit and stored where it is large. */
async function acceptValue(db: Database, run: RunRef, json: Json): Promise<Value> {
  const bytes = Buffer.byteLength(typeof json === 'string' ? json : JSON.stringify(json));
  if (bytes > INPUT_LIMIT_BYTES) {
    throw tooLarge(`The input is ${bytes} bytes; at most ${INPUT_LIMIT_BYTES} (2 MiB) are accepted.`);
  }
  return storeValue(db, run, { json: cleanJson(json) });
}

/** The row is the outbox: a start that fails now is made by the sweep. */
async function launch({ temporal, log }: RunDeps, accepted: RunInput): Promise<void> {
  try {
    await temporal.startRun(accepted);
  } catch (error) {
    log.warn({ runId: accepted.run.runId, reason: String(error) }, 'run stays queued until Temporal answers');
  }
}

/** A run that Temporal has not been told of yet is started now. */
async function startQueued({ db, temporal }: RunDeps, run: RunRef): Promise<boolean> {
  const queued = await queuedRun(db, run);
  if (queued !== null) await temporal.startRun(queued);
  return queued !== null;
}

async function decideWait(deps: RunDeps, decide: Decide): Promise<{ readonly status: RunStatus } | 'settled'> {
  const { db, temporal } = deps;
  const { run, token, decision, note, by } = decide;
  const value = decide.input === undefined ? null : await acceptValue(db, run, decide.input);
  const request = { token, decision, value, note, by, requestId: decide.seed };
  let result = await temporal.resolveWait(run, request);
  if (result.outcome === 'closed' && (await startQueued(deps, run))) result = await temporal.resolveWait(run, request);
  if (result.outcome === 'settled' || result.outcome === 'closed') return 'settled';
  if (result.outcome === 'unknown')
    throw new ApiError(503, 'The run has not come to this wait yet; try again in a moment.');
  const { settlement, status, seq } = result.wait;
  const isOpen = status === 'running' || status === 'waiting';
  await writeSettlement(db, run, { settlement, status: isOpen ? status : null, seq });
  return { status };
}
