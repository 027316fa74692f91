import { derivedId } from '../../db/ids.js';
import { writeSettlement } from '../../db/run-records.js';
import { insertRun, queuedRun, type NewRun } from '../../db/runs.js';
import { cleanJson, storeValue, type ValueOwner } from '../../db/values.js';
import { recordVotes } from '../../db/waits.js';
import type { Database } from '../../db/client.js';
import type { ResolvedWait } from '../../workflows/contract/messages.js';
import type { RunInput, RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { INPUT_LIMIT_BYTES, type Json, type Value } from '../../workflows/definition/values.js';
import { tooLarge } from '../http/errors.js';
import type { Answer, TemporalGateway } from '../temporal/gateway.js';
import { refusalError } from './run-refusals.js';

type Extras = Partial<
  Pick<NewRun, 'origin' | 'priority' | 'tags' | 'isConversation' | 'conversationId' | 'test' | 'reuse' | 'hasOwnPlan'>
>;

export interface StartRun extends Extras {
  readonly workspaceId: string;
  readonly definition: { readonly id: string; readonly versionId: string } | null;
  readonly kind: string;
  readonly plan: Plan;
  readonly input: Json;
  readonly trigger: string;
  readonly actor: string;
  /** Of the request: the same seed is the same run. */
  readonly seed: string;
  /** Answers once the row is there, while Temporal is told. */
  readonly answersEarly?: boolean;
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
  /** Everything the caller is, where the wait asks who may decide. */
  readonly as: readonly string[];
  /** Of what is shown, as the wait's row has it. */
  readonly shownHash?: string | null;
  /** Of the request: the same seed is the same decision. */
  readonly seed: string;
}

export interface RunService {
  /** Accepts a run: once this answers, it is never lost and never starts twice. */
  readonly start: (start: StartRun) => Promise<RunRef>;
  /** Decides a wait. Exactly one caller gets a status, whoever comes later `settled`; 403 for whoever may not. */
  readonly decide: (decide: Decide) => Promise<ResolvedWait | 'settled'>;
  /** Says something to a run, which is started first when Temporal has not heard of it. */
  readonly tell: <T>(run: RunRef, say: () => Promise<Answer<T>>) => Promise<Answer<T>>;
  /** Starts a run that no worker has taken up; false when it is not queued. */
  readonly startQueued: (run: RunRef) => Promise<boolean>;
  /** A value from outside, held to the limit and stored where it is large. */
  readonly acceptValue: (run: ValueOwner, json: Json) => Promise<Value>;
}

export interface RunDeps {
  readonly db: Database;
  readonly temporal: Pick<TemporalGateway, 'startRun' | 'resolveWait'>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

export function createRunService(deps: RunDeps): RunService {
  const { db } = deps;
  return {
    start: async (start) => {
      const run = { workspaceId: start.workspaceId, runId: derivedId('run', start.seed) };
      const input = await acceptValue(db, run, start.input);
      const launched = launch(deps, await accept(db, start, { run, input }));
      if (start.answersEarly !== true) await launched;
      return run;
    },
    decide: (decide) => decideWait(deps, decide),
    tell: (run, say) => tell(deps, run, say),
    startQueued: (run) => startQueued(deps, run),
    acceptValue: (run, json) => acceptValue(db, run, json),
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

async function acceptValue(db: Database, run: ValueOwner, json: Json): Promise<Value> {
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

async function startQueued({ db, temporal }: RunDeps, run: RunRef): Promise<boolean> {
  const queued = await queuedRun(db, run);
  if (queued !== null) await temporal.startRun(queued);
  return queued !== null;
}

async function tell<T>(deps: RunDeps, run: RunRef, say: () => Promise<Answer<T>>): Promise<Answer<T>> {
  const answer = await say();
  return answer.outcome === 'closed' && (await startQueued(deps, run)) ? say() : answer;
}

async function decideWait(deps: RunDeps, decide: Decide): Promise<ResolvedWait | 'settled'> {
  const { db, temporal } = deps;
  const { run, token, decision, note, by, as, shownHash = null } = decide;
  const value = decide.input === undefined ? null : await acceptValue(db, run, decide.input);
  const request = { token, decision, value, note, by, as, shownHash, requestId: decide.seed };
  const answer = await tell(deps, run, () => temporal.resolveWait(run, request));
  if (answer.outcome === 'settled' || answer.outcome === 'closed') return 'settled';
  if (answer.outcome !== 'done') throw refusalError(answer);
  const { settlement, wait, status, seq } = answer.value;
  await recordDecision(db, run, { settlement, votes: wait.votes ?? [], token, status, seq });
  return answer.value;
}

interface Decided extends Pick<ResolvedWait, 'settlement' | 'status' | 'seq'> {
  readonly token: string;
  readonly votes: NonNullable<ResolvedWait['wait']['votes']>;
}

/** Whoever decided reads it back at once; the workflow's own write then changes nothing. */
async function recordDecision(db: Database, run: RunRef, decided: Decided): Promise<void> {
  const { settlement, votes, token, status, seq } = decided;
  if (settlement === null) return recordVotes(db, { run, token, votes });
  await writeSettlement(db, run, { settlement, status: isMoving(status) ? status : null, seq });
}

const isMoving = (status: RunStatus): boolean => status === 'running' || status === 'waiting' || status === 'paused';
