import type { Database } from '../db/client.js';
import { writeEnd, writeFlush } from '../db/run-records.js';
import { moveRun, planOfVersion, reuseOf } from '../db/runs.js';
import { loadValue, storeValue, storeValues } from '../db/values.js';
import type { ReusePage, RunActivities } from '../workflows/contract/activities.js';
import type { NodeError } from '../workflows/contract/failures.js';
import type { RunRef } from '../workflows/contract/run.js';
import { readCron } from '../workflows/definition/cron.js';
import { cronTimes } from '../workflows/definition/cron-times.js';
import { textOf, type Json, type Value } from '../workflows/definition/values.js';
import { loadEnd, prepareChild, schemaError } from './children.js';
import { createEvaluateActivities, nodeFailed } from './evaluate.js';
import { createWaitActivities, type WaitDeps } from './open-wait.js';

export type RecordDeps = WaitDeps;
type RecordActivities = Omit<RunActivities, 'runSegment'>;

/** The activities that keep the read model, and those that work with stored values. */
export function createRecordActivities(deps: RecordDeps): RecordActivities {
  const { db } = deps;
  return {
    ...createWaitActivities(deps),
    ...createEvaluateActivities(db),
    recordTransitions: ({ run, flush }) => writeFlush(db, run, flush),
    finishRun: ({ run, flush, end }) => writeEnd(db, run, { flush, end }),
    recordVersion: ({ run, versionId }) => moveRun(db, run, versionId),
    loadPlan: ({ run, versionId }) => planOfVersion(db, run.workspaceId, versionId),
    loadReuse: ({ run, after }) => loadReuse(db, run, after),
    prepareChild: (input) => prepareChild(db, input),
    loadEnd: ({ run }) => loadEnd(db, run),
    storeText: ({ run, text }) => storeValue(db, run, { json: text, limitBytes: 0 }),
    loadText: async ({ run, value }) => textOf(await loadValue(db, run.workspaceId, value)),
    checkOutput: ({ run, schema, output }) => checkOutput(db, { run, schema, output }),
    nextCronTime: async ({ cron, timezone, after }) => {
      const read = readCron(cron);
      const next = 'problem' in read ? null : cronTimes({ expression: read.expression, timezone }).next(after);
      if (next !== null) return next;
      throw nodeFailed({ type: 'config_invalid', message: `The cron expression "${cron}" names no time that comes.` });
    },
  };
}

/** An activity's answer may hold two MiB; beside the values there are their keys, and what else is stored of a step. */
const REUSE_LIMIT_BYTES = 512 * 1024;
const REUSE_PAGE = 2_000;

async function loadReuse(db: Database, run: RunRef, after: string | null): Promise<ReusePage> {
  const rows = await reuseOf(db, run, { after, limit: REUSE_PAGE });
  const inlineOf = (value: Value): Json | undefined => ('json' in value ? value.json : undefined);
  const jsons = rows.map(({ output }) => inlineOf(output) ?? null);
  const stored = await storeValues(db, run, { jsons, limitBytes: REUSE_LIMIT_BYTES, totalBytes: REUSE_LIMIT_BYTES });
  const steps = Object.fromEntries(
    rows.map(({ key, output, ...rest }, index) => [
      key,
      { ...rest, output: inlineOf(output) === undefined ? output : (stored[index] ?? output) },
    ]),
  );
  return { steps, next: rows.length < REUSE_PAGE ? null : (rows.at(-1)?.key ?? null) };
}

async function checkOutput(
  db: Database,
  { run, schema, output }: { readonly run: RunRef; readonly schema: Json; readonly output: Value },
): Promise<NodeError | null> {
  const value = await loadValue(db, run.workspaceId, output);
  return schemaError(schema, value, { type: 'output_invalid', of: 'The output of the run' });
}
