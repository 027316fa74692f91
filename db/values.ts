import { newId } from './ids.js';
import type { Database } from './client.js';
import type { RunRef } from '../workflows/contract/run.js';
import { inline, INLINE_LIMIT_BYTES, type Json, type Value } from '../workflows/definition/values.js';

/** Keeps a small value inline and stores a larger one, so that no payload ever grows past Temporal's limits. */
export async function storeValue(
  db: Database,
  run: RunRef,
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
  if ('json' in value) return value.json;
  if ('parts' in value) {
    const entries = Object.entries(value.parts).map(
      async ([key, part]) => [key, await loadValue(db, workspaceId, part)] as const,
    );
    return Object.fromEntries(await Promise.all(entries));
  }
  const blob = await db
    .selectFrom('blobs')
    .select('content')
    .where('workspace_id', '=', workspaceId)
    .where('id', '=', value.ref)
    .executeTakeFirstOrThrow();
  // -- reason: `storeValue` wrote it
  return JSON.parse(blob.content) as Json;
}

const PREVIEW_CHARACTERS = 1_000;

/** A value as the API shows it: a large one by its reference, size and first characters. */
export async function presentValue(db: Database, workspaceId: string, value: Value): Promise<Json> {
  if ('json' in value) return value.json;
  if ('ref' in value) {
    const blob = await db
      .selectFrom('blobs')
      .select((eb) => eb.fn<string>('left', ['content', eb.val(PREVIEW_CHARACTERS)]).as('preview'))
      .where('workspace_id', '=', workspaceId)
      .where('id', '=', value.ref)
      .executeTakeFirst();
    return { $ref: value.ref, bytes: value.bytes, preview: blob?.preview ?? '' };
  }
  const entries = Object.entries(value.parts).map(
    async ([key, part]) => [key, await presentValue(db, workspaceId, part)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
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
