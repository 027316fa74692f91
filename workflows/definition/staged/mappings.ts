import { exprProblem, templateProblem } from '../expressions.js';
import { lonePath, outerNamesOf } from '../liquid.js';
import { exprOf } from '../reads.js';
import type { Json } from '../values.js';

/** Mappers and reducers: built in, or written as mappings. */

const SECTIONS = String.raw`input.map(output, text(output)).join("\n\n---\n\n")`;

/** By name; null changes nothing. */
const mappers: Readonly<Record<string, Json>> = { passthrough: null };
const reducers: Readonly<Record<string, Json>> = { join_sections: { $expr: SECTIONS } };

const builtIns = { mapper: mappers, reducer: reducers } as const;
export type MappingRole = keyof typeof builtIns;

/** Names of the built-in ones. */
export const builtInsOf = (role: MappingRole): readonly string[] => Object.keys(builtIns[role]);

/** The mapping that a plan evaluates; null where the value goes on as it is. A reducer's `input` are the outputs. */
export function mappingFor(role: MappingRole, written: Json | null | undefined): Json | null {
  if (written === null || written === undefined) return null;
  const known = builtInOf(role, written);
  if (known !== undefined) return known;
  return role === 'reducer' ? overOutputs(written) : written;
}

const builtInOf = (role: MappingRole, written: Json): Json | undefined =>
  typeof written === 'string' && Object.hasOwn(builtIns[role], written) ? builtIns[role][written] : undefined;

/** Why a mapper or reducer cannot be used, or null. */
export function mappingFault(role: MappingRole, written: Json): string | null {
  if (builtInOf(role, written) !== undefined) return null;
  if (typeof written === 'string' && /^[A-Za-z_][\w.-]*$/.test(written.trim())) {
    const known = builtInsOf(role).join(', ');
    return `There is no built-in ${role} "${written}"; use ${known}, a template such as "{{ input }}", or {"$expr": "..."}.`;
  }
  return problemOf(written, role === 'reducer' ? ['outputs'] : []);
}

function problemOf(mapping: Json, extra: readonly string[]): string | null {
  if (typeof mapping === 'string') return templateProblem(mapping);
  if (mapping === null || typeof mapping !== 'object') return null;
  const expr = exprOf(mapping);
  if (expr !== null) return exprProblem(expr, extra);
  for (const each of Object.values(mapping)) {
    const problem = problemOf(each, extra);
    if (problem !== null) return problem;
  }
  return null;
}

/** The same mapping where `outputs` is what came in. */
function overOutputs(mapping: Json): Json {
  if (typeof mapping === 'string') return templateOverOutputs(mapping);
  if (mapping === null || typeof mapping !== 'object') return mapping;
  if (isList(mapping)) return mapping.map(overOutputs);
  const expr = exprOf(mapping);
  // an expression may end with a comment
  if (expr !== null) return { $expr: `[input].map(outputs, ${expr}\n)[0]` };
  return Object.fromEntries(Object.entries(mapping).map(([key, each]) => [key, overOutputs(each)]));
}

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);

function templateOverOutputs(template: string): string {
  const path = lonePath(template);
  if (path !== null) return `{{ ${path.replace(/^outputs(?![\w-])/, 'input')} }}`;
  return outerNamesOf(template).includes('outputs') ? `{% assign outputs = input %}${template}` : template;
}
