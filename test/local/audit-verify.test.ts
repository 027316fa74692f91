import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { createAuditService } from '../../api/services/audit.js';
import { asOwner, testDatabase, type TestDatabase } from '../support/database.js';
import { scratchFolder } from '../support/scratch.js';

const program = path.join(fileURLToPath(new URL('../../../', import.meta.url)), 'dist/local/audit-verify.js');
const masterKey = 'cd'.repeat(32);
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
  const audit = createAuditService({ db: database.db, masterKey: Buffer.from(masterKey, 'hex') });
  for (const entityId of ['one', 'two', 'three']) {
    const entry = { actorType: 'user', actorId: 'usr_1', action: 'chains.create', entityType: 'chain', entityId };
    await audit.record({ ...entry, workspaceId: null, requestId: null });
  }
}, 60_000);
afterAll(() => database.close());

function verify(env: Readonly<Record<string, string>>) {
  const done = spawnSync(process.execPath, [program], {
    env: { PATH: process.env['PATH'], KEELSON_DATA_DIR: scratchFolder(), ...env },
    encoding: 'utf8',
  });
  return { status: done.status, said: done.stdout + done.stderr };
}

const given = () => ({ DATABASE_URL: database.url, KEELSON_MASTER_KEY: masterKey });

test('a whole log ends well, with the count and the head of each chain', async () => {
  const head = await database.db.selectFrom('audit_heads').selectAll().executeTakeFirstOrThrow();
  const { status, said } = verify(given());
  expect(said).toBe(`platform: 3 entries, head ${head.hash}\nEvery chain of the audit log is whole.\n`);
  expect(status).toBe(0);
});

test('a changed log ends with 1 and the first broken entry', async () => {
  await asOwner(database.url, async (owner) => {
    await sql`alter table audit_events disable trigger all`.execute(owner);
    await sql`update audit_events set entity_id = 'other' where seq = 2`.execute(owner);
  });
  const { status, said } = verify(given());
  expect(said).toMatch(/^The audit log was tampered with\.\nplatform: BROKEN: entry 2 \(aud_\w+\) was changed\n$/);
  expect(status).toBe(1);
});

test('what is missing is named', () => {
  expect(verify({ KEELSON_MASTER_KEY: masterKey })).toMatchObject({
    status: 1,
    said: expect.stringContaining('DATABASE_URL is not set, and no npm start runs here'),
  });
  expect(verify({ DATABASE_URL: database.url })).toMatchObject({
    status: 1,
    said: expect.stringContaining('KEELSON_MASTER_KEY is not set'),
  });
});
