import { createHash, createPublicKey, verify as verifyKey } from 'node:crypto';
import { z } from 'zod';
import { equalSecrets, randomToken } from '../../../../db/crypto.js';
import type { Delivery, Scheme } from './scheme.js';
import { behind, formOf, hmac, idAt, idOfSignature, isForm, isSignature, peek, secondsOf, timeOf } from './signing.js';

/** Schemes with rules or settings of their own. */

const none = z.strictObject({});

const PUBLIC_KEY = /^[0-9a-f]{64}$/i;

/** Discord signs with a key of its own: what is kept here is the public half. */
export const discord: Scheme<z.output<typeof none>> = {
  carrier: () => 'X-Signature-Ed25519',
  settings: none,
  newSecret: null,
  secretProblem: (secret) => (PUBLIC_KEY.test(secret) ? null : "must be the application's public key, 64 hex digits"),
  verify: ({ headers, rawBody }, { secret }) => {
    const time = headers['x-signature-timestamp'] ?? '';
    const signedAt = secondsOf(time);
    const given = headers['x-signature-ed25519'] ?? '';
    if (signedAt === null || !/^[0-9a-f]{128}$/i.test(given) || !PUBLIC_KEY.test(secret)) return null;
    const x = Buffer.from(secret, 'hex').toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    if (!verifyKey(null, Buffer.concat([Buffer.from(time), rawBody]), key, Buffer.from(given, 'hex'))) return null;
    const json = peek(rawBody);
    const isPing = idAt(json, 'type') === '1' && idAt(json, 'event.type') === null;
    if (isPing) return { providerId: null, signedAt, challenge: { type: 1 } };
    return { providerId: idAt(json, 'id') ?? idOfSignature(given), signedAt };
  },
};

const twilioSettings = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'must be the address Twilio calls, without its query' })
    .max(500)
    .optional()
    .meta({ description: 'The address Twilio was given; what KEELSON_PUBLIC_URL makes of it without it' }),
});

/** Twilio signs the address it calls and the fields of a form; of another body the address holds the hash. */
export const twilio: Scheme<z.output<typeof twilioSettings>> = {
  carrier: () => 'X-Twilio-Signature',
  settings: twilioSettings,
  newSecret: null,
  verify: (delivery, { secret, settings }) => {
    const { headers, rawBody } = delivery;
    const query = /\?.*$/s.exec(delivery.url)?.[0] ?? '';
    const url = settings.url === undefined ? delivery.url : settings.url + query;
    const fields = isForm(delivery) ? fieldsOf(delivery) : '';
    const expected = hmac({ algorithm: 'sha1', key: secret, parts: [url, fields] });
    if (!isSignature(expected, headers['x-twilio-signature'], 'base64')) return null;
    if (!isForm(delivery) && rawBody.length > 0 && !holdsHash(query, rawBody)) return null;
    const id = headers['i-twilio-idempotency-token'] ?? idOfSignature(expected.toString('hex'));
    return { providerId: id, signedAt: null };
  },
};

/** Names and values by name, one after the other, without anything between them. */
function fieldsOf(delivery: Delivery): string {
  const form = formOf(delivery);
  const names = [...new Set(form.keys())].toSorted((a, b) => (a < b ? -1 : Number(a > b)));
  return names.flatMap((name) => [...new Set(form.getAll(name))].toSorted().map((value) => name + value)).join('');
}

function holdsHash(query: string, body: Buffer): boolean {
  const given = new URLSearchParams(query).get('bodySHA256') ?? '';
  return isSignature(createHash('sha256').update(body).digest(), given, 'hex');
}

const HeaderName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, 'must be the name of a header')
  .toLowerCase();

const ids = {
  id_header: HeaderName.optional().meta({ description: "The header with the provider's id of a message" }),
  id_field: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: 'Or where the id stands in a JSON body, as a dotted path' }),
};

interface Ids {
  readonly id_header?: string | undefined;
  readonly id_field?: string | undefined;
}

/** What is signed is believed before what is not. */
function givenId({ headers, rawBody }: Delivery, { id_header: header, id_field: field }: Ids): string | null {
  const inBody = field === undefined ? null : idAt(peek(rawBody), field);
  return inBody ?? (header === undefined ? null : (headers[header] ?? null));
}

const hmacSettings = z.strictObject({
  header: HeaderName.meta({ description: 'The header with the signature' }),
  algorithm: z.enum(['sha256', 'sha512']).default('sha256'),
  encoding: z.enum(['hex', 'base64']).default('hex'),
  prefix: z.string().max(50).default('').meta({ description: 'What stands before the signature, such as sha256=' }),
  timestamp_header: HeaderName.optional().meta({
    description: 'The header with the time; what is signed is then the time, the separator and the body',
  }),
  separator: z.enum(['', '.', ':', '\n']).default('.'),
  ...ids,
});

/** Any provider that signs the body, or a time and the body, with a key both know. */
export const plainHmac: Scheme<z.output<typeof hmacSettings>> = {
  carrier: ({ header }) => header,
  settings: hmacSettings,
  newSecret: randomToken,
  verify: (delivery, { secret, settings }) => {
    const { header, algorithm, encoding, prefix, timestamp_header: timeHeader, separator } = settings;
    const { headers, rawBody } = delivery;
    const time = timeHeader === undefined ? undefined : (headers[timeHeader] ?? '');
    const parts = time === undefined ? [rawBody] : [`${time}${separator}`, rawBody];
    const expected = hmac({ algorithm, key: secret, parts });
    if (!isSignature(expected, behind(prefix, headers[header]), encoding)) return null;
    const id = givenId(delivery, settings);
    if (time === undefined) return { providerId: id, signedAt: null };
    const signedAt = timeOf(time);
    return signedAt === null ? null : { providerId: id ?? idOfSignature(expected.toString('hex')), signedAt };
  },
};

const sharedSettings = z.strictObject({
  header: HeaderName.meta({ description: 'The header with the secret' }),
  prefix: z.string().max(50).default('').meta({ description: 'What stands before the secret, such as "Bearer "' }),
  ...ids,
});

/** For providers that can only send a word: it proves who sends, not what is sent. */
export const sharedSecret: Scheme<z.output<typeof sharedSettings>> = {
  carrier: ({ header }) => header,
  settings: sharedSettings,
  newSecret: randomToken,
  verify: (delivery, { secret, settings }) => {
    const given = behind(settings.prefix, delivery.headers[settings.header]);
    if (given === undefined || !equalSecrets(given, secret)) return null;
    return { providerId: givenId(delivery, settings), signedAt: null };
  },
};
