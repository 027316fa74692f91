import { randomBytes } from 'node:crypto';
import path from 'node:path';
import pg from 'pg';
import { openDatabase, type Database } from '../../db/client.js';
import { migrate } from '../../db/migrate.js';
import { startPostgres } from '../../local/postgres.js';
import { once, runFolder } from './run-folder.js';

export interface TestDatabase {
  readonly db: Database;
  readonly url: string;
  readonly close: () => Promise<void>;
}

const TEMPLATE = 'migrated';
const SETTINGS = {
  // nothing here outlives the machine, so nothing is forced to its disk
  ...{ fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
  // a statement that is prepared must do with one plan for all parameters, as it may after some executions
  plan_cache_mode: 'force_generic_plan',
};

/** A fresh, migrated database of one's own, on the one Postgres of the jest run. */
export async function testDatabase(): Promise<TestDatabase> {
  const { url: server } = await testPostgres();
  await once('template', () => makeTemplate(server));
  const name = `test_${randomBytes(6).toString('hex')}`;
  await execute(server, `create database ${name} template ${TEMPLATE}`);
  const url = urlOf(server, name);
  const db = openDatabase({ url, maxConnections: 10 });
  return {
    db,
    url,
    close: async () => {
      await db.destroy();
      await execute(server, `drop database ${name} with (force)`);
    },
  };
}

/** As the login itself: no policy holds it back, and it sees and ends the connections of all. */
export async function asOwner<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = openDatabase({ url, as: 'owner', maxConnections: 1 });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

/** The Postgres itself, for a test that needs an empty database or the server. */
export function testPostgres(): Promise<{ readonly url: string; readonly pid: number }> {
  return once('postgres', async () => {
    const dataDir = path.join(runFolder(), 'postgres');
    const { url, pid } = await startPostgres({ dataDir, settings: SETTINGS });
    return { url, pid };
  });
}

async function makeTemplate(server: string): Promise<string> {
  await execute(server, `create database ${TEMPLATE}`);
  const db = openDatabase({ url: urlOf(server, TEMPLATE), as: 'owner', maxConnections: 2 });
  try {
    await migrate(db);
  } finally {
    await db.destroy();
  }
  return TEMPLATE;
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function urlOf(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}
