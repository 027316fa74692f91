import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { openDatabase } from '../../db/client.js';
import { migrate } from '../../db/migrate.js';
import { withScope } from '../../db/scope.js';
import { asOwner, testDatabase, type TestDatabase } from '../support/database.js';
import { seeds } from '../support/every-table.js';

/** A hosted database: the login owns its database and is no superuser. */
let server: TestDatabase;
const name = `plain_${randomBytes(6).toString('hex')}`;
let url: string;

beforeAll(async () => {
  server = await testDatabase();
  await admin(`create role ${name} login password 'plain'`);
  await admin(`create database ${name} owner ${name}`);
  const plain = new URL(server.url);
  [plain.username, plain.password, plain.pathname] = [name, 'plain', `/${name}`];
  url = plain.href;
}, 60_000);
afterAll(async () => {
  await admin(`drop database if exists ${name} with (force)`);
  await admin(`drop role ${name}`);
  await server.close();
});

const admin = (statement: string) => asOwner(server.url, (db) => sql.raw(statement).execute(db));

test('a login that may not make roles is told what an administrator runs, and goes on after that', async () => {
  await expect(asOwner(url, migrate)).rejects.toThrow(
    `"create role keelson_app nologin;" and "grant keelson_app to ${name};"`,
  );
  const early = openDatabase({ url });
  await expect(sql`select 1`.execute(early)).rejects.toThrow('"grant keelson_app to <this login>"');
  await early.destroy();
  await admin(`grant keelson_app to ${name}`);
  expect(await asOwner(url, migrate)).toContain('006-row-security');
});

test('its processes are held to the scope, and triggers and foreign keys work for them', async () => {
  const db = openDatabase({ url });
  try {
    for (const statement of Object.values(seeds)) await sql.raw(statement).execute(db);
    const own = { workspaceId: 'ws_own', tenantId: 'ten_own' };
    await withScope(own, () => db.updateTable('runs').set({ status: 'running' }).where('id', '=', 'run_own').execute());
    const events = () => db.selectFrom('run_events').select('seq').execute();
    expect((await withScope(own, events)).length).toBeGreaterThan(2);
    expect(await withScope({ workspaceId: 'ws_other', tenantId: 'ten_other' }, events)).toEqual([]);
    await withScope(own, () => db.deleteFrom('runs').where('id', '=', 'run_own').execute());
    expect(await events()).toEqual([]);
  } finally {
    await db.destroy();
  }
});
