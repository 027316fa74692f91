import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readApiConfig } from '../../api/config.js';
import { startApi } from '../../api/server.js';
import { openDatabase } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import { createLogger } from '../../db/log.js';
import { ADMIN_TOKEN, MASTER_KEY, PASSWORD, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let ada: Person;
let bob: Person;
let orgToken: string;
let tenantId: string;
beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  [ada, bob] = [await api.signUp(), await api.signUp()];
  const minted = await mintOrg(ada, 'First');
  orgToken = String(minted.body['auth_token']);
  tenantId = String(minted.body['tenant_id']);
});
afterAll(() => api.close());

const mintOrg = (by: Person, name: string, headers = {}): Promise<Answered> =>
  by.call('POST', '/org/tokens', { body: { name }, headers });
/** `path` may be a whole address, of another API. */
const as = (bearer: string | undefined, method: string, path: string): Promise<Answered> =>
  send(new URL(path, api.url).href, {
    method,
    headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
  });
const mint = async (person: Person): Promise<string> =>
  String((await person.call('POST', `/workspaces/${person.workspace.id}/tokens`)).body['auth_token']);
const said = ({ status, body }: Answered) => ({ status, message: body.error?.message });

describe('WorkspaceAuth', () => {
  const at = (bearer: string | undefined, workspace = ada.workspace.id) =>
    as(bearer, 'GET', `/workspaces/${workspace}`);

  test('nothing sent is told from something wrong', async () => {
    expect(said(await at(undefined))).toEqual({ status: 401, message: 'missing workspace auth token' });
    expect(said(await at('wrong'))).toEqual({ status: 401, message: 'invalid workspace auth token' });
    const text = await at('org_wrong');
    expect(said(text)).toEqual({ status: 401, message: 'invalid workspace auth token' });
    expect(text.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('ADMIN_TOKEN, a token of the organisation and one of the workspace pass', async () => {
    for (const bearer of [ADMIN_TOKEN, orgToken, await mint(ada)]) expect((await at(bearer)).status).toBe(200);
  });

  test("another workspace's token, and another organisation's, are 401, not 403 or 404", async () => {
    for (const bearer of [await mint(ada), orgToken]) {
      const refused = await at(bearer, bob.workspace.id);
      expect(said(refused)).toEqual({ status: 401, message: 'invalid workspace auth token' });
      expect(said(await at(bearer, 'ws_nowhere'))).toEqual(said(refused));
    }
  });

  test('a revoked one is as good as a made-up one', async () => {
    const minted = await mintOrg(ada, 'Short');
    const bearer = String(minted.body['auth_token']);
    expect((await at(bearer)).status).toBe(200);
    await ada.call('DELETE', `/org/tokens/${String(minted.body['id'])}`);
    expect(said(await at(bearer))).toEqual(said(await at('org_made-up')));
  });

  test('a token that may not is 403', async () => {
    expect((await as(await mint(ada), 'DELETE', `/workspaces/${ada.workspace.id}`)).status).toBe(403);
  });
});

describe('AdminAuth', () => {
  const adminMint = (bearer: string | undefined, workspace = ada.workspace.id) =>
    as(bearer, 'POST', `/admin/workspaces/${workspace}/tokens`);

  test('nothing sent, a workspace token and a made-up one are 401', async () => {
    expect(said(await adminMint(undefined))).toEqual({ status: 401, message: 'admin auth required' });
    for (const bearer of [await mint(ada), 'made-up', 'org_made-up']) {
      expect(said(await adminMint(bearer))).toEqual({ status: 401, message: 'invalid admin auth token' });
    }
  });

  test('ADMIN_TOKEN and a platform administrator mint anywhere, a user nowhere', async () => {
    expect((await adminMint(ADMIN_TOKEN)).status).toBe(201);
    expect((await adminMint(bob.token)).status).toBe(403);
    const boss = await api.signUp();
    await api.db.updateTable('users').set({ is_platform_admin: true }).where('id', '=', boss.userId).execute();
    const minted = await adminMint(boss.token);
    expect(minted.body).toEqual({ auth_token: expect.any(String), workspace_id: ada.workspace.id });
    expect((await as(String(minted.body['auth_token']), 'GET', `/workspaces/${ada.workspace.id}`)).status).toBe(200);
    expect((await adminMint(ADMIN_TOKEN, 'ws_nowhere')).status).toBe(404);
  });

  test("a token of the organisation mints within it; another's workspace is not there", async () => {
    expect((await adminMint(orgToken)).status).toBe(201);
    const before = await bob.call('GET', `/workspaces/${bob.workspace.id}/tokens`);
    const foreign = await adminMint(orgToken, bob.workspace.id);
    const unknown = await adminMint(orgToken, 'ws_nowhere');
    expect([foreign.status, unknown.status]).toEqual([404, 404]);
    expect(foreign.text.replaceAll(bob.workspace.id, 'ws_nowhere')).toBe(unknown.text);
    expect((await bob.call('GET', `/workspaces/${bob.workspace.id}/tokens`)).body).toEqual(before.body);
  });

  test('an installation without ADMIN_TOKEN and without any token is not open', async () => {
    const bare = await startTestApi({ temporal: silentTemporal, env: { ADMIN_TOKEN: '' } });
    const first = await bare.signUp();
    const path = `/admin/workspaces/${first.workspace.id}/tokens`;
    expect((await as(undefined, 'POST', bare.url + path)).status).toBe(401);
    expect((await as(undefined, 'GET', bare.url + `/workspaces/${first.workspace.id}`)).status).toBe(401);
    const minted = await first.call('POST', `/workspaces/${first.workspace.id}/tokens`);
    expect((await as(String(minted.body['auth_token']), 'POST', bare.url + path)).status).toBe(401);
    await bare.close();
  });
});

test('a datastore that fails is 503 with its code', async () => {
  const dead = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' });
  const config = readApiConfig({
    ...{ PORT: '0', HOST: '127.0.0.1', ADMIN_TOKEN, KEELSON_MASTER_KEY: MASTER_KEY, LOG_LEVEL: 'silent' },
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  });
  const log = createLogger({ level: 'silent', name: 'test' });
  const broken = await startApi({ config, db: dead, temporal: silentTemporal(), log });
  const url = `http://127.0.0.1:${broken.port}`;
  for (const bearer of [ADMIN_TOKEN, 'a-workspace-token', 'org_token', 'as_live_key', ada.token]) {
    const { status, body, headers } = await as(bearer, 'GET', url + '/workspaces/ws_a');
    expect({ status, code: body['code'] }).toEqual({ status: 503, code: 'platform_unavailable' });
    expect(body.error?.code).toBe('unavailable');
    expect(headers.get('retry-after')).toBe('1');
  }
  await broken.close();
  await dead.destroy();
});

describe('workspace tokens', () => {
  const tokensOf = (person: Person, query = '') =>
    person.call('GET', `/workspaces/${person.workspace.id}/tokens${query}`);

  test('are listed masked, at most 200 at once', async () => {
    const carol = await api.signUp();
    const token = await mint(carol);
    const { body, text } = await tokensOf(carol, '?limit=200');
    expect(body).toEqual({
      tokens: [
        { id: expect.any(String), prefix: token.slice(0, 8), created_at: expect.any(String), last_used_at: null },
      ],
      count: 1,
    });
    expect(text).not.toContain(token);
    expect((await tokensOf(carol, '?limit=201')).status).toBe(422);
    expect((await tokensOf(carol, '?limit=1&offset=1')).body).toEqual({ tokens: [], count: 0 });
  });

  test('are revoked once, also at the same moment', async () => {
    const carol = await api.signUp();
    await mint(carol);
    const [token] = (await tokensOf(carol)).body['tokens'] as { id: string }[];
    const path = `/workspaces/${carol.workspace.id}/tokens/${token?.id ?? ''}`;
    const answers = await Promise.all([1, 2, 3].map(() => carol.call('DELETE', path)));
    expect(statusesOf(answers)).toEqual([200, 404, 404]);
  });

  test('die with their workspace', async () => {
    const made = await ada.call('POST', '/workspaces', { body: { name: 'Short-lived' } });
    const id = String(made.body['id']);
    const { body } = await ada.call('POST', `/workspaces/${id}/tokens`);
    await ada.call('DELETE', `/workspaces/${id}`);
    expect((await as(String(body['auth_token']), 'GET', `/workspaces/${id}`)).status).toBe(401);
    const live = await api.db
      .selectFrom('workspace_tokens')
      .select('id')
      .where('workspace_id', '=', id)
      .where('revoked_at', 'is', null)
      .execute();
    expect(live).toEqual([]);
  });
});

describe("the organisation's tokens", () => {
  test('are shown once, listed masked and kept as hashes', async () => {
    const minted = await mintOrg(ada, 'Deploy');
    expect(minted.status).toBe(201);
    expect(minted.headers.get('cache-control')).toBe('no-store');
    const token = String(minted.body['auth_token']);
    expect(token).toMatch(/^org_[\w-]{43}$/);
    expect(minted.body).toMatchObject({ name: 'Deploy', prefix: token.slice(0, 12), created_by: ada.userId });
    const listed = await ada.call('GET', '/org/tokens');
    expect(listed.text).not.toContain(token);
    const row = await api.db
      .selectFrom('org_tokens')
      .select('token_hash')
      .where('id', '=', String(minted.body['id']))
      .executeTakeFirstOrThrow();
    expect(row.token_hash).toBe(sha256Hex(token));
  });

  test('are for administrators of the organisation, not for its tokens and keys', async () => {
    for (const role of ['developer', 'viewer']) {
      expect((await mintOrg(ada, 'Low', { 'x-tenant-role': role })).status).toBe(403);
    }
    expect((await mintOrg(ada, 'As admin', { 'x-tenant-role': 'admin' })).status).toBe(201);
    expect((await mintOrg(ada, 'By itself', { authorization: `Bearer ${orgToken}` })).status).toBe(401);
    const key = await ada.call('POST', '/api/v1/auth/api-keys', { body: { name: 'k', environment: 'live' } });
    expect((await mintOrg(ada, 'By key', { authorization: `Bearer ${String(key.body['key'])}` })).status).toBe(403);
    const byAdmin = { authorization: `Bearer ${ADMIN_TOKEN}`, 'x-tenant-id': tenantId };
    expect((await mintOrg(ada, 'By ADMIN_TOKEN', byAdmin)).status).toBe(201);
    expect((await mintOrg(ada, 'Nowhere', { ...byAdmin, 'x-tenant-id': 'ten_nowhere' })).status).toBe(404);
  });

  test('are revoked once, and by their own organisation alone', async () => {
    const path = `/org/tokens/${String((await mintOrg(ada, 'Once')).body['id'])}`;
    expect((await bob.call('DELETE', path)).status).toBe(404);
    const answers = await Promise.all([1, 2, 3].map(() => ada.call('DELETE', path)));
    expect(statusesOf(answers)).toEqual([200, 404, 404]);
  });

  test('are 50 at most, also when asked for at once', async () => {
    const carol = await api.signUp();
    const answers = await Promise.all(Array.from({ length: 53 }, () => mintOrg(carol, 'Many')));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(3);
    expect((await carol.call('GET', '/org/tokens?limit=200')).body['count']).toBe(50);
  });
});

describe('the tree of workspaces', () => {
  test('is the own subtree alone', async () => {
    const child = async (name: string, parent_id: string): Promise<string> =>
      String((await ada.call('POST', '/workspaces', { body: { name, parent_id } })).body['id']);
    const root = await child('Root', ada.workspace.id);
    const [b, a] = [await child('B', root), await child('A', root)];
    const leaf = await child('Leaf', a);
    const gone = await child('Gone', root);
    await ada.call('DELETE', `/workspaces/${gone}`);
    const { body } = await ada.call('GET', `/workspaces/${root}/tree`);
    expect(body).toMatchObject({
      ...{ id: root, name: 'Root', slug: 'root', parent_id: ada.workspace.id },
      children: [
        { id: a, children: [{ id: leaf, parent_id: a, children: [] }] },
        { id: b, children: [] },
      ],
    });
    expect((await bob.call('GET', `/workspaces/${root}/tree`)).status).toBe(404);
    expect((await as(orgToken, 'GET', `/workspaces/${a}/tree`)).body).toMatchObject({ id: a });
  });
});

describe('revoke-all', () => {
  const revokeAll = (by: Person, body?: object, headers = {}) =>
    by.call('POST', '/v1/auth/revoke-all', { ...(body === undefined ? {} : { body }), headers });
  const signIn = async (person: Person): Promise<string> => {
    const answer = await send(`${api.url}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: person.email, password: PASSWORD }),
    });
    return String(answer.body['access_token']);
  };
  const isIn = async (token: string) => (await as(token, 'GET', '/v1/members')).status === 200;

  test('ends the sessions of everybody in the organisation, and of nobody else', async () => {
    const [owner, member, other] = [await api.signUp(), await api.signUp(), await api.signUp()];
    const { id: workspace_id } = owner.workspace;
    await api.db.insertInto('memberships').values({ user_id: member.userId, workspace_id, role: 'viewer' }).execute();
    const second = await signIn(owner);
    const token = await mint(owner);
    expect((await revokeAll(owner)).body).toEqual({ revoked: 3 });
    for (const dead of [owner.token, second, member.token]) expect(await isIn(dead)).toBe(false);
    expect(await isIn(other.token)).toBe(true);
    expect(await isIn(token)).toBe(true);
    expect(await isIn(await signIn(owner))).toBe(true);
  });

  test('of one member leaves the others', async () => {
    const [owner, member] = [await api.signUp(), await api.signUp()];
    const { id: workspace_id } = owner.workspace;
    await api.db.insertInto('memberships').values({ user_id: member.userId, workspace_id, role: 'admin' }).execute();
    expect((await revokeAll(owner, { user_id: member.userId })).body).toEqual({ revoked: 1 });
    expect([await isIn(owner.token), await isIn(member.token)]).toEqual([true, false]);
    expect((await revokeAll(owner, { user_id: member.userId })).body).toEqual({ revoked: 0 });
    for (const user_id of [bob.userId, 'usr_nobody']) expect((await revokeAll(owner, { user_id })).status).toBe(404);
    expect(await isIn(bob.token)).toBe(true);
  });

  test('is for owners and administrators', async () => {
    const owner = await api.signUp();
    expect((await revokeAll(owner, undefined, { 'x-tenant-role': 'developer' })).status).toBe(403);
    expect((await revokeAll(owner, undefined, { 'x-tenant-role': 'admin' })).status).toBe(200);
  });
});
