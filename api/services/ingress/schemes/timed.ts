import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { randomToken } from '../../../../db/crypto.js';
import type { Delivery, Scheme } from './scheme.js';
import {
  behind,
  formOf,
  hmac,
  idAt,
  idOfSignature,
  isForm,
  isSignature,
  peek,
  secondsOf,
  timedSignatures,
  timeOf,
  urlChallenge,
} from './signing.js';

/** Schemes whose signature covers a time. */

const none = z.strictObject({});
type None = z.output<typeof none>;

const STANDARD_PREFIX = 'whsec_';
const standardKey = (secret: string): Buffer => Buffer.from(behind(STANDARD_PREFIX, secret) ?? secret, 'base64');
const NEW_KEY_BYTES = 32;

/** Standard Webhooks; the same under the names that Svix sends. */
export const standard: Scheme<None> = {
  carrier: () => 'webhook-signature',
  settings: none,
  newSecret: () => `${STANDARD_PREFIX}${randomBytes(NEW_KEY_BYTES).toString('base64')}`,
  secretProblem: (secret) =>
    /^(whsec_)?[A-Za-z0-9+/]+={0,2}$/.test(secret) && standardKey(secret).length > 0
      ? null
      : 'must be base64, with or without whsec_ before it',
  verify: ({ headers, rawBody }, { secret }) => {
    const of = headers['webhook-id'] === undefined ? 'svix' : 'webhook';
    const [id = '', time = ''] = [headers[`${of}-id`], headers[`${of}-timestamp`]];
    const signedAt = secondsOf(time);
    const expected = hmac({ algorithm: 'sha256', key: standardKey(secret), parts: [`${id}.${time}.`, rawBody] });
    const given = (headers[`${of}-signature`] ?? '').split(' ').map((each) => each.split(','));
    const fits = given.some(([version, text]) => version === 'v1' && isSignature(expected, text, 'base64'));
    return id === '' || signedAt === null || !fits ? null : { providerId: id, signedAt };
  },
};

/** `t=<seconds>,v1=<hex>` over `<seconds>.<body>`, which several providers send under a header of their own. */
function timedHex(header: string): Pick<Scheme<None>, 'carrier' | 'settings' | 'verify'> {
  return {
    carrier: () => header,
    settings: none,
    verify: ({ headers, rawBody }, { secret }) => {
      const { time, signatures } = timedSignatures(headers[header.toLowerCase()]);
      const signedAt = secondsOf(time);
      const expected = hmac({ algorithm: 'sha256', key: secret, parts: [`${time}.`, rawBody] });
      if (signedAt === null || !signatures.some((each) => isSignature(expected, each, 'hex'))) return null;
      return { providerId: idAt(peek(rawBody), 'id') ?? idOfSignature(expected.toString('hex')), signedAt };
    },
  };
}

export const stripe: Scheme<None> = { ...timedHex('Stripe-Signature'), newSecret: null };
export const agentStudio: Scheme<None> = { ...timedHex('X-Webhook-Signature'), newSecret: randomToken };

export const slack: Scheme<None> = {
  carrier: () => 'X-Slack-Signature',
  settings: none,
  newSecret: null,
  verify: (delivery, { secret }) => {
    const { headers, rawBody } = delivery;
    const time = headers['x-slack-request-timestamp'] ?? '';
    const signedAt = secondsOf(time);
    const expected = hmac({ algorithm: 'sha256', key: secret, parts: [`v0:${time}:`, rawBody] });
    const given = /^v0=(.*)$/.exec(headers['x-slack-signature'] ?? '')?.[1];
    if (signedAt === null || !isSignature(expected, given, 'hex')) return null;
    const json = peek(rawBody);
    const challenge = urlChallenge(json);
    if (challenge !== null) return { providerId: null, signedAt, challenge };
    const id = idAt(json, 'event_id') ?? (isForm(delivery) ? slackFormId(delivery) : null);
    return { providerId: id ?? idOfSignature(expected.toString('hex')), signedAt };
  },
};

/** Commands have their trigger in the form, buttons and dialogs in its `payload`. */
function slackFormId(delivery: Delivery): string | null {
  const form = formOf(delivery);
  return form.get('trigger_id') ?? idAt(peek(Buffer.from(form.get('payload') ?? '')), 'trigger_id');
}

export const zendesk: Scheme<None> = {
  carrier: () => 'X-Zendesk-Webhook-Signature',
  settings: none,
  newSecret: null,
  verify: ({ headers, rawBody }, { secret }) => {
    const time = headers['x-zendesk-webhook-signature-timestamp'];
    const signedAt = timeOf(time);
    const expected = hmac({ algorithm: 'sha256', key: secret, parts: [time ?? '', rawBody] });
    if (signedAt === null || !isSignature(expected, headers['x-zendesk-webhook-signature'], 'base64')) return null;
    const id = idAt(peek(rawBody), 'id') ?? headers['x-zendesk-webhook-invocation-id'];
    return { providerId: id ?? idOfSignature(expected.toString('hex')), signedAt };
  },
};
