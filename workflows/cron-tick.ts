import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ParentClosePolicy,
  WorkflowIdReusePolicy,
  proxyActivities,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { ScheduleActivities, TickDecision } from './contract/activities.js';
import { runWorkflowId } from './contract/ids.js';
import type { RunInput } from './contract/run.js';

export interface CronTickInput {
  readonly workspaceId: string;
  readonly scheduleId: string;
}

export type CronTickOutcome = 'started' | 'skipped' | 'ignored';

const BUSY_CHECKS = 12;

// A short retry ceiling, as a tick that comes to nothing because the database was away is a missed run.
const { beginTick, skipTick } = proxyActivities<ScheduleActivities>({
  startToCloseTimeout: '30 seconds',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '15 seconds' },
});

/** Starts when a schedule fires; waits up to two minutes while the workspace is busy; ends once the run is started or skipped. */
export async function cronTick({ workspaceId, scheduleId }: CronTickInput): Promise<CronTickOutcome> {
  const tick = { workspaceId, scheduleId, scheduledAt: scheduledTime().toISOString() };
  let decision: TickDecision = await beginTick(tick);
  for (let check = 0; decision.action === 'busy' && check < BUSY_CHECKS; check += 1) {
    await sleep('10 seconds');
    decision = await beginTick(tick);
  }
  switch (decision.action) {
    case 'start':
      await startRun(decision.input);
      return 'started';
    case 'busy':
      await skipTick({ ...tick, reason: decision.reason });
      return 'skipped';
    case 'ignore':
      return 'ignored';
  }
}

/** The time the schedule fired for, which is earlier than now after an outage; set by Temporal on what a schedule starts. */
function scheduledTime(): Date {
  const { searchAttributes, startTime } = workflowInfo();
  const [scheduled] = searchAttributes['TemporalScheduledStartTime'] ?? [];
  return scheduled instanceof Date ? scheduled : startTime;
}

/** Only the workflow's type is named, so that a tick needs nothing of the interpreter. A run of this id is the same run. */
async function startRun(input: RunInput): Promise<void> {
  try {
    await startChild('run', {
      workflowId: runWorkflowId(input.run.workspaceId, input.run.runId),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
