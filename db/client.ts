import { Kysely, PostgresDialect, type Dialect } from 'kysely';
import pg from 'pg';
import { APP_ROLE } from './app-role.js';
import { namingPool } from './named-statements.js';
import { createScopedDriver } from './scoped-driver.js';
import type { Tables } from './tables.js';

export type Database = Kysely<Tables>;

export interface DatabaseOptions {
  readonly url: string;
  /** `owner`: as the login itself, for migrations and what looks at the database from outside. Default `app`. */
  readonly as?: 'app' | 'owner';
  /** Most connections this process opens. */
  readonly maxConnections?: number;
  /** Told when an idle connection breaks; the pool opens another on the next query. */
  readonly onError?: (error: Error) => void;
}

export function openDatabase({
  url,
  as = 'app',
  maxConnections = 20,
  onError = () => undefined,
}: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    // awaited: nobody gets the connection before it is what it is to be, and one that cannot be is closed
    ...(as === 'owner' ? {} : { onConnect: dropRights }),
  });
  pool.on('error', onError);
  // The pool listens to idle connections only; one that breaks between two queries of its user would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const dialect = new PostgresDialect({ pool: namingPool(pool) });
  return new Kysely<Tables>({ dialect: as === 'owner' ? dialect : withScopes(dialect) });
}

const withScopes = (dialect: PostgresDialect): Dialect => ({
  createDriver: () => createScopedDriver(dialect.createDriver()),
  createAdapter: () => dialect.createAdapter(),
  createQueryCompiler: () => dialect.createQueryCompiler(),
  createIntrospector: (db) => dialect.createIntrospector(db),
});

/** Refused: the role is missing, or the login may not take it. */
const REFUSALS = new Set(['22023', '42501', '42704']);

async function dropRights(client: pg.ClientBase): Promise<void> {
  try {
    await client.query(`set role ${APP_ROLE}`);
  } catch (cause) {
    if (!(cause instanceof pg.DatabaseError) || !REFUSALS.has(cause.code ?? '')) throw cause;
    throw new Error(
      `The login of DATABASE_URL may not act as ${APP_ROLE}: bring the database up to date with "npm run migrate", and ` +
        `if another login did that, run "grant ${APP_ROLE} to <this login>" as an administrator.`,
      { cause },
    );
  }
}
