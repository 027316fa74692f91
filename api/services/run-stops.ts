import { markLost } from '../../db/reconcile.js';
import { findRun, isOpenStatus, openChildren, requestCancel } from '../../db/run-commands.js';
import { appendRunEvent } from '../../db/run-events.js';
import { queuedRun } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { conflict } from '../http/errors.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { mustFindRun, refOf, type Command, type Commanded } from './run-commands.js';

export type Stop = Command & { readonly reason: string | null };

export interface RunStopService {
  /** Asks it to stop: calls in flight are cancelled, what can be undone is undone. Asked again it answers the same. */
  readonly cancel: (stop: Stop) => Promise<Commanded>;
  /** Stops it on the spot, with nothing undone; the runs it started are cancelled. */
  readonly terminate: (stop: Stop) => Promise<Commanded>;
}

export interface RunStopDeps {
  readonly db: Database;
  readonly temporal: Pick<TemporalGateway, 'cancelRun' | 'terminateRun' | 'takePlace' | 'tellParent'>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

export function createRunStopService(deps: RunStopDeps): RunStopService {
  return {
    cancel: (stop) => cancelRun(deps, stop),
    terminate: (stop) => terminateRun(deps, stop),
  };
}

async function cancelRun(deps: RunStopDeps, stop: Stop): Promise<Commanded> {
  const { db, log } = deps;
  const { actor, runId, reason } = stop;
  const run = refOf(stop);
  const before = await mustFindRun(db, run);
  const status = await requestCancel(db, run, actor.id);
  if (status === null) return answerEnded(db, run);
  if (before.cancel_requested_at === null) {
    await appendRunEvent(db, runId, { type: 'cancel', data: { by: actor.id, reason } });
  }
  try {
    await deliverCancel(deps, run);
  } catch (error) {
    log.warn({ runId, reason: String(error) }, 'the request to cancel is repeated until Temporal answers');
  }
  return { id: runId, status: (await findRun(db, run))?.status ?? status };
}

/** It was cancelled before, or it has ended in another way. */
async function answerEnded(db: Database, run: RunRef): Promise<Commanded> {
  const { status } = await mustFindRun(db, run);
  if (status !== 'cancelled') throw conflict(`The run has ended (${status}): there is nothing to cancel.`);
  return { id: run.runId, status };
}

/**
 * Hands the request to Temporal. Of a run it does not know, the place is taken: a start that is under way elsewhere is
 * then refused, so that nothing of a cancelled run can begin later.
 */
export async function deliverCancel({ db, temporal }: CancelDeps, run: RunRef): Promise<void> {
  if (await temporal.cancelRun(run)) return;
  // a subflow is its parent's to start, and hears of the request when it was
  if (await isParents(db, run)) return;
  const isTaken = await takePlaceOf({ db, temporal }, run);
  // otherwise it may have been started while we looked
  if (!isTaken && (await temporal.cancelRun(run))) return;
  const error = { type: 'cancelled', message: 'The run was cancelled.' };
  await markLost(db, run, { status: 'cancelled', error });
}

/** True when the run was queued and now never begins. */
async function takePlaceOf({ db, temporal }: CancelDeps, run: RunRef): Promise<boolean> {
  const queued = await queuedRun(db, run);
  return queued !== null && (await temporal.takePlace(queued));
}

export type CancelDeps = Pick<RunStopDeps, 'db' | 'temporal'>;

/** A subflow that its parent is about to start. */
async function isParents(db: Database, run: RunRef): Promise<boolean> {
  const row = await findRun(db, run);
  return row?.status === 'queued' && row.parent_run_id !== null && !(await isOrphan(db, run));
}

/** A subflow that its parent did not come to start. */
export async function isOrphan(db: Database, run: RunRef): Promise<boolean> {
  const row = await findRun(db, run);
  if (row?.status !== 'queued' || row.parent_run_id === null) return false;
  const parent = await findRun(db, { workspaceId: run.workspaceId, runId: row.parent_run_id });
  return parent === undefined || !isOpenStatus(parent.status);
}

async function terminateRun(deps: RunStopDeps, stop: Stop): Promise<Commanded> {
  const { db, temporal } = deps;
  const { actor, runId, reason } = stop;
  const run = refOf(stop);
  await mustFindRun(db, run);
  const message = reason === null ? 'The run was terminated.' : `The run was terminated: ${reason}`;
  if (!(await temporal.terminateRun(run, message))) {
    await takePlaceOf(deps, run);
    await temporal.terminateRun(run, message);
  }
  await markLost(db, run, { status: 'cancelled', error: { type: 'terminated', message } });
  const { status, error } = await mustFindRun(db, run);
  if (error?.type !== 'terminated') throw conflict(`The run has ended (${status}): there is nothing to terminate.`);
  await tellParent(deps, run, error);
  await cancelChildren(deps, run, actor.id);
  return { id: runId, status };
}

type ChildrenDeps = CancelDeps & Pick<RunStopDeps, 'log'>;

/** Of a run that can no longer stop them itself. */
export async function cancelChildren(deps: ChildrenDeps, run: RunRef, by: string): Promise<void> {
  for (const child of await openChildren(deps.db, run)) {
    try {
      await requestCancel(deps.db, child, by);
      await deliverCancel(deps, child);
    } catch (error) {
      deps.log.warn({ runId: child.runId, reason: String(error) }, 'a subflow is cancelled when Temporal answers');
    }
  }
}

/** The workflow of a run that ended from outside can no longer do so itself. */
export async function tellParent({ db, temporal }: CancelDeps, run: RunRef, error: NodeError): Promise<void> {
  const row = await findRun(db, run);
  if (row === undefined || row.parent_run_id === null || row.parent_key === null) return;
  const parent = { workspaceId: run.workspaceId, runId: row.parent_run_id };
  await temporal.tellParent(parent, { key: row.parent_key, end: { status: 'cancelled', error } });
}
