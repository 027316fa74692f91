import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { tsToDate } from '@temporalio/common/lib/time.js';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type { RunView } from '../../workflows/contract/messages.js';
import type { OpenWait, RunRef } from '../../workflows/contract/run.js';

export interface PendingActivity {
  readonly type: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** Why the attempt before failed. */
  readonly lastFailure: string | null;
  /** When the next attempt begins, while none is under way. */
  readonly nextAttemptAt: Date | null;
  readonly state: 'scheduled' | 'started' | 'cancelling' | 'paused';
}

export interface RunDescription {
  /** Temporal's word: `RUNNING`, `COMPLETED`, ... */
  readonly status: string;
  readonly pendingActivities: readonly PendingActivity[];
  readonly historyLength: number;
}

/** What Temporal knows of a run; each throws when the server does not answer. */
export interface RunInspector {
  /** Null when it knows no such run. */
  readonly describeRun: (run: RunRef) => Promise<RunDescription | null>;
  /** Workers that asked this queue for work within the last minutes. */
  readonly pollers: (queue: string) => Promise<number>;
  /** What the run itself says it waits for; needs a worker. */
  readonly waitsInRun: (run: RunRef) => Promise<readonly OpenWait[]>;
}

const DEADLINE_MS = 2_500;
/** A worker asks again each minute; the server remembers it for five. */
const POLLED_WITHIN_MS = 130_000;
const WORKFLOW_QUEUE = 1;

export function createRunInspector(client: Client, namespace: string): RunInspector {
  const { connection } = client;
  // the client repeats a call past its deadline unless it is told to stop
  const patient = <T>(call: () => Promise<T>): Promise<T> =>
    connection.withDeadline(Date.now() + DEADLINE_MS, () =>
      connection.withAbortSignal(AbortSignal.timeout(DEADLINE_MS), call),
    );
  const handleOf = ({ workspaceId, runId }: RunRef) => client.workflow.getHandle(runWorkflowId(workspaceId, runId));
  return {
    describeRun: async (run) => {
      try {
        const { status, historyLength, raw } = await patient(() => handleOf(run).describe());
        return { status: status.name, historyLength, pendingActivities: (raw.pendingActivities ?? []).map(pendingOf) };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return null;
        throw error;
      }
    },
    pollers: async (queue) => {
      const request = { namespace, taskQueue: { name: queue }, taskQueueType: WORKFLOW_QUEUE };
      const { pollers } = await patient(() => client.workflowService.describeTaskQueue(request));
      const since = Date.now() - POLLED_WITHIN_MS;
      return (pollers ?? []).filter(({ lastAccessTime: at }) => at && tsToDate(at).getTime() > since).length;
    },
    waitsInRun: async (run) => (await patient(() => handleOf(run).query<RunView>('runView'))).waits,
  };
}

type RawDescription = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>['raw'];
type RawPending = NonNullable<RawDescription['pendingActivities']>[number];

const states: readonly PendingActivity['state'][] = ['scheduled', 'scheduled', 'started', 'cancelling', 'paused'];

function pendingOf(raw: RawPending): PendingActivity {
  const { activityType, attempt, lastFailure, nextAttemptScheduleTime: next, state } = raw;
  return {
    type: activityType?.name ?? '',
    attempt: attempt ?? 1,
    lastFailure: lastFailure === null || lastFailure === undefined ? null : rootMessage(lastFailure),
    nextAttemptAt: next ? tsToDate(next) : null,
    state: states[state ?? 0] ?? 'scheduled',
  };
}

interface RawFailure {
  readonly message?: string | null;
  readonly cause?: RawFailure | null;
}

const LONGEST = 500;

/** The outer failures only say that something below them failed. */
function rootMessage({ message, cause }: RawFailure): string {
  const inner = cause ? rootMessage(cause) : '';
  return (inner === '' ? (message ?? '') : inner).slice(0, LONGEST);
}
