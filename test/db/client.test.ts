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

test('what was prepared before a migration is planned anew after it', async () => {
  const { db, url, close } = await testDatabase();
  const read = () => sql`select * from tenants where id <> ${'none'}`.execute(db);
  const seed = { id: 'ten_1', name: 'T', slug: 't' };
  await db.insertInto('tenants').values(seed).execute();
  for (let times = 0; times < 7; times += 1) expect((await read()).rows).toMatchObject([seed]);
  await asOwner(url, (owner) => sql`alter table tenants add column hue text default 'blue'`.execute(owner));
  expect((await read()).rows).toMatchObject([{ ...seed, hue: 'blue' }]);
  expect((await read()).rows).toMatchObject([{ ...seed, hue: 'blue' }]);
  const { rows } = await sql<{
    name: string;
  }>`select name from pg_prepared_statements where statement like ${'select * from tenants%'} order by name`.execute(
    db,
  );
  expect(rows.map(({ name }) => name)).toEqual([expect.stringMatching(/\.0$/), expect.stringMatching(/\.1$/)]);
  await close();
});
