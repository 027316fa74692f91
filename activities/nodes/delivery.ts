import { createHmac } from 'node:crypto';
import type { Egress, EgressReply } from '../egress/egress.js';
import { Fault, invalid } from './failure.js';
import { customHeaders } from './headers.js';
import { statusFailure } from './status.js';
import { headerSafe } from './text.js';

/** One signed JSON POST. The body goes out byte for byte, so a receiver can verify the signature over what it got. */
export interface Delivery {
  /** What the address is called in errors: `url` or `to`. */
  readonly field: string;
  readonly url: string;
  readonly body: string;
  /** Checked and complete but for the key. */
  readonly headers: Readonly<Record<string, string>>;
  /** Takes the secrets of this delivery out of what errors quote of the answer. */
  readonly redactText: (text: string) => string;
  /** Asks for a connection of its own. */
  readonly isFresh?: boolean;
}

const REPLY_LIMIT_BYTES = 1024 * 1024;

export const signatureOf = (secret: string, body: string): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

/** The headers of a delivery, all but its key; fails with a sentence before anything is sent. */
export function deliveryHeaders(
  body: string,
  {
    headers = {},
    secret,
  }: { readonly headers?: Readonly<Record<string, string>>; readonly secret?: string | undefined },
): Record<string, string> {
  if (secret === '') throw invalid(Fault.configInvalid, 'secret: the signing secret is empty.');
  return {
    'content-type': 'application/json',
    'user-agent': 'Keelson',
    ...customHeaders(headers),
    'accept-encoding': 'identity',
    ...(secret === undefined ? {} : { 'x-chain-signature': signatureOf(secret, body) }),
  };
}

export interface Sending {
  readonly workspaceId: string;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** Answers the reply of a receiver that took it (2xx); anything else is a `NodeFailure`. */
export async function deliver(
  egress: Egress,
  delivery: Delivery,
  { workspaceId, idempotencyKey, signal }: Sending,
): Promise<EgressReply> {
  const { url, body, isFresh = false } = delivery;
  const headers = { ...delivery.headers, 'idempotency-key': headerSafe(idempotencyKey) };
  const request = { workspaceId, method: 'POST', url, headers, body, signal, isFresh } as const;
  const reply = await egress.send({ ...request, replyLimitBytes: REPLY_LIMIT_BYTES });
  if (reply.status >= 200 && reply.status < 300) return reply;
  throw statusFailure(delivery, reply);
}
