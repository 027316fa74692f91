import type { Json, Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

const PREVIEW_CHARACTERS = 1_000;

/** Values as the API shows them, large ones by reference, size and first characters; one query for all of them. */
export async function presentValues(
  db: Database,
  workspaceId: string,
  values: readonly (Value | null)[],
): Promise<readonly Json[]> {
  const refs = [...new Set(values.flatMap(refsOf))];
  const blobs =
    refs.length === 0
      ? []
      : await scoped(db, workspaceId)
          .select('blobs')
          .select((eb) => ['id', eb.fn<string>('left', ['content', eb.val(PREVIEW_CHARACTERS)]).as('preview')])
          .where('id', 'in', refs)
          .execute();
  const previews = new Map(blobs.map(({ id, preview }) => [id, preview]));
  return values.map((value) => present(value, previews));
}

function refsOf(value: Value | null): readonly string[] {
  if (value === null || 'json' in value) return [];
  if ('ref' in value) return [value.ref];
  return ('list' in value ? value.list : Object.values(value.parts)).flatMap(refsOf);
}

function present(value: Value | null, previews: ReadonlyMap<string, string>): Json {
  if (value === null) return null;
  if ('json' in value) return value.json;
  if ('ref' in value) return { $ref: value.ref, bytes: value.bytes, preview: previews.get(value.ref) ?? '' };
  if ('list' in value) return value.list.map((part) => present(part, previews));
  return Object.fromEntries(Object.entries(value.parts).map(([key, part]) => [key, present(part, previews)]));
}
