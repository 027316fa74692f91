import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import { deliveryWorkflowId, type DeliverWebhookInput } from '../../workflows/contract/webhooks.js';

/** After runs: an event told a moment later hurts less than a run that waits. */
const PRIORITY = 4;

/** Starts a delivery; one that is open or has ended well is left alone, one that was ended by force begins anew. */
export async function startDelivery(client: Client, input: DeliverWebhookInput): Promise<void> {
  try {
    await client.workflow.start('deliverWebhook', {
      workflowId: deliveryWorkflowId(input),
      taskQueue: ENGINE_QUEUE,
      args: [input],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      workflowIdConflictPolicy: 'USE_EXISTING',
      priority: { fairnessKey: input.workspaceId, priorityKey: PRIORITY },
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
