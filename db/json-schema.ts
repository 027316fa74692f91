import { Ajv2020, type AnySchema, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { linearPattern } from '../workflows/definition/linear-pattern.js';
import type { Json } from '../workflows/definition/values.js';

/** JSON Schema, draft 2020-12, for inputs, outputs and the data of decisions. */

export interface SchemaError {
  /** JSON pointer into the value; '' is the value itself. */
  readonly pointer: string;
  /** A sentence about what is there: "amount must be a number.". */
  readonly message: string;
}

const REMEMBERED = 200;
const MOST_ERRORS = 20;

/** A compiler never forgets what it compiled, so that it is replaced with all it knows when it knows much. */
interface Compiler {
  readonly ajv: Ajv2020;
  /** By the schema's text. */
  readonly validators: Map<string, ValidateFunction>;
}

/** An author's pattern is matched in time that grows with the text alone. */
const patterns = Object.assign(
  (source: string) => ({ test: linearPattern(source).test, toString: () => `/${source}/` }),
  { code: 'linearPattern' },
);

function createCompiler(): Compiler {
  const code = { regExp: patterns };
  const ajv = new Ajv2020({ strict: false, logger: false, allErrors: true, addUsedSchema: false, code });
  formats.default(ajv);
  return { ajv, validators: new Map() };
}

let compiler = createCompiler();

/** What is wrong with a value under a schema; empty where it fits. Throws when the schema is none. */
export function schemaErrors(schema: Json, value: Json): readonly SchemaError[] {
  const validate = compiled(schema);
  if (validate(value)) return [];
  return sentences(validate.errors ?? []).slice(0, MOST_ERRORS);
}

/** Why something is no JSON Schema that values can be checked against, as the end of a sentence; or null. */
export function schemaProblem(schema: Json): string | null {
  if (!isObject(schema)) return 'must be a JSON Schema: an object such as {"type": "object"}';
  try {
    compiled(schema);
    return null;
  } catch (error) {
    return `is no JSON Schema of draft 2020-12: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function compiled(schema: Json): ValidateFunction {
  const text = JSON.stringify(schema);
  const known = compiler.validators.get(text);
  if (known !== undefined) return known;
  if (compiler.validators.size >= REMEMBERED) compiler = createCompiler();
  const validate = compiler.ajv.compile(schema as AnySchema); // -- reason: it says itself whether it is one
  compiler.validators.set(text, validate);
  return validate;
}

const isObject = (json: Json): boolean => typeof json === 'object' && json !== null && !Array.isArray(json);

/** An alternative that fails is told of by its parts only when nothing else is. */
const wrappers = new Set(['anyOf', 'oneOf', 'allOf', 'if', 'not']);

function sentences(errors: readonly ErrorObject[]): readonly SchemaError[] {
  const plain = errors.filter(({ keyword }) => !wrappers.has(keyword));
  const told = new Map<string, SchemaError>();
  for (const error of plain.length > 0 ? plain : errors) {
    const pointer = pointerOf(error);
    const message = `${nameOf(pointer)} ${complaintOf(error)}.`;
    told.set(message, { pointer, message });
  }
  return [...told.values()];
}

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

function pointerOf({ instancePath, params }: ErrorObject): string {
  // -- reason: the parameters are plain data by name
  const { missingProperty, additionalProperty } = params as Readonly<Record<string, string | undefined>>;
  const key = missingProperty ?? additionalProperty;
  return key === undefined ? instancePath : `${instancePath}/${escaped(key)}`;
}

/** `/items/3/amount` is `items[3].amount`. */
function nameOf(pointer: string): string {
  if (pointer === '') return 'The value';
  const keys = pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  return keys.reduce((name, key) => (/^\d+$/.test(key) ? `${name}[${key}]` : name === '' ? key : `${name}.${key}`), '');
}

const complaints: Readonly<Record<string, (params: Readonly<Record<string, unknown>>) => string>> = {
  required: () => 'is required',
  additionalProperties: () => 'is not known here; remove it',
  type: ({ type }) => `must be ${article(String(type))}`,
  enum: ({ allowedValues }) => `must be one of ${listOf(allowedValues)}`,
  const: ({ allowedValue }) => `must be ${JSON.stringify(allowedValue)}`,
  format: ({ format }) => `must be of the format ${String(format)}`,
};

function complaintOf({ keyword, params, message }: ErrorObject): string {
  // -- reason: its parameters are plain data by name
  return complaints[keyword]?.(params as Readonly<Record<string, unknown>>) ?? lowered(message ?? 'does not fit');
}

const article = (type: string): string =>
  type
    .split(',')
    .map((each) => (each === 'null' ? 'null' : /^[aio]/.test(each) ? `an ${each}` : `a ${each}`))
    .join(' or ');

const listOf = (values: unknown): string =>
  Array.isArray(values)
    ? values
        .map((each) => JSON.stringify(each))
        .join(', ')
        .slice(0, 300)
    : String(values);

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
