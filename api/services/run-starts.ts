import { scoped } from '../../db/scoped.js';
import { isOpenStatus } from '../../db/run-commands.js';
import type { Database } from '../../db/client.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { checkInput } from './json-check.js';
import { findDefinition, targetOf, type RunTargetDeps } from './run-target.js';
import type { RunService } from './runs.js';

export interface NewRunRequest {
  readonly actor: Actor;
  /** Id, or slug. */
  readonly definition: string;
  readonly version: string | number | undefined;
  readonly input: Json;
  readonly priority: number | undefined;
  readonly tags: readonly string[] | undefined;
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

export interface RunStartService {
  readonly start: (request: NewRunRequest) => Promise<AcceptedRun>;
  /** True when it has ended, or answered by a `respond` node, within so many milliseconds. */
  readonly answered: (run: RunRef, withinMs: number) => Promise<boolean>;
}

export interface RunStartDeps extends RunTargetDeps {
  readonly runs: Pick<RunService, 'start'>;
  readonly news: {
    readonly waitFor: <T>(run: RunRef, ask: () => Promise<T | null>, timeoutMs: number) => Promise<T | null>;
  };
}

export function createRunStartService(deps: RunStartDeps): RunStartService {
  return {
    start: (request) => startRun(deps, request),
    answered: async (run, withinMs) => (await deps.news.waitFor(run, () => answerOf(deps.db, run), withinMs)) ?? false,
  };
}

const DEFAULT_PRIORITY = 3;

async function startRun(deps: RunStartDeps, request: NewRunRequest): Promise<AcceptedRun> {
  const { actor, version, input, seed, priority = DEFAULT_PRIORITY, tags = [] } = request;
  const { workspaceId } = actor;
  const found = await findDefinition(deps.db, workspaceId, request.definition);
  const { definition, kind, plan, version: number } = await targetOf(deps, workspaceId, { definition: found, version });
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
    tags: [...new Set(tags)],
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
    tags: [...new Set(tags)],
  };
}

/** True once there is something to answer a caller that waits; null before. */
async function answerOf(db: Database, { workspaceId, runId }: RunRef): Promise<true | null> {
  const run = await scoped(db, workspaceId)
    .select('runs')
    .select((eb) => ['status', eb('response', 'is not', null).as('has_responded')])
    .where('id', '=', runId)
    .executeTakeFirst();
  return run !== undefined && (run.has_responded || !isOpenStatus(run.status)) ? true : null;
}
