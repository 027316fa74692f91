/** What JSON can hold: everything that travels between a document, a node and the database. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * A value as runs carry it: small ones inline, larger ones as a claim check into blob storage, what a join gathered as
 * an object of such values, and what a map gathered as a list of them. `bytes` is the size of the JSON text in UTF-8.
 */
export type Value =
  | { readonly json: Json }
  | { readonly ref: string; readonly bytes: number }
  | { readonly parts: Readonly<Record<string, Value>> }
  | { readonly list: readonly Value[] };

/** Above this many bytes of JSON a value travels as a reference. */
export const INLINE_LIMIT_BYTES = 64 * 1024;

/** The largest input a run accepts, in bytes of text or JSON. */
export const INPUT_LIMIT_BYTES = 2 * 1024 * 1024;

export const inline = (json: Json): Value => ({ json });

export const isInline = (value: Value): value is Extract<Value, { json: Json }> => 'json' in value;

/** The whole JSON of a value that holds no reference; undefined of one that does. */
export function jsonOf(value: Value): Json | undefined {
  if ('json' in value) return value.json;
  if ('ref' in value) return undefined;
  const parts = 'list' in value ? Object.entries(value.list) : Object.entries(value.parts);
  const known: [string, Json][] = [];
  for (const [key, part] of parts) {
    const json = jsonOf(part);
    if (json === undefined) return undefined;
    known.push([key, json]);
  }
  return 'list' in value ? known.map(([, json]) => json) : Object.fromEntries(known);
}

/** The text a step passes on: a string as it is, `{text}` by its text, anything else as JSON. */
export function textOf(json: Json): string {
  if (typeof json === 'string') return json;
  if (json !== null && typeof json === 'object' && 'text' in json && typeof json.text === 'string') return json.text;
  return json === null ? '' : JSON.stringify(json);
}
