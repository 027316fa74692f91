import { Context, Liquid } from 'liquidjs';
import { ExpressionError } from './cel-results.js';
import type { Names } from './cel.js';
import type { Json } from './values.js';

/** Liquid as the platform speaks it: the same bounds and the same texts in workflows and in activities. */

const RENDERED_LIMIT = 4 * 1024 * 1024;
const PARSE_LIMIT = 256 * 1024;
const MEMORY_LIMIT = 32 * 1024 * 1024;
/** Steps, not milliseconds: a replay must stop where the first execution stopped. */
const STEP_LIMIT = 200_000;
const REMEMBERED = 500;

/** `{{ input }}` of an object shows its JSON rather than a class name. */
const textOfValue = (value: unknown): string => {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const engine = new Liquid({
  ownPropertyOnly: true,
  strictFilters: true,
  // no partials: an empty set in memory in place of the disk
  templates: {},
  parseLimit: PARSE_LIMIT,
  memoryLimit: MEMORY_LIMIT,
  timezoneOffset: 0,
  outputEscape: (value: unknown) => textOfValue(value),
});

type Parsed = ReturnType<typeof engine.parse>;
const parsed = new Map<string, Parsed>();

const secretToken = /\{\{\s*secret:\s*[A-Za-z0-9_.-]{1,128}\s*\}\}/g;
const hasMarkers = (template: string): boolean => template.includes('{{') || template.includes('{%');
/** Secrets are filled in where the call is made; Liquid hands them on as they are written. */
const keepSecrets = (template: string): string =>
  template.replace(secretToken, (token) => `{% raw %}${token}{% endraw %}`);

/** The template that renders to exactly this text. */
export const literalTemplate = (text: string): string => text.replaceAll(/\{[{%]/g, (marker) => `{{ "${marker}" }}`);

function parse(template: string): Parsed {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  const fresh = engine.parse(keepSecrets(template));
  if (parsed.size >= REMEMBERED) parsed.clear();
  parsed.set(template, fresh);
  return fresh;
}

function contextOf(names: Names): Context {
  let steps = 0;
  const renderLimit = {
    use: () => undefined,
    check: () => {
      steps += 1;
      if (steps > STEP_LIMIT) throw new RangeError(`more than ${STEP_LIMIT} steps`);
    },
  };
  // -- reason: Liquid's own limiter is a class with private parts; only `use` and `check` of it are ever called
  const limits = { renderLimit } as unknown as ConstructorParameters<typeof Context>[3];
  return new Context(names, engine.options, { sync: true, memoryLimit: MEMORY_LIMIT }, limits);
}

export function renderLiquid(template: string, names: Names): string {
  if (!hasMarkers(template)) return template;
  try {
    const rendered = String(engine.renderSync(parse(template), contextOf(names)));
    if (rendered.length > RENDERED_LIMIT) throw new RangeError(`longer than ${RENDERED_LIMIT} characters`);
    return rendered;
  } catch (error) {
    throw new ExpressionError(`The template cannot be rendered: ${messageOf(error)}.`);
  }
}

/** The path of a string that is nothing but `{{ path }}`. */
export function lonePath(template: string): string | null {
  const path =
    /^\s*\{\{-?\s*([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\s*(?:\d+|"[^"]*"|'[^']*'|[A-Za-z_][\w.-]*)\s*\])*)\s*-?\}\}\s*$/.exec(
      template,
    )?.[1];
  return path === undefined || /^(true|false|nil|null|empty|blank)$/.test(path) ? null : path;
}

/** The value at a Liquid path, with its type; null where there is none. */
export function valueAt(path: string, names: Names): Json {
  try {
    const value: unknown = engine.evalValueSync(path, contextOf(names));
    // -- reason: names hold JSON only, and a path leads to a part of them or a size
    return value === undefined ? null : (value as Json);
  } catch (error) {
    throw new ExpressionError(`{{ ${path} }} cannot be read: ${messageOf(error)}.`);
  }
}

export function liquidProblem(template: string): string | null {
  if (!hasMarkers(template)) return null;
  try {
    engine.variableSegmentsSync(parse(template));
    return null;
  } catch (error) {
    return `The template cannot be read: ${messageOf(error)}.`;
  }
}

export type Segments = readonly (string | number | Segments)[];

/** Every variable a template names, local ones included. */
export function variablesOf(template: string): readonly Segments[] {
  return hasMarkers(template) ? engine.variableSegmentsSync(parse(template)) : [];
}

/** The roots that must come from outside. */
export function outerNamesOf(template: string): readonly string[] {
  return hasMarkers(template) ? engine.globalVariablesSync(parse(template)) : [];
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('ENOENT')) return 'partials (include, render, layout) are not available';
  return (message.split('\n')[0] ?? '').replace(/\.$/, '');
}
