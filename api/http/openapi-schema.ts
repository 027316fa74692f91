import { z } from 'zod';

export type OpenApiVersion = '3.0.3' | '3.1.0';
export type JsonObject = { [key: string]: unknown };

/** Collects `components.schemas` while the operations are written. */
export interface SchemaWriter {
  /** The schema itself or a reference to it; `name` is used when it must become a component. */
  readonly write: (schema: z.ZodType, io: 'input' | 'output', name: string) => JsonObject;
  readonly components: Record<string, JsonObject>;
}

const definitionKeys = ['$defs', 'definitions'] as const;

export function createSchemaWriter(version: OpenApiVersion): SchemaWriter {
  const components: Record<string, JsonObject> = {};
  const target = version === '3.0.3' ? 'openapi-3.0' : 'draft-2020-12';
  return {
    components,
    write: (schema, io, name) => {
      const whole = z.toJSONSchema(schema, { target, io, unrepresentable: 'any', override: tidy }) as JsonObject;
      return hoist(components, tidyRoot(whole, version), `${name}.${io}`);
    },
  };
}

/** zod's date-time pattern is a kilobyte long and says no more than the format does. */
function tidy({ jsonSchema }: { jsonSchema: JsonObject }): void {
  if (jsonSchema['format'] !== undefined) delete jsonSchema['pattern'];
}

function tidyRoot(schema: JsonObject, version: OpenApiVersion): JsonObject {
  const bare = { ...schema };
  delete bare['$schema'];
  delete bare['~standard'];
  return version === '3.0.3' ? (forOpenApi30(bare) as JsonObject) : bare;
}

/** Keywords that OpenAPI 3.0 does not have. */
function forOpenApi30(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(forOpenApi30);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !(key === 'propertyNames' || (key === 'id' && typeof inner === 'string')))
      .map(([key, inner]) => [
        key,
        key === 'example' || key === 'default' || key === 'enum' ? inner : forOpenApi30(inner),
      ]),
  );
}

/** Moves named and recursive parts to the components and points the references there. */
function hoist(components: Record<string, JsonObject>, schema: JsonObject, owner: string): JsonObject {
  const rootName = componentName(owner);
  const names = new Map<string, string>();
  const parts = definitionKeys.flatMap((key) => Object.entries((schema[key] ?? {}) as Record<string, JsonObject>));
  for (const [name] of parts) names.set(name, nameFor(name, owner));
  const redirect = (inner: unknown): unknown => redirectRefs(inner, (name) => names.get(name) ?? rootName);
  for (const [name, part] of parts) {
    const bare = { ...part };
    delete bare['id'];
    components[names.get(name) ?? name] = redirect(bare) as JsonObject;
  }
  const isRecursive = JSON.stringify(schema).includes('"$ref":"#"');
  const rest = { ...schema };
  for (const key of [...definitionKeys, 'id']) if (key !== 'id' || typeof rest[key] === 'string') delete rest[key];
  const body = redirect(rest) as JsonObject;
  if (!isRecursive) return body;
  components[rootName] = body;
  return { $ref: `#/components/schemas/${rootName}` };
}

/** `__schema0` is zod's own numbering and starts again for every schema. */
const nameFor = (name: string, owner: string): string =>
  componentName(
    name.startsWith('__')
      ? `${owner}.${name.replaceAll('_', '')}`
      : `${name}${owner.endsWith('.input') ? 'Input' : ''}`,
  );

const componentName = (name: string): string => name.replaceAll(/[^\w.-]/g, '_');

function redirectRefs(value: unknown, nameOf: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => redirectRefs(item, nameOf));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string' && inner.startsWith('#')
        ? `#/components/schemas/${nameOf(inner.replace(/^#\/(\$defs|definitions)\//, ''))}`
        : redirectRefs(inner, nameOf),
    ]),
  );
}
