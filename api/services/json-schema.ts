import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Json } from '../../workflows/definition/values.js';

/** Why something is no JSON Schema that inputs and results can be checked against, or null. */
export function schemaProblem(schema: Json): string | null {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    return 'must be a JSON Schema: an object such as {"type": "object"}';
  try {
    const ajv = new Ajv2020({ strict: false, logger: false });
    addFormats.default(ajv);
    ajv.compile(schema);
    return null;
  } catch (error) {
    return `is no JSON Schema of draft 2020-12: ${error instanceof Error ? error.message : String(error)}`;
  }
}
