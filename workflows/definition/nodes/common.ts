import { z } from 'zod';
import type { Json } from '../values.js';

export const MAX_SECONDS = 400 * 86_400;
export const seconds = z.number().min(0).max(MAX_SECONDS);

/** A CEL expression over `input, vars, steps, run, item, index, message`; checked at publish. */
export const Expr = z.string().trim().min(1).max(4_000).meta({ id: 'CelExpression', description: 'CEL expression' });

/** A Liquid template over the same names; `{{secret:NAME}}` is filled in at dispatch only, and only in effect nodes. */
export const Template = z.string().max(64_000).meta({ id: 'LiquidTemplate', description: 'Liquid template' });

/**
 * Any JSON whose strings are Liquid templates: a string that is nothing but `{{ path }}` gives the value itself, with
 * its type; `{"$expr": "..."}` gives what the CEL expression evaluates to.
 */
export const Mapping = z
  .custom<Json>((value) => value !== undefined)
  .meta({ id: 'Mapping', description: 'JSON; strings are Liquid templates, {"$expr": "..."} is a CEL expression' });

/** A JSON Schema (draft 2020-12). */
export const JsonSchema = z
  .custom<Readonly<Record<string, Json>>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'must be a JSON Schema object',
  )
  .meta({ id: 'JsonSchema', type: 'object', description: 'JSON Schema, draft 2020-12' });

export const nodeId = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/,
    'must be letters, digits, _ . -, at most 100, starting with no dot or dash',
  );
