import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import { ApiError, notFound } from '../http/errors.js';

/** Bytes of the JSON text in UTF-8; without a length up to the end, a negative offset counts from the end. */
export interface ValueRange {
  readonly offset: number;
  readonly length?: number | undefined;
}

export interface ValuePart {
  readonly bytes: Buffer;
  readonly offset: number;
  /** Of the whole. */
  readonly total: number;
}

export async function readStoredValue(
  db: Database,
  { workspaceId, ref }: { readonly workspaceId: string; readonly ref: string },
  { offset, length }: ValueRange,
): Promise<ValuePart> {
  const from = offset < 0 ? sql`greatest(bytes + ${offset}::int, 0)` : sql`${offset}::int`;
  const part = await scoped(db, workspaceId)
    .select('blobs')
    .select([
      'bytes as total',
      sql<number>`${from}`.as('offset'),
      sql<Buffer>`substring(convert_to(content, 'UTF8') from ${from} + 1 for ${length ?? MOST_BYTES}::int)`.as('bytes'),
    ])
    .where('id', '=', ref)
    .executeTakeFirst();
  if (part === undefined) throw notFound('value', ref);
  if (part.offset > 0 && part.offset >= part.total) throw beyond(part.total);
  return part;
}

/** No value is as long. */
const MOST_BYTES = 1_000_000_000;

const beyond = (total: number): ApiError =>
  new ApiError(416, `The value has ${total} bytes; ask for a part of these.`, {
    headers: { 'content-range': `bytes */${total}` },
  });

/** One range of a `Range` header; undefined where the header asks for something else, which is then left alone. */
export function rangeOf(header: string | undefined): ValueRange | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,9})-(\d{0,9})$/.exec(header?.trim() ?? '') ?? [];
  if (first === '') return Number(last) > 0 ? { offset: -Number(last) } : undefined;
  if (last === '') return { offset: Number(first) };
  const length = Number(last) - Number(first) + 1;
  return length > 0 ? { offset: Number(first), length } : undefined;
}
