import { sql, type SelectQueryBuilder } from 'kysely';
import type { Database } from './client.js';
import { newId } from './ids.js';
import { scoped } from './scoped.js';
import type { Tables } from './tables.js';
import type { RunRef } from '../workflows/contract/run.js';
import { inline, INLINE_LIMIT_BYTES, type Json, type Value } from '../workflows/definition/values.js';

/** The run whose value it is; null while it is no run's yet. */
export type ValueOwner = Pick<RunRef, 'workspaceId'> & { readonly runId: string | null };

/** Keeps a small value inline and stores a larger one, so that no payload ever grows past Temporal's limits. */
export async function storeValue(
  db: Database,
  run: ValueOwner,
  { json, limitBytes = INLINE_LIMIT_BYTES }: { readonly json: Json; readonly limitBytes?: number },
): Promise<Value> {
  const text = JSON.stringify(json);
  const bytes = Buffer.byteLength(text);
  if (bytes <= limitBytes) return inline(json);
  const id = newId('blob');
  await db
    .insertInto('blobs')
    .values({ id, workspace_id: run.workspaceId, run_id: run.runId, bytes, content: text })
    .execute();
  return { ref: id, bytes };
}

/** The whole JSON of a value, references resolved within their workspace. */
export async function loadValue(db: Database, workspaceId: string, value: Value): Promise<Json> {
  const found = new Map<string, Json>();
  const blobs = await blobsOf({ db, workspaceId, value }, (query) => query.select(['id', 'content']));
  // -- reason: `storeValue` wrote it
  for (const { id, content } of blobs) found.set(id, JSON.parse(content) as Json);
  return whole(value, ({ ref }) => {
    const json = found.get(ref);
    if (json === undefined) throw new Error(`the workspace holds no value ${ref}`);
    return json;
  });
}

const PREVIEW_CHARACTERS = 1_000;

/** A value as the API shows it: a large one by its reference, size and first characters. */
export async function presentValue(db: Database, workspaceId: string, value: Value): Promise<Json> {
  const blobs = await blobsOf({ db, workspaceId, value }, (query) =>
    query.select(['id', (eb) => eb.fn<string>('left', ['content', eb.val(PREVIEW_CHARACTERS)]).as('content')]),
  );
  const previews = new Map(blobs.map(({ id, content }) => [id, content]));
  return whole(value, ({ ref, bytes }) => ({ $ref: ref, bytes, preview: previews.get(ref) ?? '' }));
}

type Reference = Extract<Value, { ref: string }>;

function referencesIn(value: Value): readonly string[] {
  if ('json' in value) return [];
  if ('ref' in value) return [value.ref];
  return ('list' in value ? value.list : Object.values(value.parts)).flatMap(referencesIn);
}

function whole(value: Value, ofReference: (reference: Reference) => Json): Json {
  if ('json' in value) return value.json;
  if ('ref' in value) return ofReference(value);
  if ('list' in value) return value.list.map((each) => whole(each, ofReference));
  return Object.fromEntries(Object.entries(value.parts).map(([key, part]) => [key, whole(part, ofReference)]));
}

interface BlobText {
  readonly id: string;
  readonly content: string;
}

type BlobQuery = SelectQueryBuilder<Tables, 'blobs', Record<never, never>>;

async function blobsOf(
  of: { readonly db: Database; readonly workspaceId: string; readonly value: Value },
  columns: (query: BlobQuery) => SelectQueryBuilder<Tables, 'blobs', BlobText>,
): Promise<readonly BlobText[]> {
  const ids = referencesIn(of.value);
  if (ids.length === 0) return [];
  const blobs = columns(scoped(of.db, of.workspaceId).select('blobs'));
  return blobs.where(sql<boolean>`id = any(${[...ids]}::text[])`).execute();
}

/** Postgres stores neither NUL nor half a surrogate pair in jsonb: both become U+FFFD. */
export function cleanJson(json: Json): Json {
  if (typeof json === 'string') return json.toWellFormed().replaceAll('\u0000', '\uFFFD');
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map((each: Json) => cleanJson(each));
  return Object.fromEntries(Object.entries(json).map(([key, each]) => [cleanKey(key), cleanJson(each)]));
}

/** JSON text that every column takes. */
export const jsonText = (value: object): string => {
  // -- reason: records are plain data; types made of `readonly` fields are no index signatures
  return JSON.stringify(cleanJson(value as Json));
};

export const jsonTextOrNull = (value: object | null | undefined): string | null =>
  value === null || value === undefined ? null : jsonText(value);

const cleanKey = (key: string): string => key.toWellFormed().replaceAll('\u0000', '\uFFFD');
