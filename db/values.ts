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

export interface ValuesToStore {
  readonly jsons: readonly Json[];
  /** Above this many bytes a value is stored. */
  readonly limitBytes: number;
  /** All that stay inline hold at most so many bytes together: the largest are stored first. */
  readonly totalBytes: number;
}

/** Keeps the small ones of many values inline and stores the others. */
export async function storeValues(
  db: Database,
  run: RunRef,
  { jsons, limitBytes, totalBytes }: ValuesToStore,
): Promise<readonly Value[]> {
  const texts = jsons.map((json) => {
    const content = JSON.stringify(json);
    return {
      id: newId('blob'),
      workspace_id: run.workspaceId,
      run_id: run.runId,
      bytes: Buffer.byteLength(content),
      content,
    };
  });
  const limit = Math.min(limitBytes, limitFor(texts, totalBytes));
  const large = texts.filter(({ bytes }) => bytes > limit);
  for (let from = 0; from < large.length; from += ROWS_A_STATEMENT) {
    await db
      .insertInto('blobs')
      .values(large.slice(from, from + ROWS_A_STATEMENT))
      .execute();
  }
  return texts.map(({ id, bytes }, index) => (bytes > limit ? { ref: id, bytes } : inline(jsons[index] ?? null)));
}

const ROWS_A_STATEMENT = 1_000;
/** A reference is no smaller than this. */
const REFERENCE_BYTES = 64;

/** The size up to which values may stay inline so that together they stay below a total. */
function limitFor(sizes: readonly { readonly bytes: number }[], totalBytes: number): number {
  let left = totalBytes;
  for (const { bytes } of sizes.toSorted((a, b) => a.bytes - b.bytes)) {
    left -= bytes;
    if (left < 0) return Math.max(bytes - 1, REFERENCE_BYTES);
  }
  return Number.POSITIVE_INFINITY;
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
