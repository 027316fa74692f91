import { createHash } from 'node:crypto';
import type { Json } from '../../workflows/definition/values.js';

const REDACTED = '[redacted]';

const words =
  'token|secret|password|passphrase|key|code|signature|sig|auth|authorization|credential|cookie|ciphertext|otp|totp|jwt';
/** A name that ends in one of the words, in the singular or plural; or a hash or seal of such a thing. */
const sensitive = new RegExp(`(^|[^a-z])(${words})s?([^a-z]*(hash|sealed|digest))?$`, 'i');

/** `apiKey` and `X-Api-Key` are as secret as `api_key`. */
export const isSensitive = (name: string): boolean => sensitive.test(name.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2'));

/** What is secret wherever it stands: authorization headers, JWTs, our own tokens, enrolment links and credentials in addresses. */
const secretText =
  /^(bearer|basic) \S|\beyJ[\w-]{8,}\.[\w-]+\.|\b(as_live|as_test|org|cdp|whsec)_[\w+/-]{20,}|^otpauth:|:\/\/[^/\s:@]*:[^/\s@]+@/i;

/** The value without what its names or its form say is secret. */
export function redact(value: unknown): Json {
  if (Array.isArray(value)) return value.map(redact);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'string') return secretText.test(value) ? REDACTED : value;
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, isHidden(name, inner) ? REDACTED : redact(inner)]),
    );
  }
  return typeof value === 'boolean' || typeof value === 'number' ? value : null;
}

/** That there is none, or whether there is one, is no secret. */
const isHidden = (name: string, value: unknown): boolean =>
  isSensitive(name) && value !== null && value !== undefined && typeof value !== 'boolean';

const MOST_BYTES = 16 * 1024;

/** Within 16 KiB: the largest parts give way to a marker with their size and hash, so that a change of them still shows. */
export function cut(value: Json): Json {
  const inner = cutParts(value);
  return bytesOf(inner) > MOST_BYTES ? marker(inner) : inner;
}

function cutParts(value: Json): Json {
  if (typeof value !== 'object' || value === null || bytesOf(value) <= MOST_BYTES) return value;
  const parts = Object.entries(value).map(([name, part]) => ({ name, part: cut(part as Json) }));
  let bytes = parts.reduce((sum, { name, part }) => sum + bytesOf(part) + name.length, 0);
  for (const each of parts.toSorted((a, b) => bytesOf(b.part) - bytesOf(a.part))) {
    if (bytes <= MOST_BYTES - SLACK) break;
    const short = marker(each.part);
    if (bytesOf(short) >= bytesOf(each.part)) break;
    bytes -= bytesOf(each.part) - bytesOf(short);
    each.part = short;
  }
  return Array.isArray(value)
    ? parts.map(({ part }) => part)
    : Object.fromEntries(parts.map(({ name, part }) => [name, part]));
}

/** For the quotes, colons and commas between the parts. */
const SLACK = 2 * 1024;

const marker = (value: Json): Json => {
  const text = JSON.stringify(value);
  return { cut_bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') };
};

const bytesOf = (value: Json): number => Buffer.byteLength(JSON.stringify(value));
