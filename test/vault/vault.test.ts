import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { createDataKeys, type DataKeys } from '../../db/vault/data-keys.js';
import { createKmsWrapper } from '../../db/vault/kms.js';
import { openKeys, ROOT_SCOPE, wrappersOf } from '../../db/vault/open.js';
import { rewrapDataKeys } from '../../db/vault/rotate-master.js';
import { createVault, type Vault } from '../../db/vault/vault.js';
import { createLocalWrapper, type KeyWrapper } from '../../db/vault/wrapper.js';
import { startKeyService, type KeyService } from '../support/key-service.js';
import { testDatabase } from '../support/database.js';

const [ours, theirs] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const ref = { scope: 'ws_a', name: 'API_KEY' };
const log = { warn: () => undefined };
let db: Database;
let drop: () => Promise<void>;
let service: KeyService;

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
  service = await startKeyService({ token: 'hvs.test', keys: ['keelson'] });
});
beforeEach(async () => {
  await db.deleteFrom('data_keys').execute();
});
afterAll(async () => {
  await service.close();
  await drop();
});

const keysUnder = (...wrappers: [KeyWrapper, ...KeyWrapper[]]): DataKeys => createDataKeys({ db, wrappers });
const vaultUnder = (masterKey: Buffer): Vault => createVault(keysUnder(createLocalWrapper(masterKey)));

test('opens what it sealed, in any process, and seals the same value differently each time', async () => {
  const sealed = await vaultUnder(ours).seal(ref, 'hunter2 ✓');
  expect(sealed).toMatch(/^ec2:dk_\w{26}:[\w-]+$/);
  expect(await vaultUnder(ours).open(ref, sealed)).toBe('hunter2 ✓');
  expect(await vaultUnder(ours).seal(ref, 'hunter2 ✓')).not.toBe(sealed);
  expect(await db.selectFrom('data_keys').select('scope').execute()).toEqual([{ scope: 'ws_a' }]);
});

test('processes that seal the first secret of a scope at once agree on one key', async () => {
  const sealed = await Promise.all(Array.from({ length: 8 }, () => vaultUnder(ours).seal(ref, 'x')));
  expect(new Set(sealed.map((text) => text.split(':')[1])).size).toBe(1);
});

test('neither the database nor a sealed text holds a key', async () => {
  const keys = keysUnder(createLocalWrapper(ours));
  const { key } = await keys.newest('ws_a');
  const kept = JSON.stringify(await db.selectFrom('data_keys').selectAll().execute());
  for (const spelling of ['hex', 'base64', 'base64url'] as const) expect(kept).not.toContain(key.toString(spelling));
});

test('a text moved to another scope or name does not open', async () => {
  const vault = vaultUnder(ours);
  const sealed = await vault.seal(ref, 'hunter2');
  await vault.seal({ scope: 'ws_b', name: 'API_KEY' }, 'other');
  await expect(vault.open({ ...ref, scope: 'ws_b' }, sealed)).rejects.toThrow(/API_KEY is damaged or was copied/);
  await expect(vault.open({ ...ref, name: 'OTHER' }, sealed)).rejects.toThrow(/OTHER is damaged or was copied/);
});

test('a data key moved to another scope does not open there either', async () => {
  const sealed = await vaultUnder(ours).seal(ref, 'hunter2');
  await db.updateTable('data_keys').set({ scope: 'ws_b' }).execute();
  await expect(vaultUnder(ours).open({ ...ref, scope: 'ws_b' }, sealed)).rejects.toThrow(/was copied from elsewhere/);
});

test('a changed, cut or foreign text is refused', async () => {
  const vault = vaultUnder(ours);
  const sealed = await vault.seal(ref, 'hunter2');
  const changed = sealed.slice(0, -3) + (sealed.endsWith('AAA') ? 'BBB' : 'AAA');
  for (const text of [changed, sealed.slice(0, 40), 'ec2:dk_nobody:AAAA']) {
    await expect(vault.open(ref, text)).rejects.toThrow(/damaged/);
  }
  await expect(vault.open(ref, 'plain')).rejects.toThrow(/not in a form this version reads/);
});

test('another master key is named, not guessed, when opening and at the start of a process', async () => {
  const sealed = await vaultUnder(ours).seal(ref, 'hunter2');
  const sentence = /under the master key local:[0-9a-f]{8}, and this process has local:[0-9a-f]{8}: start it with/;
  await expect(vaultUnder(theirs).open(ref, sealed)).rejects.toThrow(sentence);
  await expect(openKeys({ db, settings: { masterKey: theirs }, log })).rejects.toThrow(sentence);
  await expect(openKeys({ db, settings: { masterKey: ours }, log })).resolves.toMatchObject({ masterKey: ours });
  const both = await openKeys({ db, settings: { masterKey: theirs, oldMasterKey: ours }, log });
  expect(await both.vault.open(ref, sealed)).toBe('hunter2');
});

test('an unwrapped key stays in memory for a bounded time', async () => {
  let unwrapped = 0;
  let now = 0;
  const local = createLocalWrapper(ours);
  const counting: KeyWrapper = {
    ...local,
    unwrap: (...of) => {
      unwrapped += 1;
      return local.unwrap(...of);
    },
  };
  const vault = createVault(createDataKeys({ db, wrappers: [counting], keepMs: 1_000, now: () => now }));
  const sealed = await vault.seal(ref, 'x');
  await Promise.all([vault.open(ref, sealed), vault.open(ref, sealed), vault.open(ref, sealed)]);
  expect(unwrapped).toBe(1);
  now = 999;
  await vault.open(ref, sealed);
  expect(unwrapped).toBe(1);
  now = 1_000;
  await vault.open(ref, sealed);
  expect(unwrapped).toBe(2);
});

test('the master key is changed key by key: a rewrap that is cut off goes on, and what is sealed stays as it is', async () => {
  const before = vaultUnder(ours);
  const refs = Array.from({ length: 12 }, (_, at) => ({ scope: `ws_${at}`, name: 'KEY' }));
  const sealed = await Promise.all(refs.map((each) => before.seal(each, each.scope)));
  const stop = new AbortController();
  const next = createLocalWrapper(theirs);
  let wrapped = 0;
  const stopping: KeyWrapper = {
    ...next,
    wrap: (...of) => {
      wrapped += 1;
      if (wrapped === 5) stop.abort();
      return next.wrap(...of);
    },
  };
  const old = createLocalWrapper(ours);
  const first = await rewrapDataKeys({ db, wrappers: [stopping, old], signal: stop.signal });
  expect(first).toEqual({ isFinished: false, rewrapped: 5 });
  // in the middle of it a process that has both keys reads everything
  const between = createVault(keysUnder(next, old));
  expect(await Promise.all(refs.map((each, at) => between.open(each, sealed[at] ?? '')))).toEqual(
    refs.map(({ scope }) => scope),
  );
  expect(await rewrapDataKeys({ db, wrappers: [next, old] })).toEqual({ isFinished: true, rewrapped: 7 });
  expect(await rewrapDataKeys({ db, wrappers: [next, old] })).toEqual({ isFinished: true, rewrapped: 0 });
  const after = vaultUnder(theirs);
  expect(await after.open(refs[0] ?? ref, sealed[0] ?? '')).toBe('ws_0');
  await expect(vaultUnder(ours).open(refs[0] ?? ref, sealed[0] ?? '')).rejects.toThrow(/start it with/);
});

test('a rewrap without the old key says which one is missing', async () => {
  await vaultUnder(ours).seal(ref, 'x');
  await expect(rewrapDataKeys({ db, wrappers: [createLocalWrapper(theirs)] })).rejects.toThrow(
    'KEELSON_MASTER_KEY_OLD',
  );
});

test('with a key service alone every process derives from the same root, which only the service opens', async () => {
  const kms = { url: service.url, key: 'keelson', token: 'hvs.test' };
  const one = await openKeys({ db, settings: { masterKey: undefined, kms }, log });
  const two = await openKeys({ db, settings: { masterKey: undefined, kms }, log });
  expect(one.masterKey).toHaveLength(32);
  expect(two.masterKey).toEqual(one.masterKey);
  expect(await two.vault.open(ref, await one.vault.seal(ref, 'hunter2'))).toBe('hunter2');
  const rows = await db.selectFrom('data_keys').select(['scope', 'wrapped_by', 'wrapped']).orderBy('scope').execute();
  expect(rows).toMatchObject([
    { scope: ROOT_SCOPE, wrapped_by: 'kms:keelson', wrapped: expect.stringMatching(/^vault:v1:/) },
    { scope: 'ws_a', wrapped_by: 'kms:keelson' },
  ]);
  await sql`update data_keys set scope = 'ws_b' where scope = 'ws_a'`.execute(db);
  const three = await openKeys({ db, settings: { masterKey: undefined, kms }, log });
  await expect(three.vault.seal({ ...ref, scope: 'ws_b' }, 'x')).rejects.toThrow(/was copied from elsewhere/);
});

test('data keys move from a master key to a key service', async () => {
  const sealed = await vaultUnder(ours).seal(ref, 'hunter2');
  const kms = { url: service.url, key: 'keelson', token: 'hvs.test' };
  const { vault } = await openKeys({ db, settings: { masterKey: ours, kms }, log });
  expect(await vault.open(ref, sealed)).toBe('hunter2');
  const { wrappers } = wrappersOf({ masterKey: ours, kms });
  expect(await rewrapDataKeys({ db, wrappers })).toEqual({ isFinished: true, rewrapped: 1 });
  const { vault: alone } = await openKeys({ db, settings: { masterKey: undefined, kms }, log });
  expect(await alone.open(ref, sealed)).toBe('hunter2');
});

test('a key service that refuses or is away is said so, by the variable to look at, and without the token', async () => {
  const settings = { url: service.url, key: 'keelson', token: 'hvs.test' };
  const newest = (change: object): Promise<unknown> =>
    keysUnder(createKmsWrapper({ ...settings, ...change })).newest('ws_a');
  await expect(newest({ token: 'hvs.wrong' })).rejects.toThrow('KEELSON_KMS_TOKEN: the key service refuses it.');
  await expect(newest({ key: 'other' })).rejects.toThrow(/^KEELSON_KMS_KEY: the key service answered 400: .*other/);
  await expect(newest({ url: 'http://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'KEY_SERVICE_DOWN',
    message: expect.stringMatching(/^KEELSON_KMS_URL: the key service does not answer\. Could not reach 127\.0\.0\.1/),
  });
  service.fail(503);
  await expect(newest({})).rejects.toMatchObject({ code: 'KEY_SERVICE_DOWN' });
  service.fail(undefined);
  await expect(newest({})).resolves.toBeDefined();
});
