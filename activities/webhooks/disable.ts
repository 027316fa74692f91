import type { NewAuditEvent } from '../../db/audit-chain.js';
import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import { disableEndpoint, ownerAddresses, type DisabledEndpoint } from '../../db/webhook-health.js';
import type { MailPort } from '../mail/port.js';

export interface DisableDeps {
  readonly db: Database;
  readonly mail: MailPort;
  readonly audit: (event: NewAuditEvent) => Promise<void>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

/** Turns an endpoint off, puts that into the audit log and writes to the owners of the organisation. */
export type Disable = (off: {
  readonly endpointId: string;
  /** Whose delivery was the last. */
  readonly workspaceId: string;
  readonly reason: string;
}) => Promise<void>;

const MAIL_TIMEOUT_MS = 10_000;

export function createDisable(deps: DisableDeps): Disable {
  return async ({ endpointId, workspaceId, reason }) => {
    const off = await disableEndpoint(deps.db, endpointId, reason);
    if (off === undefined) return;
    deps.log.warn({ endpointId, reason }, 'a webhook endpoint was turned off');
    await deps.audit(entryOf(off, workspaceId, reason));
    const owners = await ownerAddresses(deps.db, off.tenantId);
    await Promise.all(owners.map((to) => tell(deps, { off, reason, to })));
  };
}

const entryOf = (off: DisabledEndpoint, workspaceId: string, reason: string): NewAuditEvent => ({
  id: newId('aud'),
  workspace_id: off.workspaceId ?? workspaceId,
  tenant_id: off.tenantId,
  actor_type: 'system',
  actor_id: 'system:webhooks',
  action: 'webhookEndpoints.disabled',
  entity_type: 'webhook_endpoint',
  entity_id: off.id,
  metadata: { reason },
  ip: null,
  request_id: null,
  before: null,
  after: null,
});

/** A mail that cannot be sent holds nothing up: the endpoint says itself that it is off, and why. */
async function tell(
  { mail, log }: DisableDeps,
  { off, reason, to }: { readonly off: DisabledEndpoint; readonly reason: string; readonly to: string },
): Promise<void> {
  try {
    await mail.send({
      to,
      subject: 'A webhook endpoint was turned off',
      text: [
        `Events are no longer sent to ${off.url} (${off.id}). ${reason}`,
        `What was not delivered is kept for 30 days. Turn the endpoint on with PATCH /v1/webhook-endpoints/${off.id} ` +
          `{"is_active": true}, then send it again with POST /v1/webhook-endpoints/${off.id}/redrive.`,
      ].join('\n\n'),
      idempotencyKey: `${newId('mail')}/${off.id}`,
      signal: AbortSignal.timeout(MAIL_TIMEOUT_MS),
    });
  } catch (error) {
    log.warn({ endpointId: off.id, reason: String(error) }, 'the mail about a webhook endpoint was not sent');
  }
}
