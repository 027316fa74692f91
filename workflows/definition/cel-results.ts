import { Optional } from '@marcbachmann/cel-js';
import type { Json } from './values.js';

/** What CEL gives, as JSON. */

/** An expression or template that cannot be read, or that meets values it cannot work with. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

export function textOfResult(value: unknown): string {
  const json = toJson(value);
  if (typeof json === 'string') return json;
  return json === null ? '' : JSON.stringify(json);
}

export function toJson(value: unknown): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return finite(value);
    case 'bigint':
      return Number(value);
    case 'object':
      return value === null ? null : ofObject(value);
    case 'undefined':
      return null;
    case 'function':
    case 'symbol':
      throw new ExpressionError(`the result is a ${typeof value}, which JSON cannot hold`);
  }
}

function ofObject(value: object): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Map) return fromEntries([...value.entries()]);
  if (value instanceof Set) return [...value].map(toJson);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Optional) return value.hasValue() ? toJson(value.value()) : null;
  return isPlain(value) ? fromEntries(Object.entries(value)) : ofCelType(value);
}

/** Whatever realm it comes from. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.hasOwn(Object(prototype), 'hasOwnProperty');
}

/** Unsigned numbers are numbers, a duration is its seconds, a type its name. */
function ofCelType(value: object): Json {
  if ('seconds' in value && 'nanos' in value) return Number(value.seconds) + Number(value.nanos) / 1e9;
  const primitive: unknown = value.valueOf();
  if (typeof primitive === 'bigint' || typeof primitive === 'number') return toJson(primitive);
  if ('name' in value && typeof value.name === 'string') return value.name;
  throw new ExpressionError('the result is nothing JSON can hold');
}

const fromEntries = (entries: readonly (readonly [unknown, unknown])[]): Json =>
  Object.fromEntries(entries.map(([key, each]) => [String(key), toJson(each)]));

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new ExpressionError('the result is no finite number (a division by zero?)');
}
