import type { IncomingHttpHeaders } from 'node:http';
import type { Json } from '../../../workflows/definition/values.js';
import { redact } from '../../http/redact.js';
import { fieldsOf } from './content.js';

/** Headers that say what a message is; what is kept of the others a source names itself. */
const usual: ReadonlySet<string> = new Set([
  'content-type',
  'user-agent',
  'x-request-id',
  'webhook-id',
  'webhook-timestamp',
  'svix-id',
  'svix-timestamp',
  'x-github-event',
  'x-github-delivery',
  'x-github-hook-id',
  'x-slack-request-timestamp',
  'x-slack-retry-num',
  'x-slack-retry-reason',
  'x-signature-timestamp',
  'x-zendesk-account-id',
  'x-zendesk-webhook-id',
  'x-zendesk-webhook-invocation-id',
  'x-zendesk-webhook-signature-timestamp',
  'x-event-type',
  'x-webhook-event',
]);

/** Says by its name that it is, or proves, a credential. A time that was signed is none. */
export const isCredential = (name: string): boolean =>
  !name.endsWith('-timestamp') && /signature|cookie|auth|token|secret|key|password|credential|session/.test(name);

const MOST_CHARACTERS = 2_000;

/** The headers of a message that are kept; never one with a credential, and never the one that carried the proof. */
export function keptHeaders(
  headers: IncomingHttpHeaders,
  also: { readonly names: readonly string[]; readonly carrier: string },
): Readonly<Record<string, string>> {
  const isKept = (name: string): boolean =>
    (usual.has(name) || also.names.includes(name)) && !isCredential(name) && name !== also.carrier.toLowerCase();
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' && isKept(name) ? [[name, value.slice(0, MOST_CHARACTERS)]] : [],
    ),
  );
}

/** The query of an address; what its names say is secret is not kept. */
export function keptQuery(url: string): Readonly<Record<string, Json>> {
  const at = url.indexOf('?');
  if (at === -1) return {};
  // -- reason: an object stays one
  return redact(fieldsOf(new URLSearchParams(url.slice(at)))) as Readonly<Record<string, Json>>;
}

/** As schemes read them. */
export const plainHeaders = (headers: IncomingHttpHeaders): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
