import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import type { Vault } from '../../db/vault/vault.js';
import { changeEndpoint, deleteEndpoint, settingEndpoint, writeEndpoint } from '../../db/webhook-endpoints.js';
import { makeSecret } from './webhook-secrets.js';

export interface TenantWebhookChange {
  readonly tenantId: string;
  /** Null: no longer. */
  readonly url: string | null;
  readonly by: string;
}

/** Keeps the endpoint that `settings.webhook_url` stands for; answers the secret of a new one, which is shown this once. */
export type FollowWebhookUrl = (trx: Database, change: TenantWebhookChange) => Promise<string | null>;

const CALL_EVENTS = ['call.*'];
const TIMEOUT_SECONDS = 30;

/** In the transaction that changes the settings, which holds the organisation's row. */
export const createFollowWebhookUrl =
  ({ vault }: { readonly vault: Vault }): FollowWebhookUrl =>
  async (trx, { tenantId, url, by }) => {
    const endpoint = await settingEndpoint(trx, tenantId);
    if (url === null) {
      if (endpoint !== undefined) await deleteEndpoint(trx, endpoint.id);
      return null;
    }
    if (endpoint !== undefined) {
      // a new address begins anew, also where the one before was turned off
      if (endpoint.url !== url) await changeEndpoint(trx, endpoint.id, { url, is_active: true });
      return null;
    }
    const id = newId('whe');
    const { secret, sealed } = await makeSecret(vault, { tenantId, id });
    await writeEndpoint(trx, {
      ...{ id, tenantId, workspaceId: null, url, secretSealed: sealed, source: 'tenant_settings', createdBy: by },
      description: 'settings.webhook_url of the organisation',
      eventTypes: CALL_EVENTS,
      definitionIds: [],
      includeChildren: false,
      includeTests: false,
      timeoutSeconds: TIMEOUT_SECONDS,
      headers: {},
    });
    return secret;
  };
