import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from './failure.js';

const REMEMBERED = 200;
type Check = ReturnType<Ajv2020['compile']>;
const checks = new Map<string, Check>();

/** A fresh compiler each, so that schemas of two workspaces may carry the same `$id`. */
function compile(schema: object): Check {
  const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true, logger: false });
  formats.default(ajv);
  return ajv.compile(schema);
}

function checkOf(schema: object, field: string): Check {
  const text = JSON.stringify(schema);
  const known = checks.get(text);
  if (known !== undefined) return known;
  try {
    const check = compile(schema);
    if (checks.size >= REMEMBERED) checks.clear();
    checks.set(text, check);
    return check;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw invalid(Fault.configInvalid, `${field}: is no JSON Schema that can be used: ${said.slice(0, 300)}`);
  }
}

/** What is wrong with a value under a schema, as a part of a sentence: `items[0].id must be string`; or null. */
export function schemaProblem(
  schema: Json,
  value: Json,
  { field }: { /** Names the schema in errors. */ readonly field: string },
): string | null {
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema))
    throw invalid(Fault.configInvalid, `${field}: is no JSON Schema object.`);
  const check = checkOf(schema, field);
  if (check(value)) return null;
  const [first] = check.errors ?? [];
  return first === undefined ? 'it does not fit' : partOf(first);
}

function partOf({ instancePath, message = 'does not fit', params }: ErrorObject): string {
  const place = instancePath.slice(1).replaceAll('/', '.');
  // -- reason: which parameters there are depends on the keyword; these are worth showing
  const { additionalProperty, allowedValues } = params as { additionalProperty?: string; allowedValues?: unknown };
  const extra = additionalProperty === undefined ? '' : ` ("${additionalProperty}")`;
  const allowed = allowedValues === undefined ? '' : ` (${JSON.stringify(allowedValues).slice(0, 200)})`;
  return `${place === '' ? 'it' : place} ${message}${extra}${allowed}`;
}
