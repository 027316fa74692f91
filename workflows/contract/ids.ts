/** Workflow ids. The same id is the same run: Temporal refuses a second start. All fit VARCHAR(255). */
export const runWorkflowId = (workspaceId: string, runId: string): string => `run/${workspaceId}/${runId}`;
export const scheduleTemporalId = (workspaceId: string, scheduleId: string): string =>
  `schedule/${workspaceId}/${scheduleId}`;

/** The key of one visit of one node; with the run's id in front it is the idempotency key of its effect. */
export const visitKey = (nodeId: string, visit: number): string => `${nodeId}/${visit}`;
export const effectKey = (runId: string, nodeId: string, visit: number): string =>
  `${runId}/${visitKey(nodeId, visit)}`;

/** The token of a wait is its approval's id: stable over retries, replays and continue-as-new. */
export const waitToken = (runId: string, nodeId: string, visit: number): string =>
  `apr_${runId.replace(/^run_/, '')}_${nodeId}_${visit}`;
