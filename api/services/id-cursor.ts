import { invalid } from '../http/errors.js';

/** Cursors of lists in the order of their ids: what was read last, in a form that nobody takes for more than that. */
export const writeIdCursor = (id: string): string => Buffer.from(id).toString('base64url');

/** The id a cursor holds; null for one that holds none of this kind. */
export function idInCursor(prefix: string, cursor: string): string | null {
  const id = Buffer.from(cursor, 'base64url').toString();
  return id.startsWith(`${prefix}_`) && /^\w{1,60}$/.test(id.slice(prefix.length + 1)) ? id : null;
}

/** Where the page of `query.cursor` begins; null for the first. */
export function readIdCursor(prefix: string, cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  const id = idInCursor(prefix, cursor);
  if (id !== null) return id;
  const message = 'is not a cursor of this list; take next_cursor of the page before';
  throw invalid([{ field: 'query.cursor', loc: ['query', 'cursor'], message }]);
}

/** A page of rows of which one more than `limit` was read: where that one is, there is another page. */
export function pageOfRows<T extends { readonly id: string }>(
  rows: readonly T[],
  limit: number,
): { readonly items: readonly T[]; readonly next_cursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next_cursor: rows.length > limit && last !== undefined ? writeIdCursor(last.id) : null };
}
