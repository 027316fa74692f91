import { schemaErrors, schemaProblem } from '../../db/json-schema.js';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from './failure.js';

/**
 * What is wrong with a value under a schema, as the end of a sentence; or null. A schema that is none is the author's
 * mistake, and `field` names it.
 */
export function misfit(schema: Json, value: Json, { field }: { readonly field: string }): string | null {
  const problem = schemaProblem(schema);
  if (problem !== null) throw invalid(Fault.configInvalid, `${field}: ${problem}`);
  const [first] = schemaErrors(schema, value);
  return first === undefined ? null : first.message.replace(/\.$/, '');
}
