import { createHash } from 'node:crypto';
import { sql, type Selectable } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { IngressStatus, Tables } from './tables.js';
import { jsonText } from './values.js';

export type IngressMessage = Selectable<Tables['ingress_messages']>;

/** Which message of which workspace. */
export interface MessageRef {
  readonly workspaceId: string;
  readonly id: string;
}

export interface NewIngressMessage extends MessageRef {
  /** Null where a chain's own address took it; then the chain. */
  readonly sourceId: string | null;
  readonly definitionId: string | null;
  readonly providerId: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, Json>>;
  readonly body: Buffer;
  readonly contentType: string;
  readonly ip: string;
  readonly trigger: string;
  readonly actor: string;
  readonly status: Extract<IngressStatus, 'received' | 'ignored'>;
  readonly reason: string | null;
}

export interface StoredMessage {
  /** Of the message that came first. */
  readonly id: string;
  readonly status: IngressStatus;
  readonly run_id: string | null;
  readonly isNew: boolean;
  /** It came before, with another body. */
  readonly isAltered: boolean;
}

/** Whoever stores or redrives a message tries it at once; a sweep does so when nobody has in this time. */
const FIRST_TRY_SECONDS = 10;

const dueAfter = (seconds: number) => sql<Date>`now() + make_interval(secs => ${seconds})`;

/** Keeps a message, byte by byte, unless its provider's id came before: then that one is answered. One statement. */
export async function storeMessage(db: Database, message: NewIngressMessage): Promise<StoredMessage> {
  const { workspaceId, sourceId, definitionId, providerId, headers, query, ...rest } = message;
  const { contentType, body, ...row } = rest;
  const hash = createHash('sha256').update(body).digest('hex');
  const values = {
    ...row,
    workspace_id: workspaceId,
    body,
    body_sha256: hash,
    source_id: sourceId,
    definition_id: definitionId,
    provider_id: providerId,
    dedup_key: `${sourceId ?? definitionId ?? ''}/${providerId ?? `message:${message.id}`}`,
    headers: jsonText(headers),
    query: jsonText(query),
    content_type: contentType,
    attempts: 1,
    next_attempt_at: dueAfter(FIRST_TRY_SECONDS),
    ...{ run_id: null, event_name: null, event_key: null, processed_at: null },
  };
  const { body_sha256: firstHash, ...stored } = await db
    .insertInto('ingress_messages')
    .values(values)
    .onConflict((conflict) =>
      conflict.columns(['workspace_id', 'dedup_key']).doUpdateSet({
        duplicates: sql<number>`ingress_messages.duplicates + (ingress_messages.id <> excluded.id)::int`,
        altered_duplicates: sql<number>`ingress_messages.altered_duplicates
          + (ingress_messages.body_sha256 <> excluded.body_sha256)::int`,
      }),
    )
    .returning(['id', 'status', 'run_id', 'body_sha256'])
    .executeTakeFirstOrThrow();
  return { ...stored, isNew: stored.id === message.id, isAltered: firstHash !== hash };
}

export const findMessage = (db: Database, { workspaceId, id }: MessageRef): Promise<IngressMessage | undefined> =>
  scoped(db, workspaceId).get('ingress_messages', id);

/** Later after each attempt: 15 s, 45 s, ... 10 minutes. */
const backOff = sql<Date>`now() + make_interval(secs => least(5 * power(3, least(attempts, 10)), 600))`;

/** Messages that are due, each given to one caller alone until its next time has come. */
export async function claimDueMessages(db: Database, limit: number): Promise<readonly IngressMessage[]> {
  return db
    .updateTable('ingress_messages')
    .set({ attempts: sql<number>`attempts + 1`, next_attempt_at: backOff })
    .where('id', 'in', (query) =>
      query
        .selectFrom('ingress_messages')
        .select('id')
        .where('status', '=', 'received')
        .where('next_attempt_at', '<=', sql<Date>`now()`)
        .orderBy('next_attempt_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute();
}

export interface MessageOutcome {
  readonly runId?: string;
  readonly definitionId?: string;
  readonly event?: { readonly name: string; readonly key: string | null };
}

/** Its run is accepted, or its event kept; in the transaction that does so, where there is one. */
export async function markProcessed(db: Database, message: MessageRef, outcome: MessageOutcome): Promise<void> {
  const { runId, definitionId, event } = outcome;
  await scoped(db, message.workspaceId)
    .update('ingress_messages', message.id)
    .set({
      status: 'processed',
      processed_at: sql<Date>`now()`,
      reason: null,
      ...(runId === undefined ? {} : { run_id: runId }),
      ...(definitionId === undefined ? {} : { definition_id: definitionId }),
      ...(event === undefined ? {} : { event_name: event.name, event_key: event.key }),
    })
    .where('status', '=', 'received')
    .execute();
}

/** It cannot be processed, for a reason that a person can mend. */
export async function markDead(db: Database, message: MessageRef, reason: string): Promise<void> {
  await scoped(db, message.workspaceId)
    .update('ingress_messages', message.id)
    .set({ status: 'dead', processed_at: sql<Date>`now()`, reason: reason.toWellFormed().replaceAll('\0', '\uFFFD') })
    .where('status', '=', 'received')
    .execute();
}

const anew = { status: 'received', reason: null, processed_at: null } as const;

/** A dead message, to be tried at once; undefined when there is none. */
export const redriveMessage = (db: Database, { workspaceId, id }: MessageRef): Promise<IngressMessage | undefined> =>
  scoped(db, workspaceId)
    .update('ingress_messages', id)
    .set({ ...anew, attempts: 1, next_attempt_at: dueAfter(FIRST_TRY_SECONDS) })
    .where('status', '=', 'dead')
    .returningAll()
    .executeTakeFirst();

/** Dead messages of a source, the oldest first, left to the sweep. Answers how many. */
export async function redriveDead(
  db: Database,
  { workspaceId, sourceId, limit }: { readonly workspaceId: string; readonly sourceId: string; readonly limit: number },
): Promise<number> {
  const result = await db
    .updateTable('ingress_messages')
    .set({ ...anew, attempts: 0, next_attempt_at: sql<Date>`now()` })
    .where('workspace_id', '=', workspaceId)
    .where('id', 'in', (query) =>
      query
        .selectFrom('ingress_messages')
        .select('id')
        .where('workspace_id', '=', workspaceId)
        .where('source_id', '=', sourceId)
        .where('status', '=', 'dead')
        .orderBy('id')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

export interface MessageFilter {
  readonly sourceId?: string | undefined;
  readonly definitionId?: string | undefined;
  readonly status?: IngressStatus | undefined;
}

const listed = [
  'id',
  'source_id',
  'definition_id',
  'provider_id',
  'received_at',
  'content_type',
  'status',
  'attempts',
  'reason',
  'run_id',
  'event_name',
  'event_key',
  'processed_at',
  'duplicates',
  'altered_duplicates',
] as const;

export type ListedMessage = Pick<IngressMessage, (typeof listed)[number]> & { readonly bytes: number };

/** The newest first; `before` is an id. */
export const listMessages = (
  db: Database,
  workspaceId: string,
  of: MessageFilter & { readonly before: string | null; readonly limit: number },
): Promise<readonly ListedMessage[]> =>
  scoped(db, workspaceId)
    .select('ingress_messages')
    .select([...listed])
    .select(sql<number>`octet_length(body)`.as('bytes'))
    .$if(of.sourceId !== undefined, (query) => query.where('source_id', '=', of.sourceId ?? ''))
    .$if(of.definitionId !== undefined, (query) => query.where('definition_id', '=', of.definitionId ?? ''))
    .$if(of.status !== undefined, (query) => query.where('status', '=', of.status ?? 'received'))
    .$if(of.before !== null, (query) => query.where('id', '<', of.before ?? ''))
    .orderBy('id', 'desc')
    .limit(of.limit)
    .execute();

const KEPT_DAYS = 30;

/** Forgets messages older than 30 days; what still waits to be processed stays. At most `limit` at a time. */
export async function purgeIngressMessages(db: Database, limit = 1_000): Promise<number> {
  const result = await db
    .deleteFrom('ingress_messages')
    .where('id', 'in', (query) =>
      query
        .selectFrom('ingress_messages')
        .select('id')
        .where('status', '<>', 'received')
        .where('received_at', '<', sql<Date>`now() - make_interval(days => ${KEPT_DAYS})`)
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Whether a provider's id came before. */
export async function isKnownMessage(
  db: Database,
  of: { readonly workspaceId: string; readonly sourceId: string; readonly providerId: string },
): Promise<boolean> {
  const row = await scoped(db, of.workspaceId)
    .select('ingress_messages')
    .select('id')
    .where('dedup_key', '=', `${of.sourceId}/${of.providerId}`)
    .executeTakeFirst();
  return row !== undefined;
}
