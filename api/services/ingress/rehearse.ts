import { isKnownMessage } from '../../../db/ingress-messages.js';
import { sourceOfMessage, type DeliverySource, type SourceRef } from '../../../db/ingress-sources.js';
import { newId } from '../../../db/ids.js';
import type { Json } from '../../../workflows/definition/values.js';
import { ApiError } from '../../http/errors.js';
import { keptHeaders, keptQuery } from './kept.js';
import { planOf, type Planned } from './mapping.js';
import { startTarget } from './process.js';
import { boundedId, type ReceiveDeps } from './receive.js';
import { schemes } from './schemes/index.js';
import { found, pathOf } from './sources.js';
import { verifyDelivery, verifyingOf } from './verify.js';

export interface Rehearsal {
  readonly headers: Readonly<Record<string, string>>;
  readonly rawBody: Buffer;
  /** Without the question mark. */
  readonly query: string;
}

export interface Rehearsed {
  readonly verified: boolean;
  readonly provider_id: string | null;
  readonly signed_at: Date | null;
  /** Its provider's id came before: it would not be processed again. */
  readonly duplicate: boolean;
  readonly challenge: Json;
  readonly would: 'refuse' | 'answer' | 'ignore' | 'start' | 'raise' | 'bury';
  /** Of what it would start, or raise. */
  readonly definition_id: string | null;
  readonly event: { readonly name: string; readonly key: string | null } | null;
  readonly input: Json;
  /** Why it would be refused, ignored or dead. */
  readonly reason: string | null;
}

const nothing = {
  verified: false,
  provider_id: null,
  signed_at: null,
  duplicate: false,
  challenge: null,
  definition_id: null,
  event: null,
  input: null,
  reason: null,
} as const;

/** What would become of a request, without keeping or doing anything. */
export async function rehearse(deps: ReceiveDeps, ref: SourceRef, request: Rehearsal): Promise<Rehearsed> {
  const row = await found(deps.db, ref);
  const source = await sourceOfMessage(deps.db, ref);
  if (source === undefined) throw new Error('a source that was found has gone');
  const query = request.query === '' ? '' : `?${request.query}`;
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, text]) => [name.toLowerCase(), text]));
  const url = (deps.publicUrl ?? '') + pathOf(row) + query;
  const verifying = await verifyingOf(deps.vault, source, new Date());
  const verdict = verifyDelivery({ headers, rawBody: request.rawBody, url }, verifying);
  if (!verdict.ok) return { ...nothing, would: 'refuse', reason: verdict.why };
  const { providerId, signedAt, challenge, ignored } = verdict.proof;
  const id = providerId === null ? null : boundedId(providerId);
  const proved = {
    ...nothing,
    verified: true,
    provider_id: id,
    signed_at: signedAt === null ? null : new Date(signedAt * 1_000),
    duplicate: id !== null && (await isKnownMessage(deps.db, { ...ref, sourceId: ref.id, providerId: id })),
  };
  if (challenge !== undefined) return { ...proved, would: 'answer', challenge };
  if (ignored !== undefined) return { ...proved, would: 'ignore', reason: ignored };
  const carrier = schemes[verifying.provider].carrier(verifying.settings);
  const kept = { headers: keptHeaders(headers, { names: source.keep_headers, carrier }), query: keptQuery(url) };
  return { ...proved, ...(await outcome(deps, source, { ...kept, request, providerId: id })) };
}

interface Kept {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, Json>>;
  readonly request: Rehearsal;
  readonly providerId: string | null;
}

type Outcome = Pick<Rehearsed, 'would'> & Partial<Rehearsed>;

async function outcome(deps: ReceiveDeps, source: DeliverySource, kept: Kept): Promise<Outcome> {
  const { headers, query, request, providerId } = kept;
  const message = {
    ...{ id: newId('msg'), provider_id: providerId, received_at: new Date(), headers, query, body: request.rawBody },
    content_type: headers['content-type'] ?? '',
  };
  try {
    return await wouldDo(deps, source, planOf(message, source));
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) throw error;
    return { would: 'bury', reason: error.message };
  }
}

async function wouldDo(deps: ReceiveDeps, source: DeliverySource, planned: Planned): Promise<Outcome> {
  if ('event' in planned) return { would: 'raise', event: planned.event, input: planned.payload };
  const { workspace_id: workspaceId } = source;
  await startTarget(deps, { workspaceId, takesDrafts: false, ...planned });
  return { would: 'start', definition_id: planned.definition, input: planned.input };
}
