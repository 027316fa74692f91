/** Workflow ids. The same id is the same run: Temporal refuses a second start. All fit VARCHAR(255). */
export const runWorkflowId = (workspaceId: string, runId: string): string => `run/${workspaceId}/${runId}`;
export const scheduleTemporalId = (workspaceId: string, scheduleId: string): string =>
  `schedule/${workspaceId}/${scheduleId}`;

/** Which visit of which node in which frame; the root frame is ''. */
export interface VisitPlace {
  readonly nodeId: string;
  /** 1 for the first time this frame comes to the node. */
  readonly visit: number;
  /** The item or round this visit belongs to: the id of its frame. */
  readonly scope: string;
}

/**
 * The key of one visit: `charge/1`, and `each/1/3/charge/1` for the item 3 of the first visit of the map `each`. It
 * depends on the plan and the data, never on what finished first; with the run's id in front it is the idempotency key.
 */
export const visitKey = ({ scope, nodeId, visit }: VisitPlace): string => `${inScope(scope, nodeId)}/${visit}`;

/** A node as seen from the root: its frame's id and its own. */
export const inScope = (scope: string, nodeId: string): string => (scope === '' ? nodeId : `${scope}/${nodeId}`);

/** The frame of one item or round of an open map or loop. */
export const frameId = (ownerKey: string, index: number): string => `${ownerKey}/${index}`;

export const effectKey = (runId: string, key: string): string => `${runId}/${key}`;

/** The token of a wait: stable over retries, replays and continue-as-new; fit for a URL. */
export const waitToken = (runId: string, key: string): string =>
  `apr_${runId.replace(/^run_/, '')}_${key.replaceAll('/', '~')}`;
