import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import { runWorkflowId } from '../contract/ids.js';
import type { ChildEnd, RunInput, RunResult } from '../contract/run.js';
import { records } from '../contract/timeouts.js';
import { inline } from '../definition/values.js';
import { failureOf } from './failures.js';
import type { RunSession } from './session.js';
import { whole } from './writes.js';

const { loadEnd } = proxyActivities<RunActivities>(records);

/** A child that was terminated, or whose workflow was lost, never says that it ended: its row is asked now and then. */
const ASK_AFTER_MS = 15 * 60_000;

type Run = (input: RunInput) => Promise<RunResult>;
export type Child = ChildWorkflowHandle<Run>;

export interface Launch {
  readonly key: string;
  readonly input: RunInput;
  readonly isDetached: boolean;
}

/** Starts a child's workflow; null when it had been started before. */
export async function launchChild({ input: own }: RunSession, launch: Launch): Promise<Child | null> {
  const { key, input, isDetached } = launch;
  const { workspaceId, runId } = input.run;
  const parent = { workflowId: workflowInfo().workflowId, key };
  const { priority } = own;
  try {
    return await startChild<Run>('run', {
      workflowId: runWorkflowId(workspaceId, runId),
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      args: [isDetached ? input : { ...input, parent }],
      // It tells us its end itself, so that it may outlive this execution of ours; cancelling reaches it all the same.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      cancellationType: isDetached
        ? ChildWorkflowCancellationType.ABANDON
        : ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      priority: { fairnessKey: workspaceId, ...(priority === undefined ? {} : { priorityKey: priority }) },
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
    throw error;
  }
}

/** What is known of a child's end. */
interface Watched {
  end?: ChildEnd;
}

/** By Temporal's word, by the child's own, or by its row; null when the run drains. */
export async function endOfChild(
  session: RunSession,
  { key, child }: { readonly key: string; readonly child: Child | null },
): Promise<ChildEnd | null> {
  const known: Watched = {};
  if (child !== null) void watch(child, known);
  try {
    const end = await heardEnd(session, { key, known, isWatched: child !== null });
    if (end !== null) forgetChild(session, key);
    return end;
  } catch (error) {
    if (isCancellation(error)) await whole(() => stopChild(session, { key, known, isWatched: child !== null }));
    throw error;
  }
}

interface Hearing {
  readonly key: string;
  readonly known: Watched;
  readonly isWatched: boolean;
}

/** The child's own word comes a moment before Temporal's: where that comes too it is waited for. */
async function heardEnd(session: RunSession, { key, known, isWatched }: Hearing): Promise<ChildEnd | null> {
  const ended = (): ChildEnd | null =>
    isWatched && known.end === undefined ? null : (session.childEnds.get(key) ?? known.end ?? null);
  for (;;) {
    const run = session.children.get(key);
    await session.idle(() => ended() !== null, isWatched || run === undefined ? null : Date.now() + ASK_AFTER_MS);
    const end = ended();
    if (end !== null || session.draining) return end;
    const asked = run === undefined ? null : await loadEnd({ run });
    if (asked !== null) return ended() ?? asked;
  }
}

async function watch(child: Child, known: Watched): Promise<void> {
  try {
    const { status, output } = await child.result();
    known.end = status === 'completed' ? { status, output: output ?? inline(null) } : cancelled;
  } catch (error) {
    known.end = isCancellation(error) ? cancelled : { status: 'failed', error: failureOf(error).error };
  }
}

const cancelled: ChildEnd = {
  status: 'cancelled',
  error: { type: 'child_cancelled', message: 'The run it had started was cancelled.' },
};

/**
 * Waits until a cancelled child has come to rest; false when the run continues as new before that. One that this
 * execution started is cancelled with the scope it was started in, any other from outside.
 */
async function stopChild(session: RunSession, hearing: Hearing): Promise<boolean> {
  const { key, isWatched } = hearing;
  const run = session.children.get(key);
  if (run === undefined) return true;
  if (!isWatched) {
    await getExternalWorkflowHandle(runWorkflowId(run.workspaceId, run.runId))
      .cancel()
      .catch(() => undefined);
  }
  const end = await heardEnd(session, hearing);
  if (end !== null) forgetChild(session, key);
  return end !== null;
}

function forgetChild(session: RunSession, key: string): void {
  session.children.delete(key);
  session.childEnds.delete(key);
}

/** Nothing that the run started for itself goes on without it. False when the run continues as new before that. */
export async function stopChildren(session: RunSession): Promise<boolean> {
  const stops = [...session.children.keys()].map((key) => stopChild(session, { key, known: {}, isWatched: false }));
  return (await Promise.all(stops)).every(Boolean);
}
