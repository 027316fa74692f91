import type { Json } from '../values.js';

/** Conditions as authors of agents write them: CEL, or a path that is to be truthy. */

const PATH = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;
const TEMPLATE = /^\{\{-?\s*([^{}]*?)\s*-?\}\}$/;
/** Roots that stand for themselves; a path that begins with any other is one in the context. */
const ROOTS: ReadonlySet<string> = new Set([
  ...['params', 'user', 'context', 'flags', 'workflow', 'tenant', 'now', 'error'],
  ...['vars', 'steps', 'input', 'text', 'message', 'run', 'item', 'index'],
]);
const WORDS: ReadonlySet<string> = new Set(['true', 'false', 'null']);
/** Texts are matched first, so that what looks like a flag within one is left alone; so is what `has` asks for. */
const FLAGS = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|has\(\s*[\w.]+\s*\)|(?<![\w.])flags\.([A-Za-z_]\w*)(?!\s*[\w.([])/g;

/**
 * The CEL of a condition. A path such as `flags.verified` or `{{ flags.verified }}` holds unless nothing stands there, or
 * false, 0, an empty text, list or object. In any other expression a flag that was never set is false.
 */
export function truthExpr(text: string): string {
  const trimmed = text.trim();
  const inner = TEMPLATE.exec(trimmed)?.[1] ?? trimmed;
  if (!PATH.test(inner) || WORDS.has(inner))
    return inner.replace(FLAGS, (found, flag?: string) =>
      flag === undefined ? found : `flags.?${flag}.orValue(false)`,
    );
  const keys = inner.split('.');
  const [root = '', ...rest] = ROOTS.has(keys[0] ?? '') ? keys : ['context', ...keys];
  const value = rest.length === 0 ? root : `${root}${rest.map((key) => `.?${key}`).join('')}.orValue(null)`;
  return `!(${value} in [null, false, 0, "", [], {}])`;
}

/** What CEL gave, as a condition takes it. */
export function isTruthy(value: Json): boolean {
  if (value === null || typeof value !== 'object') return Boolean(value);
  return Object.keys(value).length > 0;
}
