import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  storeMessage,
  type MessageRef,
  type NewIngressMessage,
  type StoredMessage,
} from '../../../db/ingress-messages.js';
import { countRejected, sourceAt, type DeliverySource } from '../../../db/ingress-sources.js';
import { derivedId } from '../../../db/ids.js';
import type { IngressStatus } from '../../../db/tables.js';
import type { Vault } from '../../../db/vault/vault.js';
import type { Json } from '../../../workflows/definition/values.js';
import { notFound, unauthenticated, unsupported } from '../../http/errors.js';
import type { Behind } from '../behind.js';
import { keptHeaders, keptQuery, plainHeaders } from './kept.js';
import { runIdOf, tryMessage, type ProcessDeps } from './process.js';
import { schemes } from './schemes/index.js';
import type { Proof } from './schemes/scheme.js';
import { verifyDelivery, verifyingOf, type Verifying } from './verify.js';

export interface ReceiveDeps extends ProcessDeps {
  readonly vault: Pick<Vault, 'open'>;
  readonly behind: Behind;
  /** Where providers reach us; absent: nobody knows. */
  readonly publicUrl: string | undefined;
}

/** A request as it came. */
export interface Came {
  readonly headers: IncomingHttpHeaders;
  readonly rawBody: Buffer;
  /** Path and query. */
  readonly url: string;
  readonly ip: string;
  /** Of the request: the same seed is the same message. */
  readonly seed: string;
}

export interface Delivered extends Came {
  readonly workspaceSlug: string;
  readonly sourceSlug: string;
}

/** It is kept: from here on it is processed, or dead with a reason, whatever dies. */
export interface Accepted {
  readonly id: string;
  readonly status: IngressStatus;
  readonly run_id?: string;
  /** It had come before: this is the first one's. */
  readonly duplicate: boolean;
}

export type Answered = { readonly accepted: Accepted } | { readonly challenge: Readonly<Record<string, Json>> };

/** Verify, keep, answer; then start or raise. */
export async function receive(deps: ReceiveDeps, came: Delivered): Promise<Answered> {
  const source = await sourceAt(deps.db, came);
  if (source === undefined) throw notFound('source of webhooks', came.sourceSlug);
  refuseEncoded(came.headers);
  const verifying = await verifyingOf(deps.vault, source, new Date());
  const url = (deps.publicUrl ?? '') + came.url;
  const verdict = verifyDelivery({ headers: plainHeaders(came.headers), rawBody: came.rawBody, url }, verifying);
  if (!verdict.ok) {
    await noteRejected(deps, source, verdict.why);
    throw unauthenticated(verdict.why);
  }
  const { proof } = verdict;
  if (proof.challenge !== undefined) return { challenge: proof.challenge };
  const stored = await take(deps, messageOf(came, { source, verifying, proof }));
  return { accepted: presentAccepted(stored, 'definition' in source.target) };
}

/** The signature is made over bytes that the provider has before it packs them. */
function refuseEncoded(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw unsupported(`Content-Encoding "${encoding.slice(0, 100)}" is not supported; send the body as it is.`);
}

/** Nothing of the request is kept: whoever forges fills no table. */
async function noteRejected(deps: ReceiveDeps, source: DeliverySource, why: string): Promise<void> {
  const { workspace_id: workspaceId, id } = source;
  deps.log.warn({ source: id, workspace: workspaceId, reason: why }, 'an inbound webhook was refused');
  await countRejected(deps.db, { workspaceId, id });
}

interface Verified {
  readonly source: DeliverySource;
  readonly verifying: Verifying;
  readonly proof: Proof;
}

function messageOf(came: Came, { source, verifying, proof }: Verified): NewIngressMessage {
  const carrier = schemes[verifying.provider].carrier(verifying.settings);
  return {
    id: derivedId('msg', came.seed),
    workspaceId: source.workspace_id,
    sourceId: source.id,
    definitionId: null,
    providerId: proof.providerId === null ? null : boundedId(proof.providerId),
    headers: keptHeaders(came.headers, { names: source.keep_headers, carrier }),
    query: keptQuery(came.url),
    body: came.rawBody,
    contentType: contentTypeOf(came.headers),
    ip: came.ip,
    trigger: 'ingress',
    actor: source.id,
    status: proof.ignored === undefined ? 'received' : 'ignored',
    reason: proof.ignored ?? null,
  };
}

const MOST_TYPE_CHARACTERS = 200;

export const contentTypeOf = (headers: IncomingHttpHeaders): string =>
  (headers['content-type'] ?? '').slice(0, MOST_TYPE_CHARACTERS);

/** An id of any length and of any characters as one that an index takes. */
export const boundedId = (id: string): string =>
  /^[\x20-\x7e]{1,200}$/.test(id) ? id : `sha256:${createHash('sha256').update(id).digest('hex')}`;

/** Keeps a message and, when it is new, tries it. */
export async function take(deps: ReceiveDeps, message: NewIngressMessage): Promise<StoredMessage> {
  const stored = await storeMessage(deps.db, message);
  if (stored.isAltered) {
    const { providerId, sourceId } = message;
    deps.log.warn({ message: stored.id, source: sourceId, provider_id: providerId }, 'a webhook came again, altered');
  }
  if (!stored.isNew || stored.status !== 'received') return stored;
  return { ...stored, status: await trySoon(deps, { workspaceId: message.workspaceId, id: stored.id }) };
}

/** Providers wait a few seconds at most, and some think a slow answer is none. */
const WAIT_MS = 1_000;

/** Tries a message behind the answer, which waits a moment for it: most are then done. */
export function trySoon(deps: ReceiveDeps, ref: MessageRef): Promise<IngressStatus> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve('received'), WAIT_MS);
    deps.behind.run('an inbound webhook is tried again shortly', async () => {
      try {
        resolve(await tryMessage(deps, ref));
      } finally {
        clearTimeout(late);
        // where it has gone well the answer is there already
        resolve('received');
      }
    });
  });
}

export const presentAccepted = ({ id, status, isNew, run_id: runId }: StoredMessage, isRun: boolean): Accepted => ({
  id,
  status,
  ...(isRun && (status === 'received' || status === 'processed') ? { run_id: runId ?? runIdOf(id) } : {}),
  duplicate: !isNew,
});
