import { markLost, openRunsOlderThan, type LostRun } from '../../db/reconcile.js';
import { cancelsToRepeat } from '../../db/run-commands.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { TemporalGateway, TemporalStatus } from '../temporal/gateway.js';
import { cancelChildren, deliverCancel, isOrphan, tellParent, type CancelDeps } from './run-stops.js';

export interface ReconcileDeps extends CancelDeps {
  readonly db: Database;
  readonly temporal: CancelDeps['temporal'] & Pick<TemporalGateway, 'statusOfRun'>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

/** Looked at in one round; the next one goes on where this one ended. */
const BATCH = 200;
/** Younger ones may be on their way to Temporal. */
const OLDER_THAN_MINUTES = 1;
/** A younger request is most likely being delivered by whoever made it. */
const CANCEL_AFTER_MS = 10_000;

const unrecorded = (status: LostRun['status'], type: string, message: string): LostRun => ({
  status,
  error: { type, message },
});

/** What became of a run whose workflow is over without having said so. Null where it is not over, or nobody knows. */
const endings: Readonly<Record<TemporalStatus, LostRun | null>> = {
  open: null,
  // a history is forgotten some time after its end: that says nothing of how it ended
  unknown: null,
  terminated: unrecorded('cancelled', 'terminated', 'The run was terminated in Temporal.'),
  cancelled: unrecorded('cancelled', 'cancelled', 'The run was cancelled.'),
  timed_out: unrecorded('failed', 'timeout', 'The run took longer than Temporal was told to let it.'),
  failed: unrecorded('failed', 'engine_error', 'The run failed in the engine; its workflow in Temporal says more.'),
  completed: unrecorded('failed', 'engine_error', 'The run ended without a record of its output.'),
};

const orphaned = unrecorded('cancelled', 'parent_ended', 'The run that was to start it has ended.');

/**
 * Brings the record of open runs in line with Temporal, a part of them each time: ends those whose workflow was ended
 * from outside, and repeats requests to cancel that may not have arrived. Any number of processes may do so.
 */
export function createReconcile(deps: ReconcileDeps): () => Promise<void> {
  let after = '';
  return async () => {
    for (const run of await cancelsToRepeat(deps.db, CANCEL_AFTER_MS, BATCH)) await deliverCancel(deps, run);
    const runs = await openRunsOlderThan(deps.db, { olderThanMinutes: OLDER_THAN_MINUTES, limit: BATCH, after });
    for (const run of runs) await reconcileRun(deps, run);
    after = runs.length < BATCH ? '' : (runs.at(-1)?.runId ?? '');
  };
}

async function reconcileRun(deps: ReconcileDeps, run: RunRef): Promise<void> {
  const status = await deps.temporal.statusOfRun(run);
  const end = status === 'unknown' && (await isOrphan(deps.db, run)) ? orphaned : endings[status];
  if (end === null) return;
  await markLost(deps.db, run, end);
  await tellParent(deps, run, end.error);
  await cancelChildren(deps, run, 'system:reconcile');
}
