import { createHash, createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { Provider } from '../../api/services/ingress/schemes/index.js';

/** What a provider sends, as its own documents say it signs. */
export interface Signing {
  readonly secret: string;
  readonly body: Buffer;
  /** Seconds since 1970. */
  readonly at: number;
  readonly id: string;
  /** The address that is called. */
  readonly url: string;
}

type Headers = Readonly<Record<string, string>>;

const digest = (secret: string | Buffer, parts: readonly (string | Buffer)[], algorithm = 'sha256') =>
  parts.reduce((hmac, part) => hmac.update(part), createHmac(algorithm, secret));

const json = { 'content-type': 'application/json' };

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const rawKey = (key: KeyObject): string =>
  Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex');

/** A secret that fits each provider. */
export const secrets: Readonly<Record<Provider, string>> = {
  standard: `whsec_${Buffer.from('a key of thirty two bytes length').toString('base64')}`,
  keelson: 'chain key',
  github: 'github key',
  stripe: 'whsec_stripe',
  slack: 'slack signing secret',
  discord: rawKey(publicKey),
  telegram: 'telegram_secret-1',
  lark: 'lark verify token',
  zendesk: 'zendesk key',
  genesys: 'genesys key',
  twilio: 'twilio auth token',
  agent_studio: 'agent studio key',
  hmac: 'generic key',
  shared_secret: 'a shared word',
};

export const settings: Readonly<Record<Provider, object>> = {
  ...{ standard: {}, keelson: {}, github: {}, stripe: {}, slack: {}, discord: {}, telegram: {}, lark: {} },
  ...{ zendesk: {}, genesys: {}, agent_studio: {} },
  twilio: {},
  hmac: {
    header: 'X-Sum',
    algorithm: 'sha512',
    encoding: 'base64',
    prefix: 'v2:',
    timestamp_header: 'X-At',
    id_header: 'X-Id',
  },
  shared_secret: { header: 'Authorization', prefix: 'Bearer ', id_field: 'meta.id' },
};

/** The headers of a request, made by the provider's own algorithm. */
export const signed: Readonly<Record<Provider, (of: Signing) => Headers>> = {
  standard: ({ secret, body, at, id }) => ({
    ...json,
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': new Webhook(secret).sign(id, new Date(at * 1_000), body.toString()),
  }),
  keelson: ({ secret, body, id }) => ({
    ...json,
    'webhook-id': id,
    'x-chain-signature': `sha256=${digest(secret, [body]).digest('hex')}`,
  }),
  github: ({ secret, body, id }) => ({
    ...json,
    'x-github-delivery': id,
    'x-github-event': 'push',
    'x-hub-signature-256': `sha256=${digest(secret, [body]).digest('hex')}`,
  }),
  stripe: ({ secret, body, at }) => ({
    ...json,
    'stripe-signature': `t=${at},v0=old,v1=${'0'.repeat(64)},v1=${digest(secret, [`${at}.`, body]).digest('hex')}`,
  }),
  slack: ({ secret, body, at }) => ({
    ...json,
    'x-slack-request-timestamp': String(at),
    'x-slack-signature': `v0=${digest(secret, [`v0:${at}:`, body]).digest('hex')}`,
  }),
  discord: ({ body, at }) => ({
    ...json,
    'x-signature-timestamp': String(at),
    'x-signature-ed25519': sign(null, Buffer.concat([Buffer.from(String(at)), body]), privateKey).toString('hex'),
  }),
  telegram: ({ secret }) => ({ ...json, 'x-telegram-bot-api-secret-token': secret }),
  lark: () => json,
  zendesk: ({ secret, body, at, id }) => {
    const time = new Date(at * 1_000).toISOString();
    return {
      ...json,
      'x-zendesk-webhook-invocation-id': id,
      'x-zendesk-webhook-signature-timestamp': time,
      'x-zendesk-webhook-signature': digest(secret, [time, body]).digest('base64'),
    };
  },
  genesys: ({ secret, body }) => ({
    ...json,
    'x-hub-signature-256': `sha256=${digest(secret, [body]).digest('base64')}`,
  }),
  twilio: ({ secret, body, url, id }) => {
    const fields = [...new URLSearchParams(body.toString())].toSorted(([a], [b]) => (a < b ? -1 : 1)).flat();
    return {
      'content-type': 'application/x-www-form-urlencoded',
      'i-twilio-idempotency-token': id,
      'x-twilio-signature': digest(secret, [url, ...fields], 'sha1').digest('base64'),
    };
  },
  agent_studio: ({ secret, body, at }) => ({
    ...json,
    'x-webhook-signature': `t=${at},v1=${digest(secret, [`${at}.`, body]).digest('hex')}`,
  }),
  hmac: ({ secret, body, at, id }) => ({
    ...json,
    'x-at': String(at),
    'x-id': id,
    'x-sum': `v2:${digest(secret, [`${at}.`, body], 'sha512').digest('base64')}`,
  }),
  shared_secret: ({ secret }) => ({ ...json, authorization: `Bearer ${secret}` }),
};

/** A body as the provider sends it, with its id where it has it there. */
export const bodyOf: Readonly<Record<Provider, (id: string) => Buffer>> = {
  standard: () => Buffer.from('{"type":"order.paid"}'),
  keelson: () => Buffer.from('{"order":1042}'),
  github: () => Buffer.from('{"ref":"refs/heads/main"}'),
  stripe: (id) => Buffer.from(JSON.stringify({ id, type: 'charge.succeeded' })),
  slack: (id) => Buffer.from(JSON.stringify({ type: 'event_callback', event_id: id })),
  discord: (id) => Buffer.from(JSON.stringify({ id, type: 2, data: { name: 'ask' } })),
  telegram: (id) => Buffer.from(JSON.stringify({ update_id: numberOf(id), message: { text: 'hi' } })),
  lark: (id) =>
    Buffer.from(
      JSON.stringify({ schema: '2.0', header: { event_id: id, token: secrets.lark }, event: { text: 'hi' } }),
    ),
  zendesk: () => Buffer.from('{"ticket":35}'),
  genesys: (id) => Buffer.from(JSON.stringify({ id, type: 'Text', text: 'hi' })),
  twilio: () => Buffer.from('MessageSid=SM1&Body=hi+there&From=%2B15550100'),
  agent_studio: (id) => Buffer.from(JSON.stringify({ id, object: 'event', type: 'call.completed' })),
  hmac: () => Buffer.from('{"n":1}'),
  shared_secret: (id) => Buffer.from(JSON.stringify({ meta: { id } })),
};

const numberOf = (id: string): number => createHash('sha256').update(id).digest().readUInt32BE();

/** The provider's id as the platform reads it. */
export const idSeen = (provider: Provider, id: string): string => {
  if (provider === 'telegram') return String(numberOf(id));
  return provider === 'genesys' ? `Text/${id}` : id;
};

/** Those whose signature covers a time. */
export const timed: ReadonlySet<Provider> = new Set<Provider>([
  'standard',
  'stripe',
  'slack',
  'discord',
  'zendesk',
  'agent_studio',
  'hmac',
]);

/** Those that prove who sends, not what is sent. */
export const wordOnly: ReadonlySet<Provider> = new Set<Provider>(['telegram', 'lark', 'shared_secret']);
