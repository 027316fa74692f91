import { invalid } from '../http/errors.js';

/** Stands for ourselves where only the path matters. */
const HERE = 'http://here.invalid';

/** Where a browser goes after a sign-in: a path of ours, or a page of an origin the operator named. */
export function readReturnTo(text: string | undefined, origins: readonly string[]): string | null {
  if (text === undefined) return null;
  const target = text.startsWith('/') ? pathOf(text) : pageOf(text, origins);
  if (target !== null) return target;
  const message = 'must be a path such as /app, or an address of one of the configured CORS_ORIGINS';
  throw invalid([{ field: 'return_to', loc: ['query', 'return_to'], message }]);
}

/** As a browser reads it: `/\host`, `//host` and `/.//host` all lead elsewhere. */
function pathOf(text: string): string | null {
  if (!URL.canParse(text, HERE)) return null;
  const { origin, pathname, search, hash } = new URL(text, HERE);
  return origin === HERE && !pathname.startsWith('//') ? pathname + search + hash : null;
}

function pageOf(text: string, origins: readonly string[]): string | null {
  if (!URL.canParse(text)) return null;
  const { origin, href, username, password } = new URL(text);
  return origins.includes(origin) && username === '' && password === '' ? href : null;
}
