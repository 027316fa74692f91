import type { Database } from '../../../db/client.js';
import {
  findStagedRun,
  listStagedRuns,
  stagedSteps,
  type StagedRunRow,
  type StagedStatus,
  type WholeStagedRun,
} from '../../../db/staged-runs.js';
import { loadValue } from '../../../db/values.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Json, Value } from '../../../workflows/definition/values.js';
import { notFound } from '../../http/errors.js';
import { filterOf, writeCursor, type StagedRunQuery } from './cursor.js';
import { documentOf, stepPlaces, type StepPlace } from './kind.js';
import { shownOutput, type ShownOutput } from './outputs.js';

export interface StagedStepResult extends StepPlace, ShownOutput {
  /** Of the provider; none of ours keeps one. */
  readonly response_id: null;
}

export interface StagedRunItem {
  readonly workflow_run_id: string;
  readonly workflow_key: string;
  readonly status: StagedStatus;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly user_id: string;
  readonly conversation_id: string | null;
  readonly step_count: number;
  readonly duration_ms: number | null;
  readonly final_output_text: string | null;
}

export interface StagedRunDetail {
  readonly workflow_key: string;
  readonly workflow_run_id: string;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly status: StagedStatus;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly final_output_text: string | null;
  readonly final_output_structured: Json;
  readonly request_message: string | null;
  readonly conversation_id: string | null;
  readonly output_schema: Readonly<Record<string, Json>> | null;
  readonly steps: readonly StagedStepResult[];
}

/** Values of rows, whole, by one query. */
async function wholeValues(
  db: Database,
  workspaceId: string,
  values: readonly (Value | null)[],
): Promise<readonly Json[]> {
  const list = values.map((value) => value ?? { json: null });
  // -- reason: a list of values is a list
  return (await loadValue(db, workspaceId, { list })) as readonly Json[];
}

export async function listRuns(
  db: Database,
  workspaceId: string,
  query: StagedRunQuery,
): Promise<{ readonly items: readonly StagedRunItem[]; readonly next_cursor: string | null }> {
  const filter = filterOf(query);
  const rows = await listStagedRuns(db, workspaceId, { ...filter, limit: filter.limit + 1 });
  const shown = rows.slice(0, filter.limit);
  const outputs = await wholeValues(
    db,
    workspaceId,
    shown.map(({ output }) => output),
  );
  const last = shown.at(-1);
  const isMore = rows.length > shown.length && last !== undefined;
  return {
    items: shown.map((row, index) => itemOf(row, outputs[index] ?? null)),
    next_cursor: isMore ? writeCursor({ startedAt: last.started_at, id: last.id }) : null,
  };
}

const isoOf = (date: Date | null): string | null => date?.toISOString() ?? null;

const itemOf = (row: StagedRunRow, output: Json): StagedRunItem => ({
  workflow_run_id: row.id,
  workflow_key: row.workflow_key,
  status: row.status,
  started_at: row.started_at,
  ended_at: isoOf(row.ended_at),
  user_id: row.user_id,
  conversation_id: row.conversation_id,
  step_count: row.step_count,
  duration_ms: row.duration_ms === null ? null : Math.max(0, Math.round(row.duration_ms)),
  final_output_text: shownOutput(output).response_text,
});

export interface WholeRun {
  readonly row: WholeStagedRun;
  readonly detail: Omit<StagedRunDetail, 'tenant_id'>;
  readonly output: Json;
}

/** A run with all its values; 404 for one of another workspace, or of another kind. */
export async function wholeRun(db: Database, run: RunRef): Promise<WholeRun> {
  const row = await findStagedRun(db, run);
  if (row === undefined) throw notFound('workflow run', run.runId);
  const { workspaceId } = run;
  const [[input = null, output = null], steps] = await Promise.all([
    wholeValues(db, workspaceId, [row.input, row.output]),
    stepResults(db, run, row.document),
  ]);
  const { response_text: text, structured_output: structured } = shownOutput(output);
  const { output_schema: schema } = documentOf(row.document);
  return {
    row,
    output,
    detail: {
      workflow_key: row.workflow_key,
      workflow_run_id: row.id,
      user_id: row.user_id,
      status: row.status,
      started_at: row.started_at,
      ended_at: isoOf(row.ended_at),
      final_output_text: text,
      final_output_structured: structured,
      request_message: messageOf(input),
      conversation_id: row.conversation_id,
      output_schema: schema ?? null,
      steps,
    },
  };
}

const messageOf = (input: Json): string | null =>
  input !== null && typeof input === 'object' && 'message' in input && typeof input.message === 'string'
    ? input.message
    : null;

/** The steps that ran, in the order of the document. */
async function stepResults(db: Database, run: RunRef, document: Json): Promise<readonly StagedStepResult[]> {
  const rows = await stagedSteps(db, run);
  const outputs = await wholeValues(
    db,
    run.workspaceId,
    rows.map(({ output }) => output),
  );
  const byName = new Map(rows.map(({ node_id: name }, index) => [name, outputs[index] ?? null]));
  return [...stepPlaces(document).values()].flatMap((place) => {
    const output = byName.get(place.name);
    return output === undefined ? [] : [{ ...place, ...shownOutput(output), response_id: null }];
  });
}
