import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { newId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import { readSecrets } from '../../db/secrets.js';
import { vaultOf } from '../support/vault.js';
import { asOwner } from '../support/database.js';
import { createWorld, signUp, testDatabase, type Person, type TestDatabase, type World } from './support.js';

let database: TestDatabase;
let world: World;
let ada: Person;
let bob: Person;
beforeAll(async () => {
  database = await testDatabase();
  world = createWorld(database.db);
  ada = await signUp(world);
  bob = await signUp(world);
});
afterAll(() => database.close());

const set = (name: string, value: string, bearer = ada.bearer) =>
  world.call('secrets.create', { bearer, body: { name, value } });
const replace = (name: string, value: string, bearer = ada.bearer) =>
  world.call('secrets.replace', { bearer, params: { name }, body: { value } });
const remove = (name: string, bearer = ada.bearer) => world.call('secrets.delete', { bearer, params: { name } });
const read = (person: Person, names: readonly string[]) =>
  readSecrets({ db: database.db, vault: vaultOf(database.db) }, person.workspace, names);

describe('secrets', () => {
  test('go in, are listed by name and never come out', async () => {
    const made = await set('SLACK_KEY', 'xoxb-very-secret');
    expect(made.status).toBe(201);
    expect(made.body).toEqual({ name: 'SLACK_KEY', created_at: expect.any(String), updated_at: expect.any(String) });
    const changed = await replace('SLACK_KEY', 'xoxb-more-secret');
    const listed = await world.call('secrets.list', { bearer: ada.bearer });
    expect(listed.body).toMatchObject({ total: 1, limit: 50, offset: 0, items: [{ name: 'SLACK_KEY' }] });
    expect(JSON.stringify([made, changed, listed])).not.toMatch(/secret"|xoxb|ec2:/);
    const row = await database.db.selectFrom('secrets').selectAll().executeTakeFirstOrThrow();
    expect(row.ciphertext).toMatch(/^ec2:dk_/);
    expect(JSON.stringify(row)).not.toContain('xoxb');
    expect(await read(ada, ['SLACK_KEY', 'MISSING'])).toEqual(new Map([['SLACK_KEY', 'xoxb-more-secret']]));
    expect(await read(ada, [])).toEqual(new Map());
  });

  test('a second of one name is a conflict that says what to do, its value unchanged', async () => {
    await set('TWICE', 'first');
    await expect(set('TWICE', 'second')).rejects.toMatchObject({
      status: 409,
      message: expect.stringContaining('PUT /v1/secrets/TWICE'),
    });
    expect((await read(ada, ['TWICE'])).get('TWICE')).toBe('first');
  });

  test('belong to one workspace', async () => {
    await set('SHARED_NAME', 'of ada');
    await set('SHARED_NAME', 'of bob', bob.bearer);
    await set('ONLY_ADA', 'x');
    expect((await read(bob, ['SHARED_NAME', 'ONLY_ADA'])).get('SHARED_NAME')).toBe('of bob');
    expect((await read(bob, ['ONLY_ADA'])).size).toBe(0);
    await expect(replace('ONLY_ADA', 'y', bob.bearer)).rejects.toMatchObject({ status: 404 });
    await expect(remove('ONLY_ADA', bob.bearer)).rejects.toMatchObject({ status: 404 });
    expect((await remove('ONLY_ADA')).status).toBe(204);
    await expect(remove('ONLY_ADA')).rejects.toMatchObject({ status: 404 });
  });

  test.each([
    [{ name: 'lower', value: 'x' }, /capital letters/],
    [{ name: '1ST', value: 'x' }, /capital letters/],
    [{ name: 'A'.repeat(65), value: 'x' }, /at most 64/],
    [{ name: 'EMPTY', value: '' }, /must not be empty/],
    [{ name: 'BIG', value: 'é'.repeat(16_385) }, /at most 32 KiB/],
    [{ name: 'NUL', value: 'a\0b' }, /NUL/],
    [{ name: 'NONE' }, /value/],
  ])('%# is refused with the reason', async (body, message) => {
    await expect(world.call('secrets.create', { bearer: ada.bearer, body })).rejects.toThrow(message);
  });

  test('hold up to 32 KiB', async () => {
    const value = 'é'.repeat(16_384);
    await set('BIGGEST', value);
    expect((await read(ada, ['BIGGEST'])).get('BIGGEST')).toBe(value);
  });
});

describe('audit', () => {
  const record = (workspaceId: string, action: string, entityId: string) =>
    world.services.audit.record({
      workspaceId,
      actorType: 'user',
      actorId: ada.id,
      action,
      entityType: 'chain',
      entityId,
      metadata: { from: 'test' },
      requestId: 'req_1',
    });

  test('lists the newest first, by filter, of one workspace', async () => {
    const { workspace, bearer } = await signUp(world);
    for (const [action, entity] of [
      ['chains.create', 'one'],
      ['chains.run', 'one'],
      ['chains.run', 'two'],
    ] as const) {
      await record(workspace, action, entity);
    }
    await record(bob.workspace, 'chains.run', 'one');
    const list = async (query: object) => (await world.call('audit.list', { bearer, query })).body;
    const all = await list({});
    expect(all).toMatchObject({ total: 4, limit: 50, offset: 0 });
    expect(all.items.map((item: { action: string }) => item.action)).toContain('auth.signup');
    const times = all.items.map((item: { created_at: string }) => Date.parse(item.created_at));
    expect(times).toEqual(times.toSorted((a: number, b: number) => b - a));
    expect(await list({ action: 'chains.run', limit: 1 })).toMatchObject({
      total: 2,
      items: [{ action: 'chains.run' }],
    });
    expect(await list({ entity_type: 'chain', entity_id: 'one' })).toMatchObject({ total: 2 });
    expect(all.items.find((item: { entity_id: string }) => item.entity_id === 'two')).toMatchObject({
      actor: ada.id,
      actor_type: 'user',
      metadata: { from: 'test' },
      request_id: 'req_1',
    });
  });

  test('keeps what was written', async () => {
    await asOwner(database.url, async (db) => {
      const change = db.updateTable('audit_events').set({ action: 'nothing' }).execute();
      await expect(change).rejects.toThrow('audit_events is append-only');
      await expect(db.deleteFrom('audit_events').execute()).rejects.toThrow('append-only');
    });
  });

  test('is for administrators', async () => {
    const { auth_token: token } = await world.services.tokens.mint(ada.workspace, ada.id);
    await expect(world.call('audit.list', { bearer: token })).rejects.toThrow(/lacks audit.read/);
  });
});

describe('scoped', () => {
  const insert = (workspace: string, id: string) =>
    scoped(database.db, workspace)
      .insert('definitions', {
        id,
        kind: 'chain',
        slug: id,
        name: id,
        status: 'draft',
        document: '{}',
        created_by: ada.id,
      })
      .execute();

  test('finds, changes and removes rows of its own workspace alone', async () => {
    const [mine, theirs] = [newId('def'), newId('def')];
    await insert(ada.workspace, mine);
    await insert(bob.workspace, theirs);
    const here = scoped(database.db, ada.workspace);
    expect(await here.get('definitions', mine)).toMatchObject({ id: mine, workspace_id: ada.workspace });
    expect(await here.get('definitions', theirs)).toBeUndefined();
    expect(await here.select('definitions').select('id').execute()).toEqual([{ id: mine }]);
    expect((await here.update('definitions', theirs).set({ name: 'x' }).executeTakeFirst()).numUpdatedRows).toBe(0n);
    expect((await here.update('definitions', mine).set({ name: 'x' }).executeTakeFirst()).numUpdatedRows).toBe(1n);
    expect((await here.delete('definitions', theirs).executeTakeFirst()).numDeletedRows).toBe(0n);
    expect((await here.delete('definitions', mine).executeTakeFirst()).numDeletedRows).toBe(1n);
  });

  test('stays scoped in a join and in a transaction', async () => {
    const id = newId('def');
    await insert(ada.workspace, id);
    await database.db.transaction().execute(async (trx) => {
      const joined = scoped(trx, ada.workspace)
        .select('definitions')
        .innerJoin('workspaces', 'workspaces.id', 'definitions.workspace_id')
        .select(['definitions.id', 'workspaces.slug']);
      expect(await joined.execute()).toHaveLength(1);
      expect((await sql<{ n: number }>`select 1 as n`.execute(trx)).rows).toEqual([{ n: 1 }]);
    });
  });
});
