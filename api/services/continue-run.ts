import { isOpenStatus, planOfRun, stepPlaces, type RunRow, type StepPlace } from '../../db/run-commands.js';
import { derivedId } from '../../db/ids.js';
import { reuseFrom } from '../../db/reuse.js';
import { loadValue } from '../../db/values.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, invalid } from '../http/errors.js';
import { checkInput } from './json-check.js';
import { nearest, suggestion } from './nearest.js';
import { patchedPlan, type Patch } from './node-patch.js';
import { mustFindRun, refOf, sameAs, type Command, type Commanded } from './run-commands.js';
import { definitionOf, targetOf, type RunTargetDeps } from './run-target.js';
import type { RunService } from './runs.js';

export type ContinueRun = Command & {
  /** A step's key, or a node's id: its last visit. The failed step without it. */
  readonly from: string | undefined;
  readonly version: string | number | undefined;
  readonly patch: {
    readonly input?: Json | undefined;
    readonly nodes?: Readonly<Record<string, Patch>> | undefined;
  };
};

export interface ContinuedRun extends Commanded {
  /** How many recorded results the new run starts with. */
  readonly reused: number;
}

export interface ContinueService {
  readonly continue: (request: ContinueRun) => Promise<ContinuedRun>;
}

export interface ContinueDeps extends RunTargetDeps {
  readonly runs: Pick<RunService, 'start'>;
}

export const createContinueService = (deps: ContinueDeps): ContinueService => ({
  continue: (request) => continueRun(deps, request),
});

/** A new run that takes over what the old one finished before the step, and goes on from there. */
async function continueRun(deps: ContinueDeps, request: ContinueRun): Promise<ContinuedRun> {
  const { db, runs } = deps;
  const { actor, patch, seed } = request;
  const row = await mustFindRun(db, refOf(request));
  if (isOpenStatus(row.status)) {
    throw conflict(`The run is ${row.status}: only a run that has ended can be continued; cancel it first.`);
  }
  const from = stepAsked(row, await stepPlaces(db, row.id), request.from);
  const target = await planAsked(deps, row, request);
  const plan = patch.nodes === undefined ? target.plan : patchedPlan(target.plan, patch.nodes, 'patch.nodes');
  checkPlace(plan, from);
  const input = patch.input === undefined ? await loadValue(db, row.workspace_id, row.input) : patch.input;
  checkInput(plan, input, 'patch.input');
  const newRunId = derivedId('run', seed);
  const found = await reuseFrom(db, { ...refOf(request), from: from.key, plan, newRunId });
  if ('problem' in found) throw conflict(found.message);
  const { reuse } = found;
  const { runId } = await runs.start({
    ...sameAs(row),
    definition: target.definition,
    plan,
    hasOwnPlan: target.isOwn || patch.nodes !== undefined,
    input,
    reuse,
    trigger: 'continue',
    actor: actor.id,
    origin: { kind: 'continue', run_id: row.id, from: from.key },
    seed,
  });
  return { id: runId, status: 'queued', reused: reuse.length };
}

/** The visit to go on from. */
function stepAsked(row: RunRow, steps: readonly StepPlace[], from: string | undefined): StepPlace {
  if (from === undefined) return lastUnfinished(row, steps);
  const step = steps.findLast(({ key }) => key === from) ?? steps.findLast((each) => each.node_id === from);
  if (step !== undefined) return step;
  const names = [...new Set(steps.flatMap(({ key, node_id }) => [node_id, key]))];
  throw invalid([{ field: 'from', message: `"${from}" is no step of this run${suggestion(from, names)}` }]);
}

/** Of the node its error names, if there is one. */
function lastUnfinished({ status, error }: RunRow, steps: readonly StepPlace[]): StepPlace {
  const unfinished = steps.filter((each) => each.status === 'failed' || each.status === 'cancelled');
  const step = unfinished.findLast((each) => each.node_id === error?.node_id) ?? unfinished.at(-1);
  if (step !== undefined) return step;
  const example = steps.at(-1)?.node_id;
  const such = example === undefined ? '' : `, such as "${example}"`;
  throw invalid([{ field: 'from', message: `is required: the run is ${status} and has no failed step${such}` }]);
}

interface PlanAsked {
  readonly definition: { readonly id: string; readonly versionId: string } | null;
  readonly plan: Plan;
  /** The plan is the run's own. */
  readonly isOwn: boolean;
}

async function planAsked(deps: ContinueDeps, row: RunRow, { version }: ContinueRun): Promise<PlanAsked> {
  if (version === undefined) {
    const plan = await planOfRun(deps.db, row);
    if (plan === null) throw conflict('The version this run was of is gone; name another one in `version`.');
    return { definition: sameAs(row).definition, plan, isOwn: row.plan !== null };
  }
  if (row.definition_id === null) {
    throw invalid([{ field: 'version', message: 'this run is of no definition and so has no other versions' }]);
  }
  const definition = await definitionOf(deps.db, row.workspace_id, row.definition_id);
  return { ...(await targetOf(deps, row.workspace_id, { definition, version })), isOwn: false };
}

/** The step's node, and the maps and loops around it, must be in the plan it goes on with. */
function checkPlace(plan: Plan, { key, node_id: nodeId, scope }: StepPlace): void {
  const owners = scope.split('/').filter((_, i) => i % 3 === 0 && scope !== '');
  const missing = [...owners, nodeId].find((id) => plan.nodes[id] === undefined);
  if (missing === undefined) return;
  const other = nearest(missing, Object.keys(plan.nodes));
  const message = `"${key}": the version has no node "${missing}"; the nearest is "${other}"`;
  throw invalid([{ field: 'from', message }]);
}
