import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { sha256Hex } from '../../db/crypto.js';
import { findToken, touchCredential } from '../../db/principals.js';
import {
  ADMIN_TOKEN,
  createWorld,
  signUp,
  testDatabase,
  type Person,
  type TestDatabase,
  type World,
} from './support.js';

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

const mint = (workspace: string, bearer = ada.bearer) =>
  world.call('tokens.create', { bearer, params: { id: workspace } });
const list = async (workspace: string, bearer = ada.bearer) =>
  (await world.call('tokens.list', { bearer, params: { id: workspace } })).body;
const revoke = (workspace: string, tokenId: string, bearer = ada.bearer) =>
  world.call('tokens.revoke', { bearer, params: { id: workspace, tokenId } });

describe('workspace tokens', () => {
  test('are shown once, listed masked and stored hashed', async () => {
    const { status, body } = await mint(ada.workspace);
    expect(status).toBe(201);
    expect(body).toEqual({
      auth_token: expect.stringMatching(/^[\w-]{43}$/),
      workspace_id: ada.workspace,
      message: expect.any(String),
    });
    const listed = await list(ada.workspace);
    expect(listed).toEqual({
      tokens: [
        {
          id: expect.stringMatching(/^wst_/),
          prefix: body.auth_token.slice(0, 8),
          created_at: expect.any(String),
          last_used_at: null,
        },
      ],
      count: 1,
    });
    const row = await database.db.selectFrom('workspace_tokens').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ token_hash: sha256Hex(body.auth_token), created_by: ada.id });
    expect(JSON.stringify(row)).not.toContain(body.auth_token);
  });

  test('turn over: a token mints the next and revokes itself', async () => {
    const first = (await mint(bob.workspace, bob.bearer)).body.auth_token;
    const second = (await mint(bob.workspace, first)).body.auth_token;
    const [, own] = (await list(bob.workspace, second)).tokens;
    expect((await revoke(bob.workspace, own.id, first)).body).toEqual({ status: 'revoked' });
    await expect(list(bob.workspace, first)).rejects.toMatchObject({ status: 401 });
    expect((await list(bob.workspace, second)).count).toBe(1);
  });

  test('revoking an unknown, foreign or dead one is 404', async () => {
    await mint(ada.workspace);
    const [token] = (await list(ada.workspace)).tokens;
    await expect(revoke(ada.workspace, 'wst_nowhere')).rejects.toMatchObject({ status: 404 });
    await expect(revoke(bob.workspace, token.id, bob.bearer)).rejects.toMatchObject({ status: 404 });
    await revoke(ada.workspace, token.id);
    await expect(revoke(ada.workspace, token.id)).rejects.toMatchObject({ status: 404 });
  });

  test('fifty live ones are the most, also when asked for at once', async () => {
    const carol = await signUp(world);
    const asked = await Promise.allSettled(Array.from({ length: 55 }, () => mint(carol.workspace, carol.bearer)));
    expect(asked.filter((one) => one.status === 'fulfilled')).toHaveLength(50);
    for (const one of asked) if (one.status === 'rejected') expect(one.reason).toMatchObject({ status: 429 });
    const page = await world.call('tokens.list', {
      bearer: carol.bearer,
      params: { id: carol.workspace },
      query: { limit: 200 },
    });
    expect(page.body.count).toBe(50);
    await revoke(carol.workspace, page.body.tokens[0].id, carol.bearer);
    await expect(mint(carol.workspace, carol.bearer)).resolves.toMatchObject({ status: 201 });
  });

  test('an administrator mints for any workspace', async () => {
    const call = (id: string, bearer: string) => world.call('adminTokens.create', { bearer, params: { id } });
    const { status, body } = await call(ada.workspace, ADMIN_TOKEN);
    expect(status).toBe(201);
    expect(body).toEqual({ auth_token: expect.any(String), workspace_id: ada.workspace });
    await expect(list(ada.workspace, body.auth_token)).resolves.toBeDefined();
    const log = await world.services.audit.list(ada.workspace, { action: 'adminTokens.create', limit: 1, offset: 0 });
    expect(log.items).toMatchObject([{ actor_type: 'admin', actor: 'admin' }]);
    expect(JSON.stringify(log)).not.toContain(body.auth_token);
    await expect(call('ws_nowhere', ADMIN_TOKEN)).rejects.toMatchObject({ status: 404 });
    await expect(call(ada.workspace, body.auth_token)).rejects.toMatchObject({ status: 401 });
  });
});

describe('last_used_at', () => {
  const lastUsed = async (token: string) => (await findToken(database.db, sha256Hex(token)))?.lastUsedAt ?? null;

  test('is written behind the request', async () => {
    const token = (await mint(ada.workspace)).body.auth_token;
    await world.authenticate('member', { bearer: token });
    let used: Date | null = null;
    while (used === null) used = await lastUsed(token);
    expect(used).toBeInstanceOf(Date);
  });

  test('moves at most once a minute', async () => {
    const token = (await mint(ada.workspace)).body.auth_token;
    const { id } = (await findToken(database.db, sha256Hex(token))) ?? { id: '' };
    await touchCredential(database.db, 'workspace_tokens', id);
    const first = await lastUsed(token);
    await touchCredential(database.db, 'workspace_tokens', id);
    expect(await lastUsed(token)).toEqual(first);
    await database.db
      .updateTable('workspace_tokens')
      .set({ last_used_at: sql<Date>`now() - interval '61 seconds'` })
      .where('id', '=', id)
      .execute();
    await touchCredential(database.db, 'workspace_tokens', id);
    expect((await lastUsed(token))?.getTime()).toBeGreaterThanOrEqual(first?.getTime() ?? Infinity);
  });
});
