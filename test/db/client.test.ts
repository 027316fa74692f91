import { expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { asOwner, testDatabase } from '../support/database.js';

test('a connection that breaks under its user fails that user alone', async () => {
  const { db, url, close } = await testDatabase();
  const broken = db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
    await asOwner(url, (owner) => sql`select pg_terminate_backend(${rows[0]?.pid}, 5000)`.execute(owner));
    await sql`select 1`.execute(trx);
  });
  await expect(broken).rejects.toThrow(/terminating connection|terminated|not queryable/i);
  const { rows } = await sql<{ one: number }>`select 1 as one`.execute(db);
  expect(rows).toEqual([{ one: 1 }]);
  await close();
});
