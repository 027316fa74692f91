import type { Database } from '../../../db/client.js';
import { findStagedRun, hasStagedRunEnded } from '../../../db/staged-runs.js';
import type { RunNews } from '../../../db/listen.js';
import { isOpenStatus } from '../../../db/run-commands.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Json } from '../../../workflows/definition/values.js';
import type { Actor } from '../../actor.js';
import { ApiError, conflict, notFound } from '../../http/errors.js';
import type { EventStream } from '../../http/route.js';
import { actingWorkspace } from '../acting-workspace.js';
import type { RunStopService } from '../run-stops.js';
import type { StagedRunQuery } from './cursor.js';
import {
  listRuns,
  wholeRun,
  type StagedRunDetail,
  type StagedRunItem,
  type StagedStepResult,
  type WholeRun,
} from './read.js';
import { startStagedRun, type NewStagedRun, type StagedStartDeps } from './start.js';
import { streamStagedRun, type StagedEvent, type StagedStreamDeps } from './stream.js';

export interface StagedRunResult {
  readonly workflow_key: string;
  readonly workflow_run_id: string;
  readonly conversation_id: string;
  readonly steps: readonly StagedStepResult[];
  readonly final_output: Json;
  readonly output_schema: Readonly<Record<string, Json>> | null;
}

/** Runs of staged workflows; another workspace's run is simply not there. */
export interface StagedRunService {
  /** Waits for its end; the run goes on whether or not anybody waits. */
  readonly run: (request: NewStagedRun) => Promise<StagedRunResult>;
  readonly runStream: (request: NewStagedRun) => Promise<EventStream<StagedEvent>>;
  /** The same stream of a run that was begun before, from behind an event. */
  readonly stream: (actor: Actor, runId: string, after: number) => Promise<EventStream<StagedEvent>>;
  readonly list: (
    actor: Actor,
    query: StagedRunQuery,
  ) => Promise<{ readonly items: readonly StagedRunItem[]; readonly next_cursor: string | null }>;
  readonly get: (actor: Actor, runId: string) => Promise<StagedRunDetail>;
  readonly cancel: (command: { readonly actor: Actor; readonly runId: string; readonly seed: string }) => Promise<void>;
}

export interface StagedRunDeps extends StagedStartDeps, StagedStreamDeps {
  readonly db: Database;
  readonly news: Pick<RunNews, 'waitFor'>;
  readonly stops: Pick<RunStopService, 'cancel'>;
  /** How long a caller of `run` waits; default five minutes. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 5 * 60_000;

export function createStagedRunService(deps: StagedRunDeps): StagedRunService {
  const { db } = deps;
  return {
    run: async (request) => resultOf(deps, await startStagedRun(deps, request)),
    runStream: async (request) =>
      streamStagedRun(deps, await startStagedRun(deps, { ...request, answersEarly: true }), 0),
    stream: (actor, runId, after) => streamStagedRun(deps, { workspaceId: actingWorkspace(actor), runId }, after),
    list: (actor, query) => listRuns(db, actingWorkspace(actor), query),
    get: async (actor, runId) => {
      const { detail } = await wholeRun(db, { workspaceId: actingWorkspace(actor), runId });
      return { ...detail, tenant_id: actor.tenantId };
    },
    cancel: (command) => cancel(deps, command),
  };
}

async function resultOf({ db, news, patienceMs = PATIENCE_MS }: StagedRunDeps, run: RunRef): Promise<StagedRunResult> {
  const ask = async (): Promise<true | null> => ((await hasStagedRunEnded(db, run)) ? true : null);
  const isOver = await news.waitFor(run, ask, patienceMs);
  if (isOver === null) throw tooSlow(run, patienceMs);
  const whole = await wholeRun(db, run);
  if (whole.row.run_status !== 'completed') throw failureOf(whole);
  const { workflow_key, workflow_run_id, conversation_id: conversation, steps, output_schema } = whole.detail;
  return {
    ...{ workflow_key, workflow_run_id, steps, output_schema },
    conversation_id: conversation ?? '',
    final_output: whole.output,
  };
}

const tooSlow = ({ runId }: RunRef, patienceMs: number): ApiError =>
  new ApiError(
    504,
    `The run has not ended within ${Math.round(patienceMs / 1_000)} seconds; it goes on: read GET /api/v1/workflows/runs/${runId}.`,
    { extra: { workflow_run_id: runId } },
  );

/** What the workflow's own schemas and expressions made of the values in it. */
const VALUE_ERRORS = ['model_output_invalid', 'output_invalid', 'expression_failed'];

function failureOf({ row }: WholeRun): ApiError {
  const extra = { workflow_run_id: row.id };
  if (row.run_status === 'cancelled') return conflict('The workflow run was cancelled.', extra);
  const { type = 'unknown', message = 'The run failed.', node_id: step } = row.error ?? {};
  const where = step === undefined ? '' : ` at "${step}"`;
  const sentence = `The workflow run failed${where}: ${message}`;
  const more = { ...extra, error_type: type };
  if (!VALUE_ERRORS.includes(type)) return new ApiError(500, sentence, { extra: more });
  return new ApiError(422, sentence, { details: [{ field: step ?? 'final_output', message, type }], extra: more });
}

async function cancel(
  { db, stops }: StagedRunDeps,
  { actor, runId, seed }: Parameters<StagedRunService['cancel']>[0],
): Promise<void> {
  const row = await findStagedRun(db, { workspaceId: actingWorkspace(actor), runId });
  if (row === undefined) throw notFound('workflow run', runId);
  if (!isOpenStatus(row.run_status) || row.cancel_requested_at !== null) throw conflict('Workflow run is not active');
  await stops.cancel({ actor, runId, seed, reason: null });
}
