import { isUtf8 } from 'node:buffer';
import {
  findMessage,
  listMessages,
  redriveDead,
  redriveMessage,
  type IngressMessage,
  type ListedMessage,
  type MessageFilter,
  type MessageRef,
} from '../../../db/ingress-messages.js';
import { sourceOfMessage, type SourceRef } from '../../../db/ingress-sources.js';
import type { IngressStatus } from '../../../db/tables.js';
import type { Json } from '../../../workflows/definition/values.js';
import { conflict, notFound } from '../../http/errors.js';
import { changedAt } from './content.js';
import { runIdOf } from './process.js';
import { trySoon, type ReceiveDeps } from './receive.js';
import { schemes, type Provider } from './schemes/index.js';
import { peek } from './schemes/signing.js';
import { found } from './sources.js';
import { pageOfRows, readIdCursor } from '../id-cursor.js';

export interface MessagePage {
  readonly items: readonly ListedMessage[];
  readonly next_cursor: string | null;
}

export interface MessageDetail extends ListedMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, Json>>;
  readonly ip: string | null;
  readonly body_sha256: string;
  readonly next_attempt_at: Date | null;
  /** As text where it is UTF-8, else null. */
  readonly body: string | null;
  /** Where it is no text. */
  readonly body_base64: string | null;
  /** A secret was taken out of `body`: the scheme of its source carries it there. */
  readonly body_redacted: boolean;
}

export interface Redriven {
  readonly id: string;
  readonly status: IngressStatus;
  readonly run_id?: string;
}

export interface IngressMessageService {
  readonly list: (
    workspaceId: string,
    of: MessageFilter & { readonly cursor: string | undefined; readonly limit: number },
  ) => Promise<MessagePage>;
  readonly ofSource: (
    ref: SourceRef,
    of: Pick<MessageFilter, 'status'> & { readonly cursor: string | undefined; readonly limit: number },
  ) => Promise<MessagePage>;
  readonly get: (ref: MessageRef) => Promise<MessageDetail>;
  /** Tries a dead message anew; 409 for any other. */
  readonly redrive: (ref: MessageRef) => Promise<Redriven>;
  /** All dead messages of a source, up to a thousand at a time. */
  readonly redriveAll: (ref: SourceRef) => Promise<{ readonly redriven: number; readonly is_more: boolean }>;
}

const MOST_REDRIVEN = 1_000;

export function createIngressMessageService(deps: ReceiveDeps): IngressMessageService {
  const { db } = deps;
  return {
    list: (workspaceId, of) => page(deps, workspaceId, of),
    ofSource: async (ref, of) => {
      await found(db, ref);
      return page(deps, ref.workspaceId, { ...of, sourceId: ref.id });
    },
    get: (ref) => get(deps, ref),
    redrive: (ref) => redrive(deps, ref),
    redriveAll: async (ref) => {
      await found(db, ref);
      const redriven = await redriveDead(db, { ...ref, sourceId: ref.id, limit: MOST_REDRIVEN });
      return { redriven, is_more: redriven === MOST_REDRIVEN };
    },
  };
}

async function page(
  { db }: ReceiveDeps,
  workspaceId: string,
  { cursor, limit, ...filter }: MessageFilter & { readonly cursor: string | undefined; readonly limit: number },
): Promise<MessagePage> {
  const before = readIdCursor('msg', cursor);
  const rows = await listMessages(db, workspaceId, { ...filter, before, limit: limit + 1 });
  return pageOfRows(rows, limit);
}

async function get(deps: ReceiveDeps, ref: MessageRef): Promise<MessageDetail> {
  const row = await findMessage(deps.db, ref);
  if (row === undefined) throw notFound('message', ref.id);
  const { body, next_attempt_at: next, ...shown } = row;
  return {
    ...shown,
    bytes: body.length,
    next_attempt_at: row.status === 'received' ? next : null,
    ...(await shownBody(deps, row)),
  };
}

type ShownBody = Pick<MessageDetail, 'body' | 'body_base64' | 'body_redacted'>;

/** Byte by byte, but where a provider's scheme puts the secret itself into the body: that is shown to nobody. */
async function shownBody({ db }: ReceiveDeps, row: IngressMessage): Promise<ShownBody> {
  const { body, source_id: id, workspace_id: workspaceId } = row;
  const source = id === null ? undefined : await sourceOfMessage(db, { workspaceId, id });
  // -- reason: checked when the source was written
  const { secretFields = [] } = source === undefined ? {} : schemes[source.provider as Provider];
  const json = secretFields.length === 0 ? undefined : peek(body);
  if (json !== undefined) {
    const text = JSON.stringify(changedAt(json, secretFields, () => '[redacted]'));
    return { body: text, body_base64: null, body_redacted: true };
  }
  const isText = isUtf8(body);
  return {
    body: isText ? body.toString('utf8') : null,
    body_base64: isText ? null : body.toString('base64'),
    body_redacted: false,
  };
}

async function redrive(deps: ReceiveDeps, ref: MessageRef): Promise<Redriven> {
  const row = await redriveMessage(deps.db, ref);
  if (row === undefined) {
    const message = await findMessage(deps.db, ref);
    if (message === undefined) throw notFound('message', ref.id);
    throw conflict(`The message is ${message.status}: only a dead one is redriven.`);
  }
  const status = await trySoon(deps, ref);
  const { run_id: runId = null } = (await findMessage(deps.db, ref)) ?? {};
  return { id: ref.id, status, ...(runId === runIdOf(ref.id) ? { run_id: runId } : {}) };
}
