import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** As Standard Webhooks writes secrets: `whsec_` and base64. */
export const newWebhookSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;

export interface SignedMessage {
  /** `webhook-id`. */
  readonly id: string;
  /** Unix seconds of the attempt. */
  readonly timestamp: number;
  readonly body: string;
  /** The newest first; while two overlap both sign. */
  readonly secrets: readonly string[];
}

/**
 * Both forms a receiver may check. `webhook-signature` is Standard Webhooks: HMAC-SHA256 of `id.timestamp.body` under the
 * bytes that the secret's base64 stands for. `x-webhook-signature` is `t=,v1=`: HMAC-SHA256 of `timestamp.body` in hex,
 * under the secret's whole text.
 */
export function signatureHeaders({ id, timestamp, body, secrets }: SignedMessage): Readonly<Record<string, string>> {
  const standard = secrets.map((secret) => `v1,${hmac(keyOf(secret), `${id}.${timestamp}.${body}`, 'base64')}`);
  const timed = secrets.map((secret) => `v1=${hmac(secret, `${timestamp}.${body}`, 'hex')}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': standard.join(' '),
    'x-webhook-signature': [`t=${timestamp}`, ...timed].join(','),
  };
}

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64');

const hmac = (key: Buffer | string, text: string, encoding: 'base64' | 'hex'): string =>
  createHmac('sha256', key).update(text).digest(encoding);
