import type { Json } from '../../workflows/definition/values.js';

const DEEPEST = 20;

type Schema = Readonly<Record<string, Json>>;

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);
const asSchema = (json: Json | undefined): Schema =>
  json === undefined || json === null || typeof json !== 'object' || isList(json) ? {} : json;

const texts: Readonly<Record<string, string>> = {
  date: '2026-01-01',
  'date-time': '2026-01-01T00:00:00Z',
  time: '00:00:00Z',
  email: 'scripted@example.com',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

function sampleText({ format, minLength }: Schema): string {
  const text = (typeof format === 'string' ? texts[format] : undefined) ?? 'scripted';
  return typeof minLength === 'number' ? text.padEnd(minLength, '.') : text;
}

function sampleObject({ properties, required }: Schema, depth: number): Json {
  const known = asSchema(properties);
  const names = new Set([
    ...Object.keys(known),
    ...(isList(required ?? null) ? (required as readonly Json[]).map(String) : []),
  ]);
  return Object.fromEntries([...names].map((name) => [name, sampleOf(known[name] ?? {}, depth + 1)]));
}

function sampleList({ items, minItems }: Schema, depth: number): Json {
  const length = typeof minItems === 'number' ? Math.min(minItems, 100) : 1;
  return Array.from({ length }, () => sampleOf(items ?? {}, depth + 1));
}

function typeOf(schema: Schema): string {
  const { type } = schema;
  if (typeof type === 'string') return type;
  const [first] = type !== undefined && isList(type) ? type : [];
  if (typeof first === 'string') return first;
  if ('properties' in schema) return 'object';
  return 'items' in schema ? 'array' : 'string';
}

const byType: Readonly<Record<string, (schema: Schema, depth: number) => Json>> = {
  string: sampleText,
  integer: ({ minimum }) => (typeof minimum === 'number' ? Math.ceil(minimum) : 0),
  number: ({ minimum }) => (typeof minimum === 'number' ? minimum : 0),
  boolean: () => true,
  null: () => null,
  array: sampleList,
  object: sampleObject,
};

/** The value a schema names itself, as a default or one of several; undefined when it names none. */
function named(schema: Schema): Json | undefined {
  const { enum: values, examples } = schema;
  const [first] = [values, examples].flatMap((list) => (list !== undefined && isList(list) ? list : []));
  return schema['const'] ?? schema['default'] ?? first;
}

function alternative({ oneOf, anyOf }: Schema): Json | undefined {
  const list = oneOf ?? anyOf;
  return list !== undefined && isList(list) ? list[0] : undefined;
}

/** Some value of a JSON Schema, always the same; for simple schemas a valid one. */
export function sampleOf(of: Json, depth = 0): Json {
  if (depth > DEEPEST) return null;
  const schema = asSchema(of);
  const known = named(schema);
  if (known !== undefined) return known;
  const one = alternative(schema);
  if (one !== undefined) return sampleOf(one, depth + 1);
  return byType[typeOf(schema)]?.(schema, depth) ?? null;
}
