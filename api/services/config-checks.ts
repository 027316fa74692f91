import { z } from 'zod';
import type { ConfigProblem } from '../../workflows/definition/agents/config-problems.js';
import type { Json } from '../../workflows/definition/values.js';
import { invalid, type ErrorDetail } from '../http/errors.js';
import { validate } from '../http/validate.js';
import { mergeSettings } from './merge-settings.js';

/** What agents and tools have in common when they are written. */

/** By its place in the body; `outside` has the keys of the configuration that stand beside it there. */
export const detailOf =
  (outside: ReadonlySet<string> = new Set()) =>
  ({ path, message }: ConfigProblem): ErrorDetail => {
    const full = outside.has(String(path[0])) ? path : ['config', ...path];
    return { field: full.join('.'), loc: ['body', ...full], message };
  };

/** 422 with one detail for each. */
export function refuseProblems(problems: readonly ErrorDetail[]): void {
  if (problems.length > 0) throw invalid(problems);
}

/** The name is what others know it by. */
export function refuseRename(what: string, name: string, asked: string | undefined): void {
  if (asked === undefined || asked === name) return;
  throw invalid([
    { field: 'name', message: `cannot be changed: this ${what} is "${name}"; create another one called "${asked}"` },
  ]);
}

type JsonObject = Readonly<Record<string, Json>>;

/** A change of the configuration merged into it (RFC 7396), if it still fits the schema. */
export function mergedConfig<C extends object>(schema: z.ZodType<C>, present: C, change: JsonObject): C {
  // -- reason: what was stored came as JSON
  const config = mergeSettings(present as unknown as JsonObject, change);
  const whole = validate(z.object({ config: schema }), { config }, { place: 'body', status: 422 });
  // -- reason: that schema gives this
  return (whole as { readonly config: C }).config;
}
