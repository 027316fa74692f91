import type { DeliverySource } from '../../../db/ingress-sources.js';
import { ingressSecret } from '../../../db/vault/sealed-columns.js';
import type { Vault } from '../../../db/vault/vault.js';
import type { Delivery, Proof } from './schemes/scheme.js';
import { schemes, type Provider } from './schemes/index.js';

export type Verdict =
  | { readonly ok: true; readonly proof: Proof }
  /** `why` is a sentence that tells nothing of the secret. */
  | { readonly ok: false; readonly why: string };

/** With what a delivery may have been signed. */
export interface Verifying {
  readonly provider: Provider;
  readonly settings: unknown;
  /** The current one, and the one before it while that goes on. */
  readonly secrets: readonly string[];
  readonly toleranceSeconds: number;
  readonly now: Date;
}

/** Whether a request comes from whom it says, unaltered and in time. The time is told only to who signed it. */
export function verifyDelivery(delivery: Delivery, with_: Verifying): Verdict {
  const { provider, settings, secrets, toleranceSeconds, now } = with_;
  const scheme = schemes[provider];
  const proof = secrets.map((secret) => scheme.verify(delivery, { secret, settings })).find((each) => each !== null);
  if (proof === undefined || proof === null)
    return { ok: false, why: `${scheme.carrier(settings)} is missing or does not match the body.` };
  const late = proof.signedAt === null ? null : lateness(proof.signedAt, { toleranceSeconds, now });
  return late === null ? { ok: true, proof } : { ok: false, why: late };
}

function lateness(signedAt: number, { toleranceSeconds, now }: Pick<Verifying, 'toleranceSeconds' | 'now'>) {
  const age = Math.floor(now.getTime() / 1_000) - signedAt;
  if (Math.abs(age) <= toleranceSeconds) return null;
  const direction = age > 0 ? 'ago' : 'ahead of our clock';
  return `The request was signed ${Math.abs(age)} s ${direction}, and at most ${toleranceSeconds} s are accepted: sign it anew.`;
}

/** What a source's deliveries are verified with; its secrets are opened for this alone. */
export async function verifyingOf(vault: Pick<Vault, 'open'>, source: DeliverySource, now: Date): Promise<Verifying> {
  const { workspace_id: workspaceId, id, previous_secret_sealed: previous, previous_secret_until: until } = source;
  const isPreviousGood = previous !== null && until !== null && until > now;
  const sealed = [source.secret_sealed, ...(isPreviousGood ? [previous] : [])];
  return {
    // -- reason: checked when the source was written
    provider: source.provider as Provider,
    settings: source.verification,
    secrets: await Promise.all(sealed.map((text) => vault.open(ingressSecret({ workspaceId, id }), text))),
    toleranceSeconds: source.tolerance_seconds,
    now,
  };
}
