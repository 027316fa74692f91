import { ExpressionError } from './cel-results.js';
import { celProblem, evaluateCel, type Names } from './cel.js';
import { liquidProblem, lonePath, renderLiquid, valueAt } from './liquid.js';
import type { Condition } from './plan.js';
import { exprOf } from './reads.js';
import { textOf, type Json } from './values.js';

/** Expressions are CEL and templates Liquid, over one set of names. Pure and synchronous: the workflow uses them too. */
export { ExpressionError } from './cel-results.js';
export { KNOWN_NAMES, type Names } from './cel.js';
export { EVERY_STEP, mergeReads, namedSteps, readsOfExpr, readsOfMapping, readsOfTemplate } from './reads.js';

export interface NameSource {
  readonly input: Json;
  readonly run: { readonly id: string; readonly input: Json };
  readonly vars: Readonly<Record<string, Json>>;
  readonly steps: Readonly<Record<string, Json>>;
  readonly item: Json;
  readonly index: number | null;
  readonly message: string | null;
}

/** The names as expressions see them; `text` is the text of `input`. */
export const namesOf = ({ input, run, vars, steps, item, index, message }: NameSource): Names => ({
  input,
  text: textOf(input),
  run: { id: run.id, input: run.input },
  vars,
  steps,
  item,
  index,
  message,
});

export const evaluateExpr = (expr: string, names: Names): Json => evaluateCel(expr, names);

/** `{{secret:NAME}}` stays as it is: it is filled in where the call is made. */
export const renderTemplate = (template: string, names: Names): string => renderLiquid(template, names);

/** Strings are templates, `{{ path }}` alone gives the value itself, `{"$expr": "..."}` what the expression gives. */
export function resolveMapping(mapping: Json, names: Names): Json {
  if (typeof mapping === 'string') {
    const path = lonePath(mapping);
    return path === null ? renderLiquid(mapping, names) : valueAt(path, names);
  }
  if (mapping === null || typeof mapping !== 'object') return mapping;
  if (isList(mapping)) return mapping.map((each) => resolveMapping(each, names));
  const expr = exprOf(mapping);
  if (expr !== null) return evaluateCel(expr, names);
  return Object.fromEntries(Object.entries(mapping).map(([key, each]) => [key, resolveMapping(each, names)]));
}

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);

/** Why an expression cannot be used, or null. `extra`: names known beside the usual ones. */
export const exprProblem = (expr: string, extra: readonly string[] = []): string | null => celProblem(expr, extra);

export const templateProblem = (template: string): string | null => liquidProblem(template);

/** `extra` as for expressions. */
export function mappingProblem(mapping: Json, extra: readonly string[] = []): string | null {
  if (typeof mapping === 'string') return liquidProblem(mapping);
  if (mapping === null || typeof mapping !== 'object') return null;
  const expr = exprOf(mapping);
  if (expr !== null) return celProblem(expr, extra);
  for (const each of Object.values(mapping)) {
    const problem = mappingProblem(each, extra);
    if (problem !== null) return problem;
  }
  return null;
}

/** Whether an edge may be taken by a node that gave this output; `names.input` is that output as well. */
export function conditionHolds(
  condition: Condition,
  { output, names }: { readonly output: Json; readonly names: Names },
): boolean {
  switch (condition.type) {
    case 'always':
      return true;
    case 'contains':
      return textOf(condition.of === 'message' ? (names['message'] ?? null) : output)
        .toLowerCase()
        .includes(condition.text.toLowerCase());
    case 'equals':
      return looselyEqual(lookUp(condition.path, names), condition.value);
    case 'cel': {
      const result = evaluateCel(condition.expr, names);
      if (typeof result === 'boolean') return result;
      throw new ExpressionError(`"${condition.expr}" must give true or false; it gave ${JSON.stringify(result)}.`);
    }
  }
}

/** A dotted path in the variables, or else among all names. */
function lookUp(path: string, names: Names): Json {
  const parts = path.split('.');
  const [root = '', ...rest] = parts;
  const vars = names['vars'] ?? {};
  if (root === 'var' || root === 'vars') return dig(vars, rest);
  return own(vars, root) === undefined ? dig(names, parts) : dig(vars, parts);
}

function dig(from: Json, [part, ...rest]: readonly string[]): Json {
  return part === undefined ? from : dig(own(from, part) ?? null, rest);
}

function own(from: Json, key: string): Json | undefined {
  if (from === null || typeof from !== 'object' || !Object.hasOwn(from, key)) return undefined;
  // -- reason: an own key of JSON holds JSON; a list is read by its numbers as texts
  return (from as Readonly<Record<string, Json>>)[key];
}

function looselyEqual(actual: Json, expected: string): boolean {
  if (actual === null) return expected === 'null';
  if (typeof actual === 'boolean') return String(actual) === expected.toLowerCase();
  if (typeof actual === 'number') return expected.trim() !== '' && Number(expected) === actual;
  return textOf(actual) === expected;
}
