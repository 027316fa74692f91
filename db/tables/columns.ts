import type { ColumnType, Generated } from 'kysely';

/** jsonb or json: written as JSON text, read as the value. */
export type Jsonb<T> = ColumnType<T, string, string>;
export type Created = Generated<Date>;
