import { Connection, Client as TemporalClient, WorkflowNotFoundError } from '@temporalio/client';
import { waitUntil } from '../../local/processes.js';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type { Evidence, RunRow } from './evidence.js';
import { NAMESPACE } from './platform.js';

/** Each run is one closed execution that ended as the run did; one decided against completed, as nothing went wrong. */
export async function temporalViolations(evidence: Evidence, rows: readonly RunRow[]): Promise<readonly string[]> {
  const connection = await Connection.connect({ address: evidence.platform.temporalAddress });
  try {
    const { workflow } = new TemporalClient({ connection, namespace: NAMESPACE });
    const executions = new Map<string, number>();
    const count = async (): Promise<boolean> => {
      executions.clear();
      for await (const { workflowId } of workflow.list({ query: 'WorkflowType = "run"' }))
        executions.set(workflowId, (executions.get(workflowId) ?? 0) + 1);
      return rows.every(({ id }) => executions.has(runWorkflowId(evidence.workspaceId, id)));
    };
    // Temporal's lists follow its histories by a moment
    await waitUntil(count, { patienceMs: 20_000, everyMs: 250 });
    const found: string[] = [];
    for (const row of rows.filter((each) => !neverStarted(each))) {
      const workflowId = runWorkflowId(evidence.workspaceId, row.id);
      const status = await statusOf(workflow, workflowId);
      const times = executions.get(workflowId) ?? 0;
      if (status !== endOf(row)) found.push(`${row.id} is ${row.status}: the workflow is ${status}`);
      if (times !== 1) found.push(`${row.id}: ${times} workflow executions`);
    }
    const strangers = [...executions.keys()].filter((id) => !rows.some((row) => id.endsWith(`/${row.id}`)));
    return [...found, ...strangers.map((id) => `Temporal knows ${id}, which is no run`)];
  } finally {
    await connection.close();
  }
}

async function statusOf(workflow: TemporalClient['workflow'], workflowId: string): Promise<string> {
  try {
    return (await workflow.getHandle(workflowId).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'unknown to Temporal';
    throw error;
  }
}

/** A subflow whose parent was cancelled as it was about to start it. */
const neverStarted = ({ parentId, status, steps }: RunRow): boolean =>
  parentId !== null && status === 'cancelled' && steps.length === 0;

function endOf({ status, waits }: RunRow): string {
  if (status === 'completed') return 'COMPLETED';
  if (status === 'failed') return 'FAILED';
  const isRefused = waits.some(({ kind, decidedBy, ...wait }) => {
    return kind === 'decision' && wait.status === 'denied' && decidedBy?.startsWith('system:') !== true;
  });
  return isRefused ? 'COMPLETED' : 'CANCELLED';
}
