import { z } from 'zod';
import { exprProblem, KNOWN_NAMES, mappingProblem, templateProblem } from './expressions.js';
import { outerNamesOf } from './liquid.js';
import { Expr, JsonSchema, Mapping, Template } from './nodes/common.js';
import type { Reads } from './plan.js';
import type { Path } from './problems.js';
import { EVERY_STEP, mergeReads, readsOfExpr, readsOfMapping, readsOfTemplate } from './reads.js';
import { schemaProblem } from './json-schema.js';
import { textOf, type Json } from './values.js';

/** The expressions, templates and schemas inside a configuration, found by the schema they are declared with. */
export interface Field {
  readonly path: Path;
  readonly kind: 'expr' | 'template' | 'mapping' | 'schema';
  readonly value: Json;
}

const kinds: readonly (readonly [z.core.$ZodType, Field['kind']])[] = [
  [Expr, 'expr'],
  [Template, 'template'],
  [Mapping, 'mapping'],
  [JsonSchema, 'schema'],
];

/** `Template.min(1)` and the like descend from `Template`. */
function kindOf(schema: z.core.$ZodType): Field['kind'] | null {
  for (let each: z.core.$ZodType | undefined = schema; each !== undefined; each = each._zod.parent) {
    const known = kinds.find(([base]) => base === each);
    if (known !== undefined) return known[1];
  }
  return null;
}

export function fieldsOf(schema: z.core.$ZodType, value: Json | undefined, path: Path = []): readonly Field[] {
  if (value === undefined || value === null) return [];
  const kind = kindOf(schema);
  if (kind !== null) return [{ path, kind, value }];
  const inner = unwrapped(schema, value);
  if (inner !== schema) return fieldsOf(inner, value, path);
  return typeof value === 'object' ? innerFields(schema, value, path) : [];
}

/** What is behind `.optional()` and `.default()`, and the option of a union that this value is. */
function unwrapped(schema: z.core.$ZodType, value: Json): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return schema._zod.def.innerType;
  if (!(schema instanceof z.ZodUnion)) return schema;
  return schema._zod.def.options.find((each) => z.safeParse(each, value).success) ?? schema;
}

function innerFields(schema: z.core.$ZodType, value: object, path: Path): readonly Field[] {
  const entries = Object.entries(value);
  if (schema instanceof z.ZodObject)
    return entries.flatMap(([key, each]) => {
      const inner = schema.shape[key];
      return inner === undefined ? [] : fieldsOf(inner, each, [...path, key]);
    });
  if (schema instanceof z.ZodRecord)
    return entries.flatMap(([key, each]) => fieldsOf(schema._zod.def.valueType, each, [...path, key]));
  if (schema instanceof z.ZodArray)
    return entries.flatMap(([key, each]) => fieldsOf(schema._zod.def.element, each, [...path, Number(key)]));
  return [];
}

export interface FieldProblem {
  readonly code: string;
  readonly severity: 'blocker' | 'warning';
  readonly path: Path;
  readonly message: string;
}

/** Names that single fields know beside the usual ones. */
const extraNames: Readonly<Record<string, readonly string[]>> = {
  'on_unknown.done_when': ['status', 'body'],
  'on_unknown.url': ['idempotency_key'],
};

export function fieldProblems(field: Field): readonly FieldProblem[] {
  const { path, kind } = field;
  const name = path.join('.');
  const found = problemOf(field, extraNames[name] ?? []);
  if (found === null) return kind === 'template' ? unknownNames(field, extraNames[name] ?? []) : [];
  return [{ ...found, severity: 'blocker', path: [...path, ...found.path], message: `${name}: ${found.message}` }];
}

function problemOf({ kind, value }: Field, extra: readonly string[]) {
  switch (kind) {
    case 'expr':
      return said('bad_expression', exprProblem(textOf(value), extra));
    case 'template':
      return said('bad_template', templateProblem(textOf(value)));
    case 'mapping':
      return said('bad_mapping', mappingProblem(value));
    case 'schema': {
      const problem = schemaProblem(value);
      return problem === null ? null : { code: 'bad_schema', ...problem };
    }
  }
}

const said = (code: string, message: string | null) => (message === null ? null : { code, path: [], message });

/** `{{ customer }}` gives nothing, silently; it was meant to be `{{ vars.customer }}`. */
function unknownNames({ path, value }: Field, extra: readonly string[]): readonly FieldProblem[] {
  const known: readonly string[] = [...KNOWN_NAMES, ...extra];
  const [unknown] = outerNamesOf(textOf(value)).filter((each) => !known.includes(each));
  if (unknown === undefined) return [];
  const message = `${path.join('.')}: {{ ${unknown} }} is always empty; templates know ${known.join(', ')}, so a variable is {{ vars.${unknown} }}.`;
  return [{ code: 'unknown_name', severity: 'warning', path, message }];
}

/** What a field reads; nothing where it cannot be read at all. */
export function readsOfField(field: Field): Reads {
  const { kind, value } = field;
  if (kind === 'schema' || problemOf(field, extraNames[field.path.join('.')] ?? []) !== null) return {};
  if (kind === 'expr') return readsOfExpr(textOf(value));
  return kind === 'template' ? readsOfTemplate(textOf(value)) : readsOfMapping(value);
}

/** What JavaScript mentions; a step it does not name plainly stands for all of them. */
export function readsOfSource(source: string): Reads {
  const mentions = (name: string): boolean => new RegExp(`(?<![\\w$.])${name}(?![\\w$])`).test(source);
  const plain =
    /(?<![\w$.])steps\s*(?:\?\.|\.)\s*([A-Za-z_$][\w$]*)|(?<![\w$.])steps\s*(?:\?\.)?\[\s*(["'])([\w.-]+)\2\s*\]/g;
  const named = [...source.matchAll(plain)].map(([, dotted, , quoted]) => dotted ?? quoted ?? '');
  const rest = source.replaceAll(plain, '');
  const isDynamic = /(?<![\w$.])steps(?![\w$])/.test(rest);
  return mergeReads({
    vars: mentions('vars'),
    run: mentions('run'),
    item: mentions('item') || mentions('index'),
    message: mentions('message'),
    steps: isDynamic ? [EVERY_STEP] : named,
  });
}
