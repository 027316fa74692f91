import type { ActivityKind } from '../../workflows/contract/activities.js';
import type { Json } from '../../workflows/definition/values.js';
import type { NodeContext, NodeDeps } from './context.js';
import { deliver, deliveryHeaders } from './delivery.js';
import { whereOf, type Desk, type PlannedEffect } from './effect.js';
import type { UnknownPolicy } from './ledger.js';

export interface MessagePost {
  readonly desk: Desk;
  readonly url: string;
  /** As the author wrote it, with `{{secret:NAME}}`. */
  readonly secret: string | undefined;
  readonly subject?: string | undefined;
  readonly text: string;
  readonly onUnknown: UnknownPolicy;
}

/**
 * Posts a message to a webhook: `{"run_id","step","node_id","subject","text"}`; `subject` only when there is one.
 * Receipt: `{status}`.
 */
export async function plannedMessage(
  { run, node, signal }: NodeContext<ActivityKind>,
  { egress }: Pick<NodeDeps, 'egress'>,
  { desk, url, secret, subject, text, onUnknown }: MessagePost,
): Promise<PlannedEffect> {
  const body = JSON.stringify({ run_id: run.runId, step: node.label || node.id, node_id: node.id, subject, text });
  const key = secret === undefined ? undefined : await desk.templates.fillSecrets('secret', secret);
  const headers = deliveryHeaders(body, { secret: key });
  const isFresh = onUnknown.action !== 'repeat';
  return {
    kind: node.kind,
    what: `POST ${whereOf(url)}`,
    request: { method: 'POST', url, body },
    onUnknown,
    act: async (idempotencyKey): Promise<Json> => {
      const delivery = { field: 'to', url, body, headers, redactText: desk.redactText, isFresh };
      const { status } = await deliver(egress, delivery, { workspaceId: run.workspaceId, idempotencyKey, signal });
      return { status };
    },
  };
}
