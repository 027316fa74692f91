import { isDeepStrictEqual } from 'node:util';
import type { Selectable } from 'kysely';
import type { Database } from '../db/client.js';
import { derivedId } from '../db/ids.js';
import { schemaErrors, schemaProblem } from '../db/json-schema.js';
import { reuseFrom } from '../db/reuse.js';
import { insertRun, storedRun, type NewRun } from '../db/runs.js';
import { scoped } from '../db/scoped.js';
import type { Tables } from '../db/tables.js';
import { loadValue } from '../db/values.js';
import type { PrepareChildInput, PreparedChild } from '../workflows/contract/activities.js';
import type { NodeError } from '../workflows/contract/failures.js';
import type { ChildEnd, RunInput, RunRef } from '../workflows/contract/run.js';
import type { Plan } from '../workflows/definition/plan.js';
import { inline, type Json } from '../workflows/definition/values.js';

/** Runs in runs: a definition that starts itself without end must end somewhere. */
const DEEPEST = 16;
const MOST_ERRORS = 5;

/** Writes the row of a subflow's run, to be started by the workflow that asked. The same visit has the same run. */
export async function prepareChild(db: Database, input: PrepareChildInput): Promise<PreparedChild> {
  const child = childOf(input);
  const known = (await storedRun(db, child)) ?? (await completedBefore(db, input));
  if (known !== null) return { child: known };
  if (input.depth >= DEEPEST) {
    const message = `This step would be run ${DEEPEST + 1} deep inside others; at most ${DEEPEST} are allowed. Does a workflow start itself?`;
    return { error: { type: 'subflow_too_deep', message } };
  }
  const target = await targetOf(db, input);
  if ('error' in target) return target;
  const error = await misfit(db, input, target.plan);
  if (error !== null) return { error };
  const parent = await scoped(db, input.run.workspaceId).get('runs', input.run.runId);
  if (parent === undefined) throw new Error(`run ${input.run.runId} has no row`);
  const run = newChild({ child, target, parent }, input);
  const goingOn = await continued(db, { run, parent, target }, input);
  const { input: started } = await insertRun(db, { ...run, ...goingOn });
  return { child: started };
}

/** A run that was terminated, or lost its workflow, tells nobody: its row does. */
export async function loadEnd(db: Database, { workspaceId, runId }: RunRef): Promise<ChildEnd | null> {
  const row = await scoped(db, workspaceId).get('runs', runId);
  const gone = { type: 'child_lost', message: 'The run it had started is not there any more.' };
  if (row === undefined) return { status: 'failed', error: gone };
  switch (row.status) {
    case 'completed':
      return { status: 'completed', output: row.output ?? inline(null) };
    case 'failed':
    case 'cancelled':
      return { status: row.status, error: row.error ?? stopped };
    default:
      return null;
  }
}

const stopped: NodeError = { type: 'child_cancelled', message: 'The run it had started was cancelled.' };

/** Sorts with the run it belongs to. */
function childOf({ run, key, round }: PrepareChildInput): RunRef {
  const time = run.runId.replace(/^run_/, '').slice(0, 10).padEnd(10, '0');
  return { workspaceId: run.workspaceId, runId: derivedId('run', `${time}${run.runId}/${key}#${round}`) };
}

interface Target {
  readonly definitionId: string;
  readonly kind: string;
  readonly versionId: string;
  readonly plan: Plan;
}

async function targetOf(
  db: Database,
  { run, definition: id, version }: PrepareChildInput,
): Promise<Target | { readonly error: NodeError }> {
  const own = scoped(db, run.workspaceId);
  const definition = await own.get('definitions', id);
  if (definition === undefined || definition.deleted_at !== null) {
    return missing(`There is no definition ${id} in this workspace; it may have been deleted.`);
  }
  const versionId = version === 'latest' ? definition.version_id : version;
  if (versionId === null) {
    const message = `"${definition.name}" has never been published; publish it before it is used as a subflow.`;
    return { error: { type: 'subflow_unpublished', message } };
  }
  const found = await own.get('versions', versionId);
  if (found === undefined || found.definition_id !== id) {
    return missing(`"${definition.name}" has no version ${versionId}; name one of its versions, or "latest".`);
  }
  return { definitionId: id, kind: definition.kind, versionId, plan: found.plan };
}

const missing = (message: string): { readonly error: NodeError } => ({ error: { type: 'subflow_missing', message } });

async function misfit(db: Database, { run, input }: PrepareChildInput, plan: Plan): Promise<NodeError | null> {
  if (plan.inputSchema === undefined) return null;
  return schemaError(plan.inputSchema, await loadValue(db, run.workspaceId, input), {
    type: 'input_invalid',
    of: 'The input of the subflow',
  });
}

/** The error of a value that does not fit its schema; null where it does. */
export function schemaError(
  schema: Json,
  value: Json,
  { type, of }: { readonly type: string; readonly of: string },
): NodeError | null {
  const problem = schemaProblem(schema);
  if (problem !== null) return { type, message: `${of} cannot be checked: its schema ${problem}.` };
  const errors = schemaErrors(schema, value).slice(0, MOST_ERRORS);
  if (errors.length === 0) return null;
  return { type, message: `${of} does not fit its schema: ${errors.map(({ message }) => message).join(' ')}` };
}

type RunRow = Selectable<Tables['runs']>;

function newChild(
  { child, target, parent }: { readonly child: RunRef; readonly target: Target; readonly parent: RunRow },
  { key, input, depth, startedBy }: PrepareChildInput,
): NewRun {
  return {
    run: child,
    definition: { id: target.definitionId, versionId: target.versionId },
    kind: target.kind,
    plan: target.plan,
    input,
    trigger: 'subflow',
    actor: startedBy ?? 'system:subflow',
    parentRunId: parent.id,
    parentKey: key,
    depth: depth + 1,
    priority: parent.priority,
    // what is stubbed above is stubbed below
    ...(parent.test === null ? {} : { test: { pins: {}, live: [] } }),
  };
}

interface Attempt {
  readonly run: NewRun;
  readonly parent: RunRow;
  readonly target: Target;
}

/**
 * A step that is done anew, or that a continued run comes to again, goes on with what its earlier run did: where that
 * one was given the same and did not succeed.
 */
async function continued(
  db: Database,
  { run, parent, target }: Attempt,
  { key, round, input }: PrepareChildInput,
): Promise<Pick<NewRun, 'reuse' | 'origin'>> {
  const of = round > 0 ? parent.id : parent.origin?.kind === 'continue' ? parent.origin.run_id : null;
  const { workspaceId, runId: newRunId } = run.run;
  const earlier = of === null ? undefined : await newestChild(db, { workspaceId, runId: of }, key);
  if (earlier === undefined || earlier.definition_id !== target.definitionId) return {};
  const [before, now] = [await loadValue(db, workspaceId, earlier.input), await loadValue(db, workspaceId, input)];
  const from = isDeepStrictEqual(before, now) ? await failedStep(db, earlier) : undefined;
  if (from === undefined) return {};
  const found = await reuseFrom(db, { workspaceId, runId: earlier.id, from, plan: target.plan, newRunId });
  if ('problem' in found) return {};
  return { reuse: found.reuse, origin: { kind: 'continue', run_id: earlier.id, from: found.from } };
}

/** What a map or loop that is done anew had done in full stays done. */
async function completedBefore(
  db: Database,
  { run: { workspaceId, runId }, key, round, definition, input }: PrepareChildInput,
): Promise<RunInput | null> {
  const earlier = round > 0 ? await newestChild(db, { workspaceId, runId }, key) : undefined;
  if (earlier?.status !== 'completed' || earlier.definition_id !== definition) return null;
  const [before, now] = [await loadValue(db, workspaceId, earlier.input), await loadValue(db, workspaceId, input)];
  return isDeepStrictEqual(before, now) ? storedRun(db, { workspaceId, runId: earlier.id }) : null;
}

const newestChild = (db: Database, { workspaceId, runId }: RunRef, key: string): Promise<RunRow | undefined> =>
  scoped(db, workspaceId)
    .select('runs')
    .selectAll('runs')
    .where('parent_run_id', '=', runId)
    .where('parent_key', '=', key)
    .orderBy('created_at', 'desc')
    .executeTakeFirst();

/** Where a run failed: the newest step that did not succeed, of the node its error names if there is one. */
async function failedStep(db: Database, { id, status, error }: RunRow): Promise<string | undefined> {
  if (status !== 'failed' && status !== 'cancelled') return undefined;
  const steps = await db
    .selectFrom('run_steps')
    .select(['key', 'node_id'])
    .where('run_id', '=', id)
    .where('status', 'in', ['failed', 'cancelled', 'parked'])
    .orderBy('seq', 'desc')
    .execute();
  return (steps.find((step) => step.node_id === error?.node_id) ?? steps[0])?.key;
}
