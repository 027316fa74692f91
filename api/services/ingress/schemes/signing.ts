import { createHash, createHmac, timingSafeEqual, type BinaryLike } from 'node:crypto';
import type { Json } from '../../../../workflows/definition/values.js';
import type { Delivery } from './scheme.js';

export interface HmacOf {
  readonly algorithm: 'sha1' | 'sha256' | 'sha512';
  readonly key: BinaryLike;
  /** Signed one after the other. */
  readonly parts: readonly (string | Buffer)[];
}

export function hmac({ algorithm, key, parts }: HmacOf): Buffer {
  const digest = createHmac(algorithm, key);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

type Encoding = 'hex' | 'base64';

const wellFormed: Readonly<Record<Encoding, RegExp>> = {
  hex: /^(?:[0-9a-f]{2})+$/i,
  base64: /^[A-Za-z0-9+/]+={0,2}$/,
};

/** In constant time; a text that is no signature of this length at all is none. */
export function isSignature(expected: Buffer, given: string | undefined, encoding: Encoding): boolean {
  if (given === undefined || !wellFormed[encoding].test(given)) return false;
  const bytes = Buffer.from(given, encoding);
  return bytes.length === expected.length && timingSafeEqual(expected, bytes);
}

/** What stands behind the prefix; undefined without it. */
export const behind = (prefix: string, text: string | undefined): string | undefined =>
  text?.startsWith(prefix) === true ? text.slice(prefix.length) : undefined;

/** `t=1700000000,v1=abc,v1=def`: the time as it was written, and every signature of the version. */
export function timedSignatures(header: string | undefined): {
  readonly time: string;
  readonly signatures: readonly string[];
} {
  const pairs = (header ?? '').split(',').map((part) => {
    const at = part.indexOf('=');
    return { name: part.slice(0, at).trim(), value: part.slice(at + 1).trim() };
  });
  return {
    time: pairs.find(({ name }) => name === 't')?.value ?? '',
    signatures: pairs.filter(({ name }) => name === 'v1').map(({ value }) => value),
  };
}

const SECONDS = /^\d{1,12}$/;

/** Seconds since 1970 as a header has them; null for what is no whole number. */
export const secondsOf = (text: string | undefined): number | null =>
  text !== undefined && SECONDS.test(text) ? Number(text) : null;

const MILLISECONDS_DIGITS = 13;

/** Seconds, milliseconds or an ISO time. */
export function timeOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d+$/.test(text))
    return text.length >= MILLISECONDS_DIGITS ? Math.floor(Number(text) / 1_000) : secondsOf(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.floor(at / 1_000);
}

/** The body as JSON, looked into for ids only; undefined where it is none. */
export function peek(body: Buffer): Json | undefined {
  try {
    // -- reason: JSON.parse gives nothing else
    return JSON.parse(body.toString('utf8')) as Json;
  } catch {
    return undefined;
  }
}

/** The value at a dotted path of own keys. */
export const at = (json: Json | undefined, path: string): Json | undefined =>
  path.split('.').reduce<Json | undefined>((inner, key) => own(inner, key), json);

function own(json: Json | undefined, key: string): Json | undefined {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, key)) return undefined;
  // -- reason: an own key of JSON holds JSON; a list is read by its numbers as texts
  return (json as Readonly<Record<string, Json>>)[key];
}

/** A text or a number as an id; null for anything else, and for nothing. */
export function idAt(json: Json | undefined, path: string): string | null {
  const id = at(json, path);
  return (typeof id === 'string' && id !== '') || typeof id === 'number' ? String(id) : null;
}

/** The answer to `url_verification`, by which Slack and Lark ask whether the address is ours. */
export function urlChallenge(json: Json | undefined): { readonly challenge: string } | null {
  const challenge = idAt(json, 'challenge');
  return idAt(json, 'type') === 'url_verification' && challenge !== null ? { challenge } : null;
}

/** Of a message without an id: what was signed, time included, is the same only when it is sent again. */
export const idOfSignature = (signature: string): string =>
  `signature:${createHash('sha256').update(signature).digest('hex')}`;

export const isForm = ({ headers }: Delivery): boolean =>
  /^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '');

export const formOf = ({ rawBody }: Delivery): URLSearchParams => new URLSearchParams(rawBody.toString('utf8'));
