import type { Json } from '../../workflows/definition/values.js';
import { fieldsOf } from '../nodes/effect.js';
import { Fault, invalid } from '../nodes/failure.js';

/** Dotted paths into the context: `booking.guests`, `orders.0.id`, `notes[+]`. */
export interface ContextPath {
  readonly keys: readonly string[];
  /** The value is added to the list that stands there. */
  readonly appends: boolean;
}

const MOST_KEYS = 20;
const isList = (json: Json): json is readonly Json[] => Array.isArray(json);
const isNumber = (key: string): boolean => /^\d{1,6}$/.test(key);

/** An object's fields; none of what is no object. */
export const dataOf = (json: Json | undefined): Readonly<Record<string, Json>> => fieldsOf(json ?? null);

export function contextPath(text: string): ContextPath {
  const appends = text.endsWith('[+]');
  const keys = (appends ? text.slice(0, -3) : text).replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  const isPath = keys.length <= MOST_KEYS && keys.every((key) => key !== '' && !/[[\]{}\s]/.test(key));
  if (isPath) return { keys, appends };
  throw invalid(Fault.configInvalid, `key: "${text}" is no path; write one such as booking.guests or notes[+].`);
}

/** What stands there; null where nothing does. */
export function valueIn(json: Json, [key, ...rest]: readonly string[]): Json {
  if (key === undefined) return json;
  if (json === null || typeof json !== 'object') return null;
  if (isList(json)) return isNumber(key) ? valueIn(json[Number(key)] ?? null, rest) : null;
  return Object.hasOwn(json, key) ? valueIn(json[key] ?? null, rest) : null;
}

/** The same with `value` at that place; objects on the way there are made. */
export function withValue(json: Json, keys: readonly string[], value: Json): Json {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  if (json === null) return { [key]: withValue(null, rest, value) };
  if (typeof json !== 'object') throw invalid(Fault.configInvalid, `key: there is no "${key}" in a ${typeof json}.`);
  if (!isList(json)) return { ...json, [key]: withValue(valueIn(json, [key]), rest, value) };
  if (!isNumber(key) || Number(key) > json.length)
    throw invalid(Fault.configInvalid, `key: a list of ${json.length} has no place "${key}"; [+] appends.`);
  return json.toSpliced(Number(key), 1, withValue(json[Number(key)] ?? null, rest, value));
}

/** The same without what stands there. */
export function withoutValue(json: Json, keys: readonly string[]): Json {
  const [key, ...rest] = keys;
  if (key === undefined || json === null || typeof json !== 'object') return json;
  if (isList(json)) return withoutPlace(json, key, rest);
  if (!Object.hasOwn(json, key)) return json;
  if (rest.length > 0) return { ...json, [key]: withoutValue(json[key] ?? null, rest) };
  return Object.fromEntries(Object.entries(json).filter(([each]) => each !== key));
}

function withoutPlace(list: readonly Json[], key: string, rest: readonly string[]): Json {
  const at = Number(key);
  if (!isNumber(key) || at >= list.length) return list;
  return rest.length === 0 ? list.toSpliced(at, 1) : list.toSpliced(at, 1, withoutValue(list[at] ?? null, rest));
}

/** The list that stands there with one more; nothing there is an empty one. */
export function appended(there: Json, value: Json): Json {
  if (there === null) return [value];
  if (isList(there)) return [...there, value];
  throw invalid(Fault.configInvalid, 'key: [+] appends to a list, and no list stands there.');
}
