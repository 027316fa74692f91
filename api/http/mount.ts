import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { ApiError, notAllowed } from './errors.js';
import { paramNames } from './paths.js';
import { rateCaller } from './rate-limit.js';
import type { Route } from './route.js';
import { prepare, type ServeDeps } from './serve.js';

export { paramNames } from './paths.js';

/** A row under one of its paths. */
interface Mounted {
  readonly row: Route;
  readonly path: string;
}

/** Turns every row, and each of its aliases, into a Koa route; answers 404 and 405 for the rest. */
export function mount(routes: readonly Route[], given: Omit<ServeDeps, 'rows'>): Middleware {
  const deps = { ...given, rows: routes };
  const router = new Router({ sensitive: true });
  for (const { row, path } of inOrder(routes)) {
    const serve = prepare(row, deps);
    router.register(path, [row.method], (ctx: Context & { readonly params: Record<string, string> }) =>
      serve(ctx, ctx.params),
    );
  }
  const serveMatch = router.routes();
  return (ctx) => serveMatch(ctx as Parameters<typeof serveMatch>[0], () => refuseUnmatched(ctx, deps));
}

/** The router leaves every layer whose path fits in `ctx.matched`, whatever its method. */
async function refuseUnmatched(ctx: Context, { limiter }: ServeDeps): Promise<void> {
  await limiter.take(ctx, 'local', rateCaller('local', ctx));
  const layers = (ctx as { readonly matched?: readonly { readonly methods: readonly string[] }[] }).matched ?? [];
  const allowed = [...new Set(layers.flatMap(({ methods }) => methods))];
  if (allowed.length === 0) throw new ApiError(404, `Nothing answers at ${ctx.path.slice(0, 200)}.`);
  if (ctx.method !== 'OPTIONS') throw notAllowed(ctx.method, [...allowed, 'OPTIONS']);
  ctx.set('Allow', [...allowed, 'OPTIONS'].join(', '));
  ctx.status = 204;
}

/** Checks the table and sorts it: where a fixed segment and a parameter both fit, the fixed one wins. */
export function inOrder(routes: readonly Route[]): readonly Mounted[] {
  const mounted = routes.flatMap((row) => [row.path, ...(row.aliases ?? [])].map((path) => ({ row, path })));
  checkTable(routes, mounted);
  return mounted.toSorted((a, b) => compare(rank(a.path), rank(b.path)));
}

const rank = (path: string): string =>
  path
    .split('/')
    .map((segment) => (segment.includes(':') ? '1' : '0'))
    .join('');

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function checkTable(routes: readonly Route[], mounted: readonly Mounted[]): void {
  const ids = new Set<string>();
  for (const { id, auth, path } of routes) {
    if (ids.has(id)) throw new Error(`two rows have the id ${id}`);
    if (auth === 'workspace' && !paramNames(path).includes('id')) throw new Error(`${id} needs :id for its workspace`);
    ids.add(id);
  }
  const doors = new Map<string, string>();
  for (const { row, path } of mounted) {
    const door = `${row.method} ${path.replaceAll(/:\w+/g, ':')}`;
    const other = doors.get(door);
    if (other !== undefined) throw new Error(`${other} and ${row.id} both answer ${door}`);
    if (paramNames(row.path).toSorted().join() !== paramNames(path).toSorted().join())
      throw new Error(`${row.id}: the alias ${path} names other parameters than ${row.path}`);
    doors.set(door, row.id);
  }
}
