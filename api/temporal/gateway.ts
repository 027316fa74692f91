import { Client, WorkflowExecutionAlreadyStartedError, type ConnectionLike } from '@temporalio/client';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry';
import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import type { RunInput } from '../../workflows/contract/run.js';
import type { ScheduleGateway } from '../services/schedule-gateway.js';
import type { DeliverWebhookInput } from '../../workflows/contract/webhooks.js';
import { within } from './deadline.js';
import { startDelivery } from './deliveries.js';
import { createRunInspector, type RunInspector } from './run-inspector.js';
import { createRunMessages, type RunMessages } from './run-messages.js';
import { createScheduleGateway } from './schedules.js';

export type { Answer, Refused, RunMessages, RunMoved, TemporalStatus } from './run-messages.js';

/** All the API asks of Temporal. */
export interface TemporalGateway extends RunMessages, RunInspector {
  /** Starts the run's workflow; a run that was started before is left alone. */
  readonly startRun: (input: RunInput) => Promise<void>;
  /** Takes the place of a run that is not to begin: a later start is refused. False when it was started before. */
  readonly takePlace: (input: RunInput) => Promise<boolean>;
  /** Starts the delivery of a webhook; one that was started before is left alone. */
  readonly startDelivery: (input: DeliverWebhookInput) => Promise<void>;
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
const DEFAULT_PRIORITY = 3;

export function createTemporalGateway({ connection, namespace, eagerStart }: GatewayOptions): TemporalGateway {
  const client = new Client({
    connection,
    namespace,
    interceptors: { workflow: [new OpenTelemetryWorkflowClientInterceptor()] },
  });
  return {
    startRun: (input) => within(connection, START_DEADLINE_MS, () => startRun(client, input, eagerStart)),
    takePlace: (input) => within(connection, START_DEADLINE_MS, () => takePlace(client, input)),
    startDelivery: (input) => within(connection, START_DEADLINE_MS, () => startDelivery(client, input)),
    ...createRunMessages({ client }),
    ...createRunInspector(client, namespace),
    schedules: createScheduleGateway({ client }),
    ping: () =>
      within(connection, START_DEADLINE_MS, async () => {
        await client.workflowService.getSystemInfo({});
      }),
  };
}

async function startRun(client: Client, input: RunInput, requestEagerStart: boolean): Promise<void> {
  try {
    await client.workflow.start('run', {
      ...optionsOf(input),
      requestEagerStart,
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** It would begin in a day, and is ended at once: no worker ever hears of it. */
async function takePlace(client: Client, input: RunInput): Promise<boolean> {
  try {
    const handle = await client.workflow.start('run', {
      ...optionsOf(input),
      startDelay: '1 day',
      workflowIdConflictPolicy: 'FAIL',
    });
    await handle.terminate('The run was stopped before it began.');
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

const optionsOf = (input: RunInput) =>
  ({
    workflowId: runWorkflowId(input.run.workspaceId, input.run.runId),
    taskQueue: ENGINE_QUEUE,
    args: [input],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    priority: { fairnessKey: input.run.workspaceId, priorityKey: input.priority ?? DEFAULT_PRIORITY },
    typedSearchAttributes: attributesOf(input),
  }) as const;

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
