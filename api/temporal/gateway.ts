import {
  ApplicationFailure,
  Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type ConnectionLike,
} from '@temporalio/client';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { Failure } from '../../workflows/contract/failures.js';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type { ResolvedWait, ResolveWait } from '../../workflows/contract/messages.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import type { RunInput, RunRef } from '../../workflows/contract/run.js';
import type { ScheduleGateway } from '../services/schedule-gateway.js';
import { createRunInspector, type RunInspector } from './run-inspector.js';
import { createScheduleGateway } from './schedules.js';

/** What deciding a wait came to. */
export type WaitResult =
  | { readonly outcome: 'resolved'; readonly wait: ResolvedWait }
  /** Somebody or a timer was first. */
  | { readonly outcome: 'settled' }
  | { readonly outcome: 'unknown' }
  /** No such workflow is open: the run is over, or was never started. */
  | { readonly outcome: 'closed' };

/** All the API asks of Temporal. */
export interface TemporalGateway extends RunInspector {
  /** Starts the run's workflow; a run that was started before is left alone. */
  readonly startRun: (input: RunInput) => Promise<void>;
  /** The same `requestId` is the same decision: asked again, it answers as it did. */
  readonly resolveWait: (run: RunRef, request: ResolveWait & { readonly requestId: string }) => Promise<WaitResult>;
  readonly schedules: ScheduleGateway;
  /** Throws when the server does not answer. */
  readonly ping: () => Promise<void>;
}

export interface GatewayOptions {
  readonly connection: ConnectionLike;
  readonly namespace: string;
  /** The connection is the worker's own, so that a start hands the first task to it directly. */
  readonly eagerStart: boolean;
}

const START_DEADLINE_MS = 3_000;
const UPDATE_DEADLINE_MS = 20_000;

export function createTemporalGateway({ connection, namespace, eagerStart }: GatewayOptions): TemporalGateway {
  const client = new Client({ connection, namespace });
  return {
    startRun: (input) => within(connection, START_DEADLINE_MS, () => startRun(client, input, eagerStart)),
    resolveWait: (run, request) => within(connection, UPDATE_DEADLINE_MS, () => resolveWaitOf(client, run, request)),
    ...createRunInspector(client, namespace),
    schedules: createScheduleGateway({ client }),
    ping: () =>
      within(connection, START_DEADLINE_MS, async () => {
        await client.workflowService.getSystemInfo({});
      }),
  };
}

const within = <T>(connection: ConnectionLike, ms: number, call: () => Promise<T>): Promise<T> =>
  connection.withDeadline(Date.now() + ms, call);

async function startRun(client: Client, input: RunInput, requestEagerStart: boolean): Promise<void> {
  const { workspaceId, runId } = input.run;
  try {
    await client.workflow.start('run', {
      workflowId: runWorkflowId(workspaceId, runId),
      taskQueue: ENGINE_QUEUE,
      args: [input],
      requestEagerStart,
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
      priority: { fairnessKey: workspaceId },
      typedSearchAttributes: attributesOf(input),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

const attribute = {
  workspace: defineSearchAttributeKey('KeelsonWorkspace', 'KEYWORD'),
  definition: defineSearchAttributeKey('KeelsonDefinition', 'KEYWORD'),
  run: defineSearchAttributeKey('KeelsonRun', 'KEYWORD'),
};

/** What engineers find runs by in Temporal's own lists. */
const attributesOf = ({ run, definitionId }: RunInput): SearchAttributePair[] => [
  { key: attribute.workspace, value: run.workspaceId },
  { key: attribute.run, value: run.runId },
  ...(definitionId === undefined ? [] : [{ key: attribute.definition, value: definitionId }]),
];

async function resolveWaitOf(
  client: Client,
  run: RunRef,
  { requestId, ...request }: ResolveWait & { readonly requestId: string },
): Promise<WaitResult> {
  const handle = client.workflow.getHandle(runWorkflowId(run.workspaceId, run.runId));
  try {
    const wait = await handle.executeUpdate<ResolvedWait, [ResolveWait]>('resolveWait', {
      args: [request],
      updateId: requestId,
    });
    return { outcome: 'resolved', wait };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { outcome: 'closed' };
    const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure)) throw error;
    if (cause.type === Failure.waitSettled) return { outcome: 'settled' };
    if (cause.type === Failure.waitUnknown) return { outcome: 'unknown' };
    throw error;
  }
}
