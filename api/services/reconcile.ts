import { cancelsToRepeat, closeRun, runsToReconcile, type RunClosing } from '../../db/run-commands.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { TemporalGateway, TemporalStatus } from '../temporal/gateway.js';
import { deliverCancel, type CancelDeps } from './run-stops.js';

export interface ReconcileDeps extends CancelDeps {
  readonly db: Database;
  readonly temporal: CancelDeps['temporal'] & Pick<TemporalGateway, 'statusOfRun'>;
}

/** Looked at in one round; the next one goes on where this one ended. */
const BATCH = 200;
/** A younger request is most likely being delivered by whoever made it. */
const CANCEL_AFTER_MS = 10_000;

const unrecorded = (status: 'failed' | 'cancelled', type: string, message: string): RunClosing => ({
  status,
  error: { type, message },
  by: 'system:reconcile',
});

/** What became of a run whose workflow is over without having said so. Null where it is not over, or nobody knows. */
const closings: Readonly<Record<TemporalStatus, RunClosing | null>> = {
  open: null,
  // a history is forgotten some time after its end: that says nothing of how it ended
  unknown: null,
  terminated: unrecorded('cancelled', 'terminated', 'The run was terminated in Temporal.'),
  cancelled: unrecorded('cancelled', 'cancelled', 'The run was cancelled.'),
  timed_out: unrecorded('failed', 'timeout', 'The run took longer than Temporal was told to let it.'),
  failed: unrecorded('failed', 'engine_error', 'The run failed in the engine; its workflow in Temporal says more.'),
  completed: unrecorded('failed', 'engine_error', 'The run ended without a record of its output.'),
};

/**
 * Brings the record of open runs in line with Temporal, a part of them each time: ends those whose workflow was ended
 * from outside, and repeats requests to cancel that may not have arrived. Any number of processes may do so.
 */
export function createReconcile(deps: ReconcileDeps): () => Promise<void> {
  let after = '';
  return async () => {
    for (const run of await cancelsToRepeat(deps.db, CANCEL_AFTER_MS, BATCH)) await deliverCancel(deps, run);
    const runs = await runsToReconcile(deps.db, after, BATCH);
    for (const run of runs) await reconcileRun(deps, run);
    after = runs.length < BATCH ? '' : (runs.at(-1)?.runId ?? '');
  };
}

async function reconcileRun({ db, temporal }: ReconcileDeps, run: RunRef): Promise<void> {
  const closing = closings[await temporal.statusOfRun(run)];
  if (closing !== null) await closeRun(db, run, closing);
}
