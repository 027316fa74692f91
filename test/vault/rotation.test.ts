import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { insertSecret, readSecrets, replaceSecret } from '../../db/secrets.js';
import { createDataKeys } from '../../db/vault/data-keys.js';
import { ROOT_SCOPE } from '../../db/vault/open.js';
import { rotateDataKeys, type RotationResult } from '../../db/vault/rotate-data.js';
import { sealedColumns, serviceAccountToken, totpSecret } from '../../db/vault/sealed-columns.js';
import { createVault, type Vault } from '../../db/vault/vault.js';
import { createLocalWrapper } from '../../db/vault/wrapper.js';
import { testDatabase } from '../support/database.js';

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
  await db.insertInto('tenants').values({ id: 'ten_1', name: 'T', slug: 't' }).execute();
  for (const id of ['ws_1', 'ws_2', 'ws_3', 'ws_4'])
    await db
      .insertInto('workspaces')
      .values({ id, tenant_id: 'ten_1', parent_id: null, slug: id, name: id, settings: '{}', deleted_at: null })
      .execute();
});
afterAll(() => drop());

const keys = () => createDataKeys({ db, wrappers: [createLocalWrapper(Buffer.alloc(32, 1))] });
const process = () => ({ db, vault: createVault(keys()) });
const rotate = (more: Partial<Parameters<typeof rotateDataKeys>[0]> = {}): Promise<RotationResult> => {
  const dataKeys = keys();
  return rotateDataKeys({ db, dataKeys, vault: createVault(dataKeys), ...more });
};

const sealedIn = async (workspaceId: string): Promise<readonly string[]> =>
  (await db.selectFrom('secrets').select('ciphertext').where('workspace_id', '=', workspaceId).execute()).map(
    ({ ciphertext }) => ciphertext.split(':')[1] ?? '',
  );

/** Raised once so many secrets were sealed anew. */
function stoppingAfter(count: number): { readonly vault: Vault; readonly signal: AbortSignal } {
  const stop = new AbortController();
  const vault = createVault(keys());
  let sealed = 0;
  return {
    signal: stop.signal,
    vault: {
      ...vault,
      seal: (...of) => {
        sealed += 1;
        if (sealed === count) stop.abort();
        return vault.seal(...of);
      },
    },
  };
}

test('every column that holds something sealed is rotated', async () => {
  const { rows } = await sql<{ place: string }>`
    select table_name || '.' || column_name as place from information_schema.columns
    where table_schema = 'public' and (column_name like '%\\_sealed' or column_name like '%ciphertext%')
    order by place`.execute(db);
  expect(rows.map(({ place }) => place)).toEqual(
    sealedColumns.map(({ table, column }) => `${table}.${column}`).toSorted(),
  );
});

test('a rotation gives each scope a new key, seals everything anew and retires what nothing is under', async () => {
  const store = process();
  for (const name of ['A', 'B', 'C']) await insertSecret(store, { workspaceId: 'ws_1', name, value: `1 ${name}` });
  await insertSecret(store, { workspaceId: 'ws_2', name: 'A', value: '2 A' });
  const totp = totpSecret({ userId: 'usr_1' });
  const account = serviceAccountToken({ jti: 'jwt_1', tenantId: 'ten_1' });
  await db
    .insertInto('users')
    .values({
      id: 'usr_1',
      tenant_id: 'ten_1',
      email: 'a@example.com',
      name: 'A',
      password_hash: '-',
      totp_sealed: await store.vault.seal(totp, 'JBSWY3DP'),
    })
    .execute();
  await db
    .insertInto('service_account_tokens')
    .values({
      jti: 'jwt_1',
      account: 'ci',
      tenant_id: 'ten_1',
      scopes: [],
      signing_kid: '-',
      token_sealed: await store.vault.seal(account, 'a.b.c'),
      issued_by: '-',
      issued_at: new Date(),
      expires_at: new Date(),
    })
    .execute();
  await keys().newest(ROOT_SCOPE);
  const before = await sealedIn('ws_1');
  expect(await rotate()).toEqual({
    isFinished: true,
    madeKeys: 4,
    resealed: 6,
    damaged: [],
    retiredKeys: 4,
    removedKeys: 0,
  });
  expect(new Set([...before, ...(await sealedIn('ws_1'))]).size).toBe(2);
  expect(await readSecrets(process(), 'ws_1', ['A', 'B', 'C'])).toEqual(
    new Map([
      ['A', '1 A'],
      ['B', '1 B'],
      ['C', '1 C'],
    ]),
  );
  const user = await db.selectFrom('users').select('totp_sealed').executeTakeFirstOrThrow();
  const token = await db.selectFrom('service_account_tokens').select('token_sealed').executeTakeFirstOrThrow();
  expect(await process().vault.open(totp, user.totp_sealed ?? '')).toBe('JBSWY3DP');
  expect(await process().vault.open(account, token.token_sealed)).toBe('a.b.c');
  const root = await db.selectFrom('data_keys').select('version').where('scope', '=', ROOT_SCOPE).execute();
  expect(root).toEqual([{ version: 1 }]);
});

test('a text read just before it was sealed anew still opens; the key goes a day after nothing is under it', async () => {
  const store = process();
  await insertSecret(store, { workspaceId: 'ws_2', name: 'LATE', value: 'x' });
  const row = await db.selectFrom('secrets').select('ciphertext').where('name', '=', 'LATE').executeTakeFirstOrThrow();
  await rotate();
  expect(await process().vault.open({ scope: 'ws_2', name: 'LATE' }, row.ciphertext)).toBe('x');
  await sql`update data_keys set retired_at = now() - interval '2 days' where retired_at is not null`.execute(db);
  expect((await rotate()).removedKeys).toBeGreaterThan(0);
  await expect(process().vault.open({ scope: 'ws_2', name: 'LATE' }, row.ciphertext)).rejects.toThrow(/damaged/);
});

test('a rotation that is cut off is taken up where it stopped, with the keys it made', async () => {
  const store = process();
  for (let at = 0; at < 25; at += 1)
    await insertSecret(store, { workspaceId: 'ws_3', name: `N${at}`, value: String(at) });
  const first = await rotate({ batchSize: 4, ...stoppingAfter(10) });
  expect(first.isFinished).toBe(false);
  expect(first.resealed).toBeGreaterThanOrEqual(10);
  const versions = () => db.selectFrom('data_keys').select(['scope', 'version', 'id']).orderBy('id').execute();
  const made = await versions();
  expect(new Set(await sealedIn('ws_3')).size).toBe(2);
  // everything is readable in between
  const names = Array.from({ length: 25 }, (_, at) => `N${at}`);
  expect((await readSecrets(process(), 'ws_3', names)).size).toBe(25);
  const second = await rotate({ batchSize: 4 });
  expect(second).toMatchObject({ isFinished: true, madeKeys: 0 });
  expect(await versions()).toEqual(made);
  expect(new Set(await sealedIn('ws_3')).size).toBe(1);
  expect((await readSecrets(process(), 'ws_3', names)).get('N24')).toBe('24');
});

test('processes read and write all the while, and nothing is lost', async () => {
  const names = Array.from({ length: 40 }, (_, at) => `W${at}`);
  const setUp = process();
  for (const name of names) await insertSecret(setUp, { workspaceId: 'ws_4', name, value: `old ${name}` });
  let isOver = false;
  const written = new Map<string, string>();
  const reader = async (): Promise<number> => {
    const store = process();
    let count = 0;
    while (!isOver) {
      const found = await readSecrets(store, 'ws_4', names);
      expect(found.size).toBe(names.length);
      count += 1;
    }
    return count;
  };
  const writer = async (): Promise<void> => {
    const store = process();
    for (let at = 0; !isOver; at += 1) {
      const name = names[at % names.length] ?? '';
      const value = `new ${at}`;
      await replaceSecret(store, { workspaceId: 'ws_4', name, value });
      written.set(name, value);
    }
  };
  const rotations = async (): Promise<void> => {
    // two at once work on one rotation
    const results = await Promise.all([rotate({ batchSize: 3 }), rotate({ batchSize: 5 })]);
    expect(results.map(({ isFinished }) => isFinished)).toEqual([true, true]);
    await rotate({ batchSize: 7 });
    isOver = true;
  };
  const [reads] = await Promise.all([reader(), writer(), rotations()]);
  expect(reads).toBeGreaterThan(0);
  const found = await readSecrets(process(), 'ws_4', names);
  for (const name of names) expect(found.get(name)).toBe(written.get(name) ?? `old ${name}`);
  await rotate();
  expect(new Set(await sealedIn('ws_4')).size).toBe(1);
});

test('a row that was copied from elsewhere is named, not opened, and keeps its key', async () => {
  const [{ ciphertext } = { ciphertext: '' }] = await db
    .selectFrom('secrets')
    .select('ciphertext')
    .where('workspace_id', '=', 'ws_1')
    .execute();
  await db.insertInto('secrets').values({ workspace_id: 'ws_2', name: 'STOLEN', ciphertext }).execute();
  await expect(readSecrets(process(), 'ws_2', ['STOLEN'])).rejects.toThrow(/STOLEN is damaged or was copied/);
  const result = await rotate();
  expect(result.damaged).toEqual(['secrets ws_2/STOLEN']);
  expect(result.isFinished).toBe(true);
  const kept = await db
    .selectFrom('secrets')
    .select('ciphertext')
    .where('name', '=', 'STOLEN')
    .executeTakeFirstOrThrow();
  expect(kept.ciphertext).toBe(ciphertext);
});
