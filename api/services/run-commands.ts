import { findRun, isOpenStatus, planOfRun, stepPlaces, type RunRow } from '../../db/run-commands.js';
import { loadValue } from '../../db/values.js';
import { writeFlush } from '../../db/run-records.js';
import type { Database } from '../../db/client.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, notFound } from '../http/errors.js';
import type { Actor } from '../actor.js';
import type { Answer, RunMoved, TemporalGateway } from '../temporal/gateway.js';
import { checkInput } from './json-check.js';
import { suggestion } from './nearest.js';
import { patchedNode, type Patch } from './node-patch.js';
import { refusalError } from './run-refusals.js';
import type { RunService } from './runs.js';

/** A run as the one who gave it a command is told of it. */
export interface Commanded {
  readonly id: string;
  readonly status: RunStatus;
}

/** Whose run it is, who commands, and what makes a repeated request the same one. */
export interface Command {
  readonly actor: Actor;
  readonly runId: string;
  readonly seed: string;
}

export interface RunCommandService {
  readonly pause: (command: Command & { readonly paused: boolean }) => Promise<Commanded>;
  readonly retry: (command: Command & { readonly nodeId: string; readonly patch: Patch | null }) => Promise<Commanded>;
  /** A new run of the same plan. */
  readonly replay: (command: Command & { readonly input: Json | undefined }) => Promise<Commanded>;
}

export interface RunCommandDeps {
  readonly db: Database;
  readonly runs: RunService;
  readonly temporal: Pick<TemporalGateway, 'pauseRun' | 'retryNode'>;
}

export function createRunCommandService(deps: RunCommandDeps): RunCommandService {
  return {
    pause: (command) => pauseRun(deps, command),
    retry: (command) => retryNode(deps, command),
    replay: (command) => replayRun(deps, command),
  };
}

export const refOf = ({ actor, runId }: Pick<Command, 'actor' | 'runId'>): RunRef => ({
  workspaceId: actor.workspaceId,
  runId,
});

export async function mustFindRun(db: Database, run: RunRef): Promise<RunRow> {
  const row = await findRun(db, run);
  if (row === undefined) throw notFound('run', run.runId);
  return row;
}

/** A run that has ended takes no messages. */
export async function mustBeOpen(db: Database, run: RunRef): Promise<RunRow> {
  const row = await mustFindRun(db, run);
  if (!isOpenStatus(row.status)) throw conflict(`The run has ended (${row.status}).`);
  return row;
}

async function pauseRun(deps: RunCommandDeps, command: Parameters<RunCommandService['pause']>[0]): Promise<Commanded> {
  const { actor, paused, seed } = command;
  const run = refOf(command);
  await mustBeOpen(deps.db, run);
  const request = { paused, by: actor.id, requestId: seed };
  const answer = await deps.runs.tell(run, () => deps.temporal.pauseRun(run, request));
  return movedTo(deps.db, run, {
    answer: worded(answer, paused ? 'The run is paused already.' : 'The run is not paused.'),
  });
}

/** The run says that nothing changed in words of its own; here it is known what was asked. */
const worded = (answer: Answer<RunMoved>, nothing: string): Answer<RunMoved> =>
  answer.outcome === 'nothing_to_change' ? { ...answer, message: nothing } : answer;

/** Writes where the run says it stands, so that whoever moved it reads that back. */
async function movedTo(
  db: Database,
  run: RunRef,
  { answer }: { readonly answer: Answer<RunMoved> },
): Promise<Commanded> {
  if (answer.outcome !== 'done') throw refusalError(answer);
  const { status, seq } = answer.value;
  if (isOpenStatus(status)) await writeFlush(db, run, { steps: [], settlements: [], status, seq, taken: null });
  return { id: run.runId, status };
}

async function retryNode(deps: RunCommandDeps, command: Parameters<RunCommandService['retry']>[0]): Promise<Commanded> {
  const { db, runs, temporal } = deps;
  const { actor, nodeId, patch, seed } = command;
  const run = refOf(command);
  const row = await mustBeOpen(db, run);
  const parked = await parkedNodes(db, run.runId);
  if (parked.length > 0 && !parked.includes(nodeId)) {
    throw conflict(`"${nodeId}" is not parked${suggestion(nodeId, parked)}.`);
  }
  if (patch !== null) checkPatch(await planOfRun(db, row), { nodeId, patch });
  const request = { nodeId, patch, by: actor.id, requestId: seed };
  const answer = await runs.tell(run, () => temporal.retryNode(run, request));
  return movedTo(db, run, { answer });
}

/** Ids of the nodes that somebody must retry, in order. */
export async function parkedNodes(db: Database, runId: string): Promise<readonly string[]> {
  const steps = await stepPlaces(db, runId);
  return [...new Set(steps.filter(({ status }) => status === 'parked').map((step) => step.node_id))];
}

function checkPatch(plan: Plan | null, { nodeId, patch }: { readonly nodeId: string; readonly patch: Patch }): void {
  const node = plan?.nodes[nodeId];
  if (node !== undefined) patchedNode(node, patch, 'patch');
}

async function replayRun(
  { db, runs }: RunCommandDeps,
  command: Parameters<RunCommandService['replay']>[0],
): Promise<Commanded> {
  const { actor, seed } = command;
  const row = await mustFindRun(db, refOf(command));
  const plan = await planOfRun(db, row);
  if (plan === null) throw conflict('The version this run was of is gone.');
  const input = command.input === undefined ? await loadValue(db, row.workspace_id, row.input) : command.input;
  checkInput(plan, input, 'input');
  const { runId } = await runs.start({
    ...sameAs(row),
    plan,
    hasOwnPlan: row.plan !== null,
    input,
    trigger: 'replay',
    actor: actor.id,
    origin: { kind: 'replay', run_id: row.id },
    seed,
  });
  return { id: runId, status: 'queued' };
}

/** What a run that goes back to another one takes over from it. Throws for a call. */
export function sameAs(row: RunRow) {
  if (row.definition_kind === 'agent_dag')
    throw conflict('This run is a call, in which nobody would speak again: start a new one with POST /api/v1/calls.');
  const { workspace_id: workspaceId, definition_id: id, version_id: versionId } = row;
  return {
    workspaceId,
    definition: id === null || versionId === null ? null : { id, versionId },
    kind: row.definition_kind,
    priority: row.priority,
    tags: row.tags,
    isConversation: row.is_conversation,
    ...(row.test === null ? {} : { test: row.test }),
  };
}
