import { previousWebhookSecret, webhookSecret } from '../../db/vault/sealed-columns.js';
import type { Vault } from '../../db/vault/vault.js';
import type { EndpointRow, NewSecret } from '../../db/webhook-endpoints.js';
import { newWebhookSecret } from '../../db/webhook-signature.js';

interface EndpointId {
  readonly tenantId: string;
  readonly id: string;
}

/** A new secret, and how it is kept. */
export interface MadeSecret {
  readonly secret: string;
  readonly sealed: string;
}

export async function makeSecret(vault: Vault, endpoint: EndpointId): Promise<MadeSecret> {
  const secret = newWebhookSecret();
  return { secret, sealed: await vault.seal(webhookSecret(endpoint), secret) };
}

/** The one before goes on signing for so many seconds. */
export async function nextSecret(
  vault: Vault,
  row: EndpointRow,
  overlapSeconds: number,
): Promise<NewSecret & { readonly secret: string }> {
  const of = { tenantId: row.tenant_id, id: row.id };
  const { secret, sealed: secretSealed } = await makeSecret(vault, of);
  if (overlapSeconds === 0) return { secret, secretSealed };
  const before = await vault.open(webhookSecret(of), row.secret_sealed);
  const sealed = await vault.seal(previousWebhookSecret(of), before);
  return { secret, secretSealed, previous: { sealed, seconds: overlapSeconds } };
}
