import { createHash } from 'node:crypto';
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import pg from 'pg';

/**
 * Statements that come again are prepared under a name, once a connection: Postgres then need not parse them again, nor
 * plan them where one plan fits all parameters. Planning under row security is most of a small query.
 */
export function namingPool(pool: pg.Pool): PostgresPool {
  const known = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    connect: async () => {
      const client = await pool.connect();
      const naming = known.get(client) ?? namingClient(client);
      known.set(client, naming);
      return naming;
    },
    end: () => pool.end(),
  };
}

function namingClient(client: pg.PoolClient): PostgresPoolClient {
  const query = (text: unknown, values: readonly unknown[] = []): unknown =>
    typeof text === 'string'
      ? run(client, { text, values: [...values] })
      : // -- reason: the one other form is a cursor, which the driver submits itself
        client.query(text as pg.Submittable);
  return {
    // -- reason: the function answers each of the two forms as its overload says
    query: query as PostgresPoolClient['query'],
    release: () => client.release(),
  };
}

/** A statement planned before a migration may give columns that are no more what they were: it is planned anew. */
async function run<R>(client: pg.PoolClient, config: pg.QueryConfig): Promise<PostgresQueryResult<R>> {
  const name = config.values?.length === 0 ? null : nameOf(config.text);
  try {
    // -- reason: the driver knows SELECT, INSERT, UPDATE, DELETE and MERGE, and asks for a count of these only
    return (await client.query(name === null ? config : { ...config, name })) as unknown as PostgresQueryResult<R>;
  } catch (error) {
    if (name === null || !isStale(error)) throw error;
    generation += 1;
    return (await client.query(config)) as unknown as PostgresQueryResult<R>;
  }
}

/** So many texts are watched; a program that makes ever new ones keeps those it began with. */
const MOST_STATEMENTS = 1_000;

let generation = 0;
const names = new Map<string, string | null>();

/** Null for a text that is seen for the first time: many of those never come again. */
function nameOf(text: string): string | null {
  const known = names.get(text);
  if (known === undefined) {
    if (names.size < MOST_STATEMENTS) names.set(text, null);
    return null;
  }
  const digest = known ?? createHash('sha1').update(text).digest('base64url');
  if (known === null) names.set(text, digest);
  return `${digest}.${generation}`;
}

const FEATURE_NOT_SUPPORTED = '0A000';

const isStale = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && error.code === FEATURE_NOT_SUPPORTED && error.message.includes('cached plan');
