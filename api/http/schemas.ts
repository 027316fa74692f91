import { z } from 'zod';
import type { Json } from '../../workflows/definition/values.js';

export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  offset: z.coerce.number().int().min(0).default(0),
});
export type Page = z.output<typeof Page>;

/** `false` in a query is text, which would count as true. */
export const QueryFlag = z
  .enum(['true', 'false', '1', '0'])
  .transform((text) => text === 'true' || text === '1')
  .optional();

/** `{items,total,limit,offset}`. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), total: z.number().int(), limit: z.number().int(), offset: z.number().int() });

/** A timestamp as the database gives it, sent as ISO 8601 in UTC. */
export const Time = z
  .union([z.date(), z.string()])
  .transform((at) => (at instanceof Date ? at.toISOString() : at))
  .meta({ type: 'string', format: 'date-time' });

export const Email = z.string().trim().max(254).pipe(z.email('must be an e-mail address such as ada@example.com'));

export const Empty = z.undefined();

/** Any JSON at all. */
export const JsonValue = z.custom<Json>(() => true).meta({ description: 'Any JSON' });
