import { schemaErrors } from '../../db/json-schema.js';
import { scoped } from '../../db/scoped.js';
import { loadValue } from '../../db/values.js';
import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline, type Json, type Value } from '../../workflows/definition/values.js';
import { rehearse, type Difference } from '../../workflows/engine/rehearse.js';
import type { RecordedStep, Recording } from '../../workflows/engine/rehearsal.js';

export interface Replay {
  /** How many runs were replayed. */
  readonly replayed: number;
  readonly same: number;
  readonly different: readonly (Difference & { readonly run_id: string })[];
}

const NONE: Replay = { replayed: 0, same: 0, different: [] };

/** Runs the newest ended runs again by a candidate: with their recorded results, without effects and without a model. */
export async function replayRuns(
  db: Database,
  of: DefinitionRef,
  { plan, limit }: { readonly plan: Plan | null; readonly limit: number },
): Promise<Replay> {
  if (plan === null) return NONE;
  const different: (Difference & { readonly run_id: string })[] = [];
  const runs = await endedRuns(db, of, limit);
  // one after the other: whole results of many runs at once would not fit anywhere
  for (const run of runs) {
    const recording = await recordingOf(db, of.workspaceId, run);
    const difference = refusedInput(plan, recording) ?? rehearse(plan, recording);
    if (difference !== null) different.push({ run_id: run.id, ...difference });
  }
  return { replayed: runs.length, same: runs.length - different.length, different };
}

interface EndedRun {
  readonly id: string;
  readonly status: Recording['status'];
  readonly input: Value;
  readonly is_conversation: boolean;
  readonly plan: Plan;
}

/** Test runs are none: what was pinned or stubbed in them says nothing. */
async function endedRuns(
  db: Database,
  { workspaceId, definitionId }: DefinitionRef,
  limit: number,
): Promise<readonly EndedRun[]> {
  const rows = await scoped(db, workspaceId)
    .select('runs')
    .leftJoin('versions', 'versions.id', 'runs.version_id')
    .select(['runs.id', 'runs.status', 'runs.input', 'runs.is_conversation'])
    .select((eb) => eb.fn.coalesce('runs.plan', 'versions.plan').as('plan'))
    .where('runs.definition_id', '=', definitionId)
    .where('runs.status', 'in', ['completed', 'failed', 'cancelled'])
    .where('runs.test', 'is', null)
    .orderBy('runs.id', 'desc')
    .limit(limit)
    .execute();
  // -- reason: the query asks for these statuses alone
  return rows.flatMap((row) => (row.plan === null ? [] : [{ ...row, plan: row.plan } as EndedRun]));
}

async function recordingOf(db: Database, workspaceId: string, run: EndedRun): Promise<Recording> {
  const whole = async (value: Value): Promise<Value> => inline(await loadValue(db, workspaceId, value));
  const rows = await db
    .selectFrom('run_steps')
    .select(['key', 'node_id', 'status', 'output', 'error', 'port', 'vars'])
    .where('run_id', '=', run.id)
    .where('status', 'in', ['completed', 'failed', 'cancelled'])
    .orderBy('ended_at')
    .orderBy('seq')
    .execute();
  const steps: RecordedStep[] = [];
  for (const { node_id: nodeId, output, vars, status, ...row } of rows) {
    const entries = Object.entries(vars ?? {}).map(async ([name, value]) => [name, await whole(value)] as const);
    steps.push({
      ...row,
      nodeId,
      status: status as RecordedStep['status'], // -- reason: the query asks for these alone
      output: output === null ? null : await whole(output),
      vars: vars === null ? null : Object.fromEntries(await Promise.all(entries)),
    });
  }
  const { id: runId, status, is_conversation: isConversation, plan } = run;
  return { runId, status, isConversation, plan, input: await whole(run.input), steps };
}

/** A run whose input the candidate would not even take. */
function refusedInput({ inputSchema, entry }: Plan, { input }: Recording): Difference | null {
  if (inputSchema === undefined || !('json' in input)) return null;
  const json: Json = input.json;
  const [first] = schemaErrors(inputSchema, json);
  if (first === undefined) return null;
  const message = `The candidate would refuse the input of this run: ${first.message}`;
  return { at: entry, kind: 'missing_input', recorded: null, candidate: null, message };
}
