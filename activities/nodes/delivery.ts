import { createHmac } from 'node:crypto';
import type { Egress, EgressReply } from '../egress/egress.js';
import { retryAfterMs } from '../egress/retry-after.js';
import { Fault, invalid, NodeFailure } from './failure.js';
import { excerptOf, EXCERPT_LENGTH, headerSafe } from './text.js';

/** One signed JSON POST. The body goes out byte for byte, so a receiver can verify the signature over what it got. */
export interface Delivery {
  /** What the address is called in errors: `url` or `to`. */
  readonly field: string;
  readonly url: string;
  readonly body: string;
  readonly secret?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  /** Takes the secrets of this delivery out of what errors quote of the answer. */
  readonly redactText: (text: string) => string;
}

const REPLY_LIMIT_BYTES = 1024 * 1024;

/** Set by us or by HTTP itself. */
const ownHeaders: ReadonlySet<string> = new Set([
  ...['x-chain-signature', 'idempotency-key', 'host', 'content-length', 'transfer-encoding', 'connection'],
  ...['keep-alive', 'upgrade', 'te', 'trailer', 'expect', 'proxy-authorization', 'proxy-connection', 'accept-encoding'],
]);
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

function customHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name)) throw invalid(Fault.configInvalid, `headers: "${name}" is not a valid header name.`);
    if (ownHeaders.has(name.toLowerCase()))
      throw invalid(Fault.configInvalid, `headers: "${name}" is set by the platform; remove it.`);
    if (!headerValue.test(value))
      throw invalid(
        Fault.configInvalid,
        `headers: the value of "${name}" holds a line break or another character that headers cannot carry.`,
      );
    checked[name.toLowerCase()] = value;
  }
  return checked;
}

export const signatureOf = (secret: string, body: string): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

function headersOf({ headers = {}, body, secret, idempotencyKey }: Delivery): Record<string, string> {
  if (secret === '') throw invalid(Fault.configInvalid, 'secret: the signing secret is empty.');
  return {
    'content-type': 'application/json',
    'user-agent': 'Keelson',
    ...customHeaders(headers),
    'accept-encoding': 'identity',
    'idempotency-key': headerSafe(idempotencyKey),
    ...(secret === undefined ? {} : { 'x-chain-signature': signatureOf(secret, body) }),
  };
}

const isWorthRepeating = (status: number): boolean => [408, 425, 429].includes(status) || status >= 500;

function statusFailure({ field, redactText }: Delivery, { status, headers, text }: EgressReply): NodeFailure {
  if (status >= 300 && status < 400)
    return invalid(
      Fault.httpStatus,
      `The receiver answered ${status}, a redirect, which is not followed; set ${field} to the final address.`,
    );
  const excerpt = excerptOf(redactText(text), EXCERPT_LENGTH);
  return new NodeFailure(Fault.httpStatus, `The receiver answered ${status}${excerpt === '' ? '.' : `: ${excerpt}`}`, {
    retryable: isWorthRepeating(status),
    retryAfterMs: isWorthRepeating(status) ? retryAfterMs(headers['retry-after']) : undefined,
  });
}

/** Answers the reply of a receiver that took it (2xx); anything else is a `NodeFailure`. */
export async function deliver(egress: Egress, delivery: Delivery): Promise<EgressReply> {
  const { url, body, signal } = delivery;
  const headers = headersOf(delivery);
  const reply = await egress.send({ method: 'POST', url, headers, body, signal, replyLimitBytes: REPLY_LIMIT_BYTES });
  if (reply.status >= 200 && reply.status < 300) return reply;
  throw statusFailure(delivery, reply);
}
