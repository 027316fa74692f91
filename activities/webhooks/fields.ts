import type { Json } from '../../workflows/definition/values.js';

/** Of a payload, in the forms that replies have. */

export const iso = (at: Date | null | undefined): string | null => at?.toISOString() ?? null;

/** A time as the log writes it. */
export const time = (at: Json | undefined): string | null =>
  typeof at === 'string' ? new Date(at).toISOString() : null;

export const text = (json: Json | undefined): string => (typeof json === 'string' ? json : '');

/** What the log leaves out is null. */
export const present = (fields: Readonly<Record<string, Json | undefined>>): Readonly<Record<string, Json>> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value ?? null]));
