import { linearPattern } from './linear-pattern.js';
import { pointerOf, type Path } from './problems.js';
import type { Json } from './values.js';

const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'string', 'integer'];
/** Keywords that hold one schema, a list of them, and schemas by name. */
const one = ['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains', 'propertyNames'];
const many = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const named = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];

export interface SchemaProblem {
  readonly path: Path;
  readonly message: string;
}

/** Whether a value has the form of a JSON Schema. What it means is the validator's business. */
export function schemaProblem(schema: Json, path: Path = []): SchemaProblem | null {
  if (typeof schema === 'boolean') return null;
  if (!isObject(schema)) return at(path, 'must be a schema: an object, or true or false');
  return keywordProblem(schema, path) ?? innerProblem(schema, path);
}

type Keyword = readonly [name: string, isGood: (value: Json) => boolean, what: string];

const isText = (value: Json): boolean => typeof value === 'string';
const isType = (value: Json): boolean => typeof value === 'string' && TYPES.includes(value);

const keywords: readonly Keyword[] = [
  [
    'type',
    (value) => (Array.isArray(value) ? value.every(isType) : isType(value)),
    `must be one of ${TYPES.join(', ')}`,
  ],
  ['required', (value) => Array.isArray(value) && value.every(isText), 'must be a list of property names'],
  ['enum', (value) => Array.isArray(value), 'must be a list'],
  ['$ref', (value) => typeof value === 'string' && value.startsWith('#'), 'must point into this schema (#/$defs/...)'],
  ['pattern', isPattern, 'must be a regular expression without look-around and back references'],
];

function keywordProblem(schema: { readonly [key: string]: Json }, path: Path): SchemaProblem | null {
  for (const [name, isGood, what] of keywords) {
    const value = schema[name];
    if (value !== undefined && !isGood(value)) return at([...path, name], what);
  }
  return null;
}

function innerProblem(schema: { readonly [key: string]: Json }, path: Path): SchemaProblem | null {
  for (const [key, value] of Object.entries(schema)) {
    const inner = [...path, key];
    const found = one.includes(key)
      ? schemaProblem(value, inner)
      : many.includes(key)
        ? listProblem(value, inner)
        : named.includes(key)
          ? namedProblem(value, inner)
          : null;
    if (found !== null) return found;
  }
  return null;
}

function listProblem(value: Json, path: Path): SchemaProblem | null {
  if (!Array.isArray(value)) return at(path, 'must be a list of schemas');
  return first(value.map((each: Json, index) => schemaProblem(each, [...path, index])));
}

function namedProblem(value: Json, path: Path): SchemaProblem | null {
  if (!isObject(value)) return at(path, 'must be an object of schemas by name');
  return first(Object.entries(value).map(([key, each]) => schemaProblem(each, [...path, key])));
}

const first = (found: readonly (SchemaProblem | null)[]): SchemaProblem | null =>
  found.find((each) => each !== null) ?? null;

const at = (path: Path, what: string): SchemaProblem => ({
  path,
  message: `Correct the JSON Schema at ${pointerOf(path) || 'its root'}: it ${what}.`,
});

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isPattern(pattern: Json): boolean {
  if (typeof pattern !== 'string') return false;
  try {
    linearPattern(pattern);
    return true;
  } catch {
    return false;
  }
}
