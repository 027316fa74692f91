export type Schema = Readonly<Record<string, unknown>>;

/** A value that fits a JSON schema of an OpenAPI document: its example where it has one, else the least that is allowed. */
export function sampleOf(schema: Schema, root: Schema): unknown {
  const { $ref, example, default: preset, anyOf, oneOf, allOf, enum: values } = schema;
  if (typeof $ref === 'string') return sampleOf(resolve($ref, root), root);
  if (example !== undefined) return example;
  if (preset !== undefined) return preset;
  if ('const' in schema) return schema['const'];
  if (Array.isArray(values)) return values[0] as unknown;
  const [choice] = (anyOf ?? oneOf ?? []) as readonly Schema[];
  if (choice !== undefined) return sampleOf(choice, root);
  if (Array.isArray(allOf))
    return Object.assign({}, ...(allOf as Schema[]).map((part) => sampleOf(part, root) as object)) as unknown;
  return sampleOfType(schema, root);
}

function sampleOfType(schema: Schema, root: Schema): unknown {
  const type = Array.isArray(schema['type']) ? (schema['type'][0] as unknown) : schema['type'];
  switch (type) {
    case 'string':
      return sampleText(schema);
    case 'integer':
    case 'number':
      return Number(schema['minimum'] ?? 1);
    case 'boolean':
      return true;
    case 'array':
      return Array.from({ length: Number(schema['minItems'] ?? 0) }, () =>
        sampleOf((schema['items'] ?? {}) as Schema, root),
      );
    case 'null':
      return null;
    default:
      return sampleObject(schema, root);
  }
}

function sampleObject(schema: Schema, root: Schema): unknown {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const required = (schema['required'] ?? []) as readonly string[];
  return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] ?? {}, root)]));
}

const ofFormat: Readonly<Record<string, string>> = {
  email: 'someone@example.com',
  'date-time': '2030-01-01T00:00:00Z',
  date: '2030-01-01',
  uri: 'https://example.com/',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
};

const sampleText = ({ format, minLength }: Schema): string =>
  ofFormat[String(format)] ?? 'sample'.padEnd(Number(minLength ?? 0), 'x');

const resolve = (ref: string, root: Schema): Schema =>
  ref
    .slice(2)
    .split('/')
    .reduce((at, key) => (at[key] ?? {}) as Schema, root);
