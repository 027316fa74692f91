import { schemaErrors, schemaProblem } from '../../db/json-schema.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, invalid } from '../http/errors.js';

/** Refuses a value that breaks its JSON Schema, with each field by its path in the request. */
export function checkJson(schema: Json, value: Json, field: string): void {
  const unusable = schemaProblem(schema);
  if (unusable !== null) throw conflict(`The schema of ${field} ${unusable}: mend it in the definition.`);
  const problems = schemaErrors(schema, value);
  if (problems.length === 0) return;
  throw invalid(problems.map(({ pointer, message }) => ({ field: [field, ...keysOf(pointer)].join('.'), message })));
}

/** Of a JSON pointer. */
const keysOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));

/** The input of a run, under the schema its definition declares. */
export function checkInput({ inputSchema }: Plan, input: Json, field: string): void {
  if (inputSchema !== undefined) checkJson(inputSchema, input, field);
}
