import { isUtf8 } from 'node:buffer';
import { cleanJson } from '../../../db/values.js';
import type { Json } from '../../../workflows/definition/values.js';
import { conflict } from '../../http/errors.js';
import { depthProblem, findUnsafe } from '../../http/safe-json.js';

interface Content {
  readonly contentType: string;
  readonly body: Buffer;
}

const mediaType = (contentType: string): string => (contentType.split(';')[0] ?? '').trim().toLowerCase();
const isJson = (type: string): boolean => type === 'application/json' || /^application\/[\w.-]+\+json$/.test(type);

/**
 * A message's bytes as a value: JSON parsed, a form as an object, anything else as text, or as `{"base64"}` where it is no
 * text. Refuses, with a sentence, what says it is JSON and is not; what the database cannot hold in a text becomes U+FFFD.
 */
export function valueOf(content: Content): Json {
  const type = mediaType(content.contentType);
  if (isJson(type)) return jsonOf(content.body);
  if (!isUtf8(content.body)) return { base64: content.body.toString('base64') };
  const text = content.body.toString('utf8');
  if (type === 'application/x-www-form-urlencoded') return cleanJson(formOf(text));
  return type === '' ? (lenientJson(content.body) ?? cleanJson(text)) : cleanJson(text);
}

const BYTE_ORDER_MARK = 0xfeff;

function jsonOf(body: Buffer): Json {
  if (body.length === 0) return null;
  if (!isUtf8(body))
    throw conflict('The body is not valid UTF-8, so that it cannot be read as the JSON it says it is.');
  const text = body.toString('utf8');
  const json = parsed(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text);
  const deep = depthProblem(json);
  if (deep !== undefined) throw conflict(`The body ${deep}.`);
  const clean = cleanJson(json);
  const unsafe = findUnsafe(clean);
  if (unsafe !== undefined) throw conflict(`The body cannot be used: ${unsafe.field} ${unsafe.message}.`);
  return clean;
}

function parsed(text: string): Json {
  try {
    // -- reason: JSON.parse gives nothing else
    return JSON.parse(text) as Json;
  } catch (error) {
    throw conflict(`The body is not valid JSON: ${error instanceof Error ? error.message : 'it cannot be read'}`);
  }
}

/** Who says nothing of the type most often sends JSON. */
function lenientJson(body: Buffer): Json | undefined {
  try {
    return jsonOf(body);
  } catch {
    return undefined;
  }
}

/** Names that come several times become lists, as in queries. */
export const fieldsOf = (form: URLSearchParams): Readonly<Record<string, Json>> =>
  Object.fromEntries(
    [...new Set(form.keys())].map((name): [string, Json] => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );

const formOf = (text: string): Json => fieldsOf(new URLSearchParams(text));

/** Without what stands at these dotted paths. */
export const without = (json: Json, paths: readonly string[]): Json => changedAt(json, paths, () => undefined);

/** With something else at these dotted paths, where there is something; undefined takes it out. */
export function changedAt(json: Json, paths: readonly string[], change: (was: Json) => Json | undefined): Json {
  return paths.reduce((whole, path) => changed(whole, path.split('.'), change), json);
}

function changed(json: Json, [key = '', ...rest]: readonly string[], change: (was: Json) => Json | undefined): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json) || !Object.hasOwn(json, key)) return json;
  // -- reason: JSON that is no list and no scalar is an object
  const { [key]: was = null, ...others } = json as Readonly<Record<string, Json>>;
  const next = rest.length === 0 ? change(was) : changed(was, rest, change);
  return next === undefined ? others : { ...others, [key]: next };
}
