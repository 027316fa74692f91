import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { presentValues } from '../../db/present-values.js';
import { scoped } from '../../db/scoped.js';
import { openWaits } from '../../db/waits.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { notFound } from '../http/errors.js';
import { listRuns, selectItems, withDuration, type RunFilter, type RunPage } from './run-list.js';
import {
  countSteps,
  findStep,
  listSteps,
  newestSteps,
  stepsWith,
  summariseSteps,
  type NodeSummary,
  type StepFilter,
  type StepWindow,
} from './run-steps.js';
import { hasEnded, openStepStatuses, type ChildRun, type RunDetail, type StepDetail } from './run-view.js';
import { readStoredValue, type ValuePart, type ValueRange } from './stored-values.js';

/** What became of runs, for every kind of definition. Another workspace's run is simply not there. */
export interface RunReadService {
  readonly list: (
    workspaceId: string,
    filter: RunFilter & { readonly cursor?: string | undefined; readonly limit: number },
  ) => Promise<RunPage>;
  readonly get: (run: RunRef) => Promise<RunDetail>;
  readonly steps: (run: RunRef, filter: StepFilter) => Promise<StepWindow>;
  readonly step: (run: RunRef, key: string) => Promise<StepDetail>;
  readonly summary: (run: RunRef) => Promise<readonly NodeSummary[]>;
  /** Bytes of the JSON text of a large value. */
  readonly value: (workspaceId: string, ref: string, range: ValueRange) => Promise<ValuePart>;
}

/** Most steps that a run is shown with; the rest is read in windows. */
const STEPS_SHOWN = 200;
const CHILDREN_SHOWN = 200;

export function createRunReadService({ db }: { readonly db: Database }): RunReadService {
  const known = async <T>(run: RunRef, read: () => Promise<T>): Promise<T> => {
    const [answer] = await Promise.all([read(), mustExist(db, run)]);
    return answer;
  };
  return {
    list: (workspaceId, filter) => listRuns(db, workspaceId, filter),
    get: (run) => getRun(db, run),
    steps: (run, filter) => known(run, () => listSteps(db, run, filter)),
    step: async (run, key) => {
      const step = await known(run, () => findStep(db, run, key));
      if (step === undefined) throw notFound('step', key);
      return step;
    },
    summary: (run) => known(run, () => summariseSteps(db, run)),
    value: (workspaceId, ref, range) => readStoredValue(db, { workspaceId, ref }, range),
  };
}

async function mustExist(db: Database, { workspaceId, runId }: RunRef): Promise<void> {
  const found = await scoped(db, workspaceId).select('runs').select('id').where('id', '=', runId).executeTakeFirst();
  if (found === undefined) throw notFound('run', runId);
}

async function getRun(db: Database, run: RunRef): Promise<RunDetail> {
  const { workspaceId, runId } = run;
  // the row first: what is read after it is newer, so that no step or wait is missing that its status speaks of
  const row = await selectItems(db, workspaceId)
    .select(['runs.input', 'runs.output', 'runs.response', 'runs.cancel_requested_at'])
    .where('runs.id', '=', runId)
    .executeTakeFirst();
  if (row === undefined) throw notFound('run', runId);
  const isStopping = row.cancel_requested_at !== null && !hasEnded(row.status);
  const [[input, output, response], steps, total, waits, children, stopping] = await Promise.all([
    presentValues(db, workspaceId, [row.input, row.output, row.response]),
    newestSteps(db, run, STEPS_SHOWN),
    countSteps(db, run),
    openWaits(db, run),
    childrenOf(db, run),
    isStopping ? stepsWith(db, run, { statuses: openStepStatuses, limit: STEPS_SHOWN }) : [],
  ]);
  return {
    ...withDuration(row),
    input: input ?? null,
    output: output ?? null,
    response: response ?? null,
    stopping,
    children,
    steps,
    steps_total: total,
    waits: hasEnded(row.status) ? [] : waits,
  };
}

/** A subflow's visit is `.../node/visit`, whatever map or loop it stands in. */
const childrenOf = (db: Database, { workspaceId, runId }: RunRef): Promise<readonly ChildRun[]> =>
  scoped(db, workspaceId)
    .select('runs')
    .select(['id as run_id', sql<string | null>`split_part(parent_key, '/', -2)`.as('node_id'), 'status'])
    .where('parent_run_id', '=', runId)
    .orderBy('id', 'desc')
    .limit(CHILDREN_SHOWN)
    .execute();
