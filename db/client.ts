import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Tables } from './tables.js';

export type Database = Kysely<Tables>;

export interface DatabaseOptions {
  readonly url: string;
  /** Most connections this process opens. */
  readonly maxConnections?: number;
  /** Told when an idle connection breaks; the pool opens another on the next query. */
  readonly onError?: (error: Error) => void;
}

export function openDatabase({ url, maxConnections = 20, onError = () => undefined }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  pool.on('error', onError);
  // The pool listens to idle connections only; one that breaks between two queries of its user would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}
