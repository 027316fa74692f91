import { inScope, scopeOf } from './scope.js';
import { ApiError } from './errors.js';
import { describeError, type Log } from './log.js';
import { paramNames } from './paths.js';
import { cut, redact } from './redact.js';
import { EventStream, Download, Reply, type Request, type Route } from './route.js';
import type { Services } from '../services/index.js';
import type { Json } from '../../workflows/definition/values.js';

type AnyRequest = Request<string, unknown, unknown>;

export interface SnapshotDeps {
  readonly services: Services;
  readonly log: Log;
}

/** What the caller would be shown of the thing a row changes; null where there is nothing to show. */
export type TakeSnapshot = (request: AnyRequest, deps: SnapshotDeps) => Promise<Json>;

/**
 * Where a row's thing is shown: the GET row of its path or, for an action on it (`/x/:id/publish`), of the longest beginning
 * with the same parameters. Undefined for what makes something new, and where nothing shows it.
 */
export function snapshotOf(row: Route, rows: readonly Route[]): TakeSnapshot | undefined {
  if (row.method === 'GET' || row.audit === false || row.audit?.snapshot === false) return undefined;
  const shown = rows.filter((other) => canShow(row, other));
  const at = (path: string): Route | undefined => shown.find((other) => other.path === path);
  if (row.method === 'POST' && (at(row.path) !== undefined || paramNames(row.path).length === 0)) return undefined;
  const source = beginningsOf(row.path)
    .map(at)
    .find((found) => found !== undefined);
  if (source !== undefined) return (request, deps) => show(source, request, deps);
  return inList(row, at);
}

/** A row that answers the same kind of caller with plain JSON. */
const canShow = (row: Route, other: Route): boolean =>
  other.method === 'GET' && other.auth === row.auth && other.produces === undefined;

/** The path and its beginnings that still hold every parameter, the longest first. */
function beginningsOf(path: string): readonly string[] {
  const segments = path.split('/');
  const last = segments.findLastIndex((segment) => segment.startsWith(':'));
  const least = last === -1 ? segments.length : last + 1;
  return segments
    .map((_, index) => segments.slice(0, segments.length - index))
    .filter((kept) => kept.length >= least)
    .map((kept) => kept.join('/'));
}

/** A thing without a row of its own is looked for in the list above it. */
function inList(row: Route, at: (path: string) => Route | undefined): TakeSnapshot | undefined {
  const [, listPath, name] = /^(.*)\/:(\w+)$/.exec(row.path) ?? [];
  const list = listPath === undefined ? undefined : at(listPath);
  if (list === undefined || name === undefined) return undefined;
  return async (request, deps) => {
    const id = (request.params as Readonly<Record<string, string>>)[name];
    const item = itemsIn(await shownBy(list, request, deps)).find((each) => idsOf(each).includes(id));
    return item === undefined ? null : cut(redact(item));
  };
}

function itemsIn(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).find((part): part is unknown[] => Array.isArray(part)) ?? [];
}

const idsOf = (item: unknown): readonly unknown[] => {
  if (typeof item !== 'object' || item === null) return [];
  const { id, name, slug } = item as Readonly<Record<string, unknown>>;
  return [id, name, slug];
};

const show = async (source: Route, request: AnyRequest, deps: SnapshotDeps): Promise<Json> =>
  cut(redact(await shownBy(source, request, deps)));

/** Never fails: a change counts for more than its picture. */
async function shownBy(source: Route, request: AnyRequest, { services, log }: SnapshotDeps): Promise<unknown> {
  try {
    const query = source.query?.parse({});
    const asked = { ...request, query, body: undefined, rawBody: Buffer.alloc(0) };
    const result = await inScope(scopeOf(source.auth, request.actor), () => source.handle(asked, services));
    if (result instanceof EventStream || result instanceof Download) return null;
    return source.reply.parse(result instanceof Reply ? (result as Reply<unknown>).body : result) ?? null;
  } catch (error) {
    const isGone = error instanceof ApiError && error.status < 500;
    if (!isGone) log.warn({ route: source.id, err: describeError(error) }, 'no picture was taken for the audit');
    return null;
  }
}
