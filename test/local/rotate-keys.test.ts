import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { vaultOf } from '../support/vault.js';

const script = path.join(fileURLToPath(new URL('../../', import.meta.url)), 'local', 'rotate-keys.js');
const [old, fresh] = [Buffer.alloc(32, 7), Buffer.alloc(32, 8)];
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
  const { db } = database;
  await db.insertInto('tenants').values({ id: 'ten_1', name: 'T', slug: 't' }).execute();
  await db
    .insertInto('workspaces')
    .values({ id: 'ws_1', tenant_id: 'ten_1', parent_id: null, slug: 'w', name: 'W', settings: '{}', deleted_at: null })
    .execute();
  const ciphertext = await vaultOf(db, old).seal({ scope: 'ws_1', name: 'A' }, 'hunter2');
  await db.insertInto('secrets').values({ workspace_id: 'ws_1', name: 'A', ciphertext }).execute();
});
afterAll(() => database.close());

function rotate(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { readonly code: number | null; readonly said: string } {
  const { PATH = '' } = process.env;
  const done = spawnSync(process.execPath, [script, ...args], {
    env: { PATH, DATABASE_URL: database.url, ...env },
    encoding: 'utf8',
  });
  return { code: done.status, said: `${done.stdout}${done.stderr}`.trim() };
}

const secret = async (masterKey: Buffer): Promise<string> => {
  const { ciphertext } = await database.db.selectFrom('secrets').select('ciphertext').executeTakeFirstOrThrow();
  return vaultOf(database.db, masterKey).open({ scope: 'ws_1', name: 'A' }, ciphertext);
};

test('--data seals anew, --master wraps anew, and both say how many and never what', async () => {
  const keys = { KEELSON_MASTER_KEY: old.toString('hex') };
  expect(rotate(['--data'], keys)).toEqual({
    code: 0,
    said: '1 data keys made, 1 secrets sealed anew, 1 data keys retired, 0 removed.',
  });
  expect(await secret(old)).toBe('hunter2');
  const changed = { KEELSON_MASTER_KEY: fresh.toString('hex'), KEELSON_MASTER_KEY_OLD: old.toString('base64') };
  const { code, said } = rotate(['--master'], changed);
  expect({ code, said }).toEqual({
    code: 0,
    said: expect.stringMatching(/^2 data keys wrapped anew under local:\w{8}\.$/),
  });
  expect(await secret(fresh)).toBe('hunter2');
  await expect(secret(old)).rejects.toThrow(/start it with/);
});

test('what is missing is said in a sentence, and changes nothing', async () => {
  const keys = { KEELSON_MASTER_KEY: old.toString('hex') };
  expect(rotate([], keys)).toMatchObject({ code: 1, said: expect.stringMatching(/^Say what to rotate: --data/) });
  expect(rotate(['--data'], {})).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^KEELSON_MASTER_KEY is not set/),
  });
  const wrong = rotate(['--data'], { KEELSON_MASTER_KEY: 'cd'.repeat(32) });
  expect(wrong).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^Secrets here are kept under the master key local:/),
  });
  expect(wrong.said).not.toMatch(/hunter2|cdcd/);
  // and nothing of it stays: the right key still seals and opens
  const vault = vaultOf(database.db, fresh);
  const ref = { scope: 'ws_1', name: 'B' };
  expect(await vault.open(ref, await vault.seal(ref, 'x'))).toBe('x');
});
