import { z } from 'zod';
import { equalSecrets, randomToken } from '../../../../db/crypto.js';
import type { Scheme } from './scheme.js';
import { at, behind, hmac, idAt, isSignature, peek, urlChallenge } from './signing.js';

/** Schemes whose signature, or word, covers no time: only the provider's id tells a repeat. */

const none = z.strictObject({});
type None = z.output<typeof none>;

/** The platform's own: what a chain's webhook step sends, and what the address of a chain takes. */
export const keelson: Scheme<None> = {
  carrier: () => 'X-Chain-Signature',
  settings: none,
  newSecret: randomToken,
  verify: ({ headers, rawBody }, { secret }) => {
    const given = /^(?:sha256=)?([0-9a-f]{64})$/i.exec(headers['x-chain-signature'] ?? '')?.[1];
    const expected = hmac({ algorithm: 'sha256', key: secret, parts: [rawBody] });
    if (!isSignature(expected, given, 'hex')) return null;
    return { providerId: headers['webhook-id'] ?? null, signedAt: null };
  },
};

export const github: Scheme<None> = {
  carrier: () => 'X-Hub-Signature-256',
  settings: none,
  newSecret: randomToken,
  verify: ({ headers, rawBody }, { secret }) => {
    const expected = hmac({ algorithm: 'sha256', key: secret, parts: [rawBody] });
    if (!isSignature(expected, behind('sha256=', headers['x-hub-signature-256']), 'hex')) return null;
    const isPing = headers['x-github-event'] === 'ping';
    return {
      providerId: headers['x-github-delivery'] ?? null,
      signedAt: null,
      ...(isPing ? { ignored: 'GitHub only asked whether the address answers.' } : {}),
    };
  },
};

export const genesys: Scheme<None> = {
  carrier: () => 'X-Hub-Signature-256',
  settings: none,
  newSecret: randomToken,
  verify: ({ headers, rawBody }, { secret }) => {
    const expected = hmac({ algorithm: 'sha256', key: secret, parts: [rawBody] });
    if (!isSignature(expected, behind('sha256=', headers['x-hub-signature-256']), 'base64')) return null;
    const json = peek(rawBody);
    const id = idAt(json, 'id') ?? idAt(json, 'channel.messageId');
    // a receipt has the id of the message it is of
    const parts = [idAt(json, 'type'), idAt(json, 'status'), id].filter((part) => part !== null);
    return { providerId: id === null ? null : parts.join('/'), signedAt: null };
  },
};

export const telegram: Scheme<None> = {
  carrier: () => 'X-Telegram-Bot-Api-Secret-Token',
  settings: none,
  newSecret: randomToken,
  secretProblem: (secret) =>
    /^[\w-]{1,256}$/.test(secret)
      ? null
      : 'must be 1 to 256 letters, digits, _ and -, which is all that Telegram takes',
  verify: ({ headers, rawBody }, { secret }) => {
    const given = headers['x-telegram-bot-api-secret-token'];
    if (given === undefined || !equalSecrets(given, secret)) return null;
    return { providerId: idAt(peek(rawBody), 'update_id'), signedAt: null };
  },
};

/** Lark signs nothing unless it encrypts: the word stands in the body. */
export const lark: Scheme<None> = {
  carrier: () => 'The token in the body',
  settings: none,
  newSecret: null,
  secretFields: ['header.token', 'token'],
  verify: ({ rawBody }, { secret }) => {
    const json = peek(rawBody);
    const given = at(json, 'header.token') ?? at(json, 'token');
    if (typeof given !== 'string' || !equalSecrets(given, secret)) return null;
    const challenge = urlChallenge(json);
    if (challenge !== null) return { providerId: null, signedAt: null, challenge };
    return { providerId: idAt(json, 'header.event_id') ?? idAt(json, 'uuid'), signedAt: null };
  },
};
