import { scoped } from '../../db/scoped.js';
import { isOpenStatus } from '../../db/run-commands.js';
import type { Database } from '../../db/client.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { conflict } from '../http/errors.js';
import { runTags } from './caller.js';
import { checkInput } from './json-check.js';
import type { RunReadService } from './run-reads.js';
import { findDefinition, targetOf, type RunTargetDeps } from './run-target.js';
import type { RunDetail } from './run-view.js';
import type { RunService } from './runs.js';

export interface NewRunRequest {
  readonly actor: Actor;
  /** Id, or slug. */
  readonly definition: string;
  readonly version: string | number | undefined;
  readonly input: Json;
  readonly priority: number | undefined;
  readonly tags: readonly string[] | undefined;
  /** How long to wait for its end or answer; 0 does not. */
  readonly waitSeconds: number;
  readonly seed: string;
}

export interface AcceptedRun {
  readonly id: string;
  readonly status: RunStatus;
  readonly definition_id: string;
  readonly definition_kind: string;
  readonly version: number | null;
  readonly version_id: string;
  readonly priority: number;
  readonly tags: readonly string[];
}

export type StartedRun =
  | { readonly answered: false; readonly run: AcceptedRun }
  /** It has ended, or a `respond` node gave an answer: then that is its output. */
  | { readonly answered: true; readonly run: RunDetail };

export interface RunStartService {
  readonly start: (request: NewRunRequest) => Promise<StartedRun>;
}

export interface RunStartDeps extends RunTargetDeps {
  readonly runs: Pick<RunService, 'start'>;
  readonly reads: Pick<RunReadService, 'get'>;
  readonly news: {
    readonly waitFor: <T>(run: RunRef, ask: () => Promise<T | null>, timeoutMs: number) => Promise<T | null>;
  };
}

export const createRunStartService = (deps: RunStartDeps): RunStartService => ({
  start: async (request) => answered(deps, request, await startRun(deps, request)),
});

const DEFAULT_PRIORITY = 3;

async function startRun(deps: RunStartDeps, request: NewRunRequest): Promise<AcceptedRun> {
  const { actor, version, input, seed, priority = DEFAULT_PRIORITY } = request;
  const tags = runTags(actor, request.tags);
  const { workspaceId } = actor;
  const found = await findDefinition(deps.db, workspaceId, request.definition);
  const { definition, kind, plan, version: number } = await targetOf(deps, workspaceId, { definition: found, version });
  refuseCalls(found);
  checkInput(plan, input, 'input');
  const { runId } = await deps.runs.start({
    workspaceId,
    definition,
    kind,
    plan,
    input,
    trigger: 'api',
    actor: actor.id,
    priority,
    tags,
    seed,
  });
  return {
    id: runId,
    status: 'queued',
    definition_id: definition.id,
    definition_kind: kind,
    version: number,
    version_id: definition.versionId,
    priority,
    tags,
  };
}

/** Nobody would speak in it, nor hang up. */
export function refuseCalls({ kind, slug }: { readonly kind: string; readonly slug: string }): void {
  if (kind !== 'agent_dag') return;
  throw conflict(`"${slug}" is a workflow of agents, which only calls run: POST /api/v1/calls with its workflow_slug.`);
}

/** A caller who leaves while this waits changes nothing: only the answer is for them. */
async function answered(deps: RunStartDeps, request: NewRunRequest, accepted: AcceptedRun): Promise<StartedRun> {
  const { db, news, reads } = deps;
  const run = { workspaceId: request.actor.workspaceId, runId: accepted.id };
  const ask = () => progressOf(db, run).then((progress) => (progress.isAnswered ? progress : null));
  const isAnswered = request.waitSeconds > 0 && (await news.waitFor(run, ask, request.waitSeconds * 1_000)) !== null;
  if (!isAnswered) return { answered: false, run: { ...accepted, status: (await progressOf(db, run)).status } };
  const view = await reads.get(run);
  return { answered: true, run: { ...view, output: view.response ?? view.output } };
}

async function progressOf(
  db: Database,
  { workspaceId, runId }: RunRef,
): Promise<{ readonly status: RunStatus; readonly isAnswered: boolean }> {
  const { status, has_responded: hasResponded } = await scoped(db, workspaceId)
    .select('runs')
    .select((eb) => ['status', eb('response', 'is not', null).as('has_responded')])
    .where('id', '=', runId)
    .executeTakeFirstOrThrow();
  return { status, isAnswered: Boolean(hasResponded) || !isOpenStatus(status) };
}
