import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../db/client.js';
import { capabilities } from '../../api/actor.js';
import { roleCapabilities, strongestRole } from '../../api/services/roles.js';
import { mayUseCookie } from '../../api/services/origin.js';
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
let adasToken: string;
beforeAll(async () => {
  database = await testDatabase();
  world = createWorld(database.db);
  ada = await signUp(world);
  bob = await signUp(world);
  adasToken = (await world.services.tokens.mint(ada.workspace, ada.id)).auth_token;
});
afterAll(() => database.close());

const refused = (status: number, message: string | RegExp) => ({
  status,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
});

describe('roles', () => {
  test('each holds what the weaker hold', () => {
    const order = ['viewer', 'editor', 'developer', 'admin', 'owner'] as const;
    let before: ReadonlySet<string> = new Set();
    for (const role of order) {
      for (const held of before) expect(roleCapabilities[role]).toContain(held);
      before = roleCapabilities[role];
    }
    expect([...roleCapabilities.owner].sort()).toEqual([...capabilities].sort());
  });

  test.each([
    [
      'viewer',
      ['workflow.read', 'schedule.read', 'approval.read', 'workspace.read'],
      ['workflow.write', 'secret.read'],
    ],
    [
      'editor',
      ['workflow.write', 'runtime.simulate', 'secret.read', 'approval.write'],
      ['workflow.publish', 'secret.write'],
    ],
    ['developer', ['workflow.publish', 'runtime.sessions.read_all', 'secret.write'], ['token.read', 'audit.read']],
    ['admin', ['token.read', 'token.write', 'audit.read', 'workspace.write'], []],
  ] as const)('%s', (role, may, mayNot) => {
    for (const capability of may) expect(roleCapabilities[role].has(capability)).toBe(true);
    for (const capability of mayNot) expect(roleCapabilities[role].has(capability)).toBe(false);
  });

  test('the strongest of several counts', () => {
    expect(strongestRole(['viewer', 'admin', 'editor'])).toBe('admin');
    expect(strongestRole([])).toBeUndefined();
  });
});

describe('nothing sent', () => {
  test.each([
    ['workspace', 'missing workspace auth token'],
    ['admin', 'admin auth required'],
    ['user', /Sign in first/],
    ['member', /Sign in first/],
  ] as const)('%s answers 401', async (auth, message) => {
    await expect(world.authenticate(auth)).rejects.toMatchObject(refused(401, message));
  });

  test('an open route knows nobody', async () => {
    expect(await world.authenticate('none', { bearer: ada.bearer })).toMatchObject({
      type: 'anonymous',
      workspaceId: '',
    });
  });
});

describe('a signed-in user', () => {
  test('acts in the workspace of the session, or the one of the header', async () => {
    const session = await world.authenticate('member', { bearer: ada.bearer });
    expect(session).toMatchObject({ type: 'user', id: ada.id, workspaceId: ada.workspace });
    expect(session.capabilities).toEqual(roleCapabilities.owner);
    const { body } = await world.call('workspaces.create', { bearer: ada.bearer, body: { name: 'Second' } });
    const named = await world.authenticate('member', { bearer: ada.bearer, workspace: body.id });
    expect(named.workspaceId).toBe(body.id);
  });

  test('of a workspace they are no member of: 403 by header, 404 by path, the same for one that is not there', async () => {
    for (const foreign of [bob.workspace, 'ws_nowhere']) {
      await expect(world.authenticate('member', { bearer: ada.bearer, workspace: foreign })).rejects.toMatchObject(
        refused(403, /X-Workspace-Id: you are no member/),
      );
      await expect(world.authenticate('workspace', { bearer: ada.bearer, path: foreign })).rejects.toMatchObject(
        refused(404, /No workspace/),
      );
    }
  });

  test('needs no workspace where the route needs none', async () => {
    const actor = await world.authenticate('user', { bearer: ada.bearer, workspace: bob.workspace });
    expect(actor).toMatchObject({ id: ada.id, workspaceId: '' });
  });

  test('is no platform administrator', async () => {
    await expect(world.authenticate('admin', { bearer: ada.bearer })).rejects.toMatchObject(
      refused(403, /ADMIN_TOKEN/),
    );
  });

  test('with a membership below, or above, or both: the strongest role counts in the whole subtree', async () => {
    const child = await world.call('workspaces.create', {
      bearer: ada.bearer,
      body: { name: 'Child', parent_id: ada.workspace },
    });
    const grandchild = await world.call('workspaces.create', {
      bearer: ada.bearer,
      body: { name: 'Grandchild', parent_id: child.body.id },
    });
    const carol = await signUp(world);
    const join = (workspace: string, role: 'viewer' | 'developer') =>
      database.db.insertInto('memberships').values({ user_id: carol.id, workspace_id: workspace, role }).execute();
    await join(child.body.id, 'developer');
    const at = (workspace: string) => world.authenticate('workspace', { bearer: carol.bearer, path: workspace });
    expect((await at(grandchild.body.id)).capabilities).toEqual(roleCapabilities.developer);
    await expect(at(ada.workspace)).rejects.toMatchObject({ status: 404 });
    await join(grandchild.body.id, 'viewer');
    expect((await at(grandchild.body.id)).capabilities).toEqual(roleCapabilities.developer);
  });
});

describe('the session cookie', () => {
  const cookies = () => ({ keelson_access: ada.bearer });

  test('signs in, and a header goes before it', async () => {
    expect(await world.authenticate('member', { cookies: cookies() })).toMatchObject({ id: ada.id });
    expect(await world.authenticate('member', { cookies: cookies(), bearer: bob.bearer })).toMatchObject({
      id: bob.id,
    });
    await expect(world.authenticate('member', { cookies: cookies(), bearer: 'wrong' })).rejects.toMatchObject({
      status: 401,
    });
  });

  test('is not accepted when nobody says where the request comes from', async () => {
    const credentials = {
      auth: 'member',
      authorization: undefined,
      cookies: cookies(),
      workspaceHeader: undefined,
      pathWorkspaceId: undefined,
    } as const;
    await expect(world.services.auth.authenticate(credentials)).rejects.toMatchObject({ status: 403 });
  });

  test('does not act for another site', async () => {
    const call = (headers: Record<string, string>) =>
      world.call('workspaces.create', {
        cookies: cookies(),
        headers: { host: 'keelson.example', ...headers },
        body: { name: 'X' },
      });
    await expect(call({ origin: 'https://evil.example' })).rejects.toMatchObject(refused(403, /another site/));
    await expect(call({ 'sec-fetch-site': 'cross-site' })).rejects.toMatchObject({ status: 403 });
    await expect(call({ 'sec-fetch-site': 'same-site' })).rejects.toMatchObject({ status: 403 });
    await expect(call({ origin: 'https://keelson.example' })).resolves.toMatchObject({ status: 201 });
    await expect(call({ 'sec-fetch-site': 'same-origin' })).resolves.toMatchObject({ status: 201 });
    await expect(call({})).resolves.toMatchObject({ status: 201 });
  });

  test('acts for an origin the operator trusts', () => {
    const request = { method: 'POST', host: 'api.example', origin: 'https://app.example', fetchSite: 'cross-site' };
    expect(mayUseCookie(request, ['https://app.example'])).toBe(true);
    expect(mayUseCookie({ ...request, origin: 'null' }, ['https://app.example'])).toBe(false);
    expect(mayUseCookie({ ...request, fetchSite: undefined, origin: 'null' })).toBe(false);
  });
});

describe('a workspace token', () => {
  test('acts in its own workspace as a developer that may turn over its tokens', async () => {
    const actor = await world.authenticate('workspace', { bearer: adasToken, path: ada.workspace });
    expect(actor).toMatchObject({ type: 'workspace_token', workspaceId: ada.workspace, sessionId: null });
    expect([...actor.capabilities].sort()).toEqual([...roleCapabilities.developer, 'token.read', 'token.write'].sort());
    expect(await world.authenticate('member', { bearer: adasToken })).toMatchObject({ workspaceId: ada.workspace });
  });

  test('of another workspace, revoked or made up is 401', async () => {
    const at = (bearer: string) => world.authenticate('workspace', { bearer, path: bob.workspace });
    await expect(at(adasToken)).rejects.toMatchObject(refused(401, 'invalid workspace auth token'));
    await expect(at('made-up')).rejects.toMatchObject(refused(401, 'invalid workspace auth token'));
    const { auth_token: dead } = await world.services.tokens.mint(bob.workspace, bob.id);
    await expect(at(dead)).resolves.toMatchObject({ workspaceId: bob.workspace });
    const listed = await world.call('tokens.list', { bearer: bob.bearer, params: { id: bob.workspace } });
    await world.services.tokens.revoke(bob.workspace, listed.body.tokens[0].id);
    await expect(at(dead)).rejects.toMatchObject({ status: 401 });
  });

  test('refuses a header that names another workspace', async () => {
    await expect(world.authenticate('member', { bearer: adasToken, workspace: bob.workspace })).rejects.toMatchObject(
      refused(403, /X-Workspace-Id/),
    );
    await expect(world.authenticate('member', { bearer: adasToken, workspace: ada.workspace })).resolves.toBeDefined();
  });

  test('is no admin token', async () => {
    await expect(world.authenticate('admin', { bearer: adasToken })).rejects.toMatchObject(
      refused(401, 'invalid admin auth token'),
    );
  });
});

describe('ADMIN_TOKEN', () => {
  test('passes workspace and admin routes with every capability', async () => {
    const actor = await world.authenticate('workspace', { bearer: ADMIN_TOKEN, path: ada.workspace });
    expect(actor).toMatchObject({ type: 'admin', id: 'admin', workspaceId: ada.workspace });
    expect(actor.capabilities.size).toBe(capabilities.length);
    expect(await world.authenticate('admin', { bearer: ADMIN_TOKEN })).toMatchObject({ type: 'admin' });
  });

  test('finds no workspace that is not there', async () => {
    await expect(world.authenticate('workspace', { bearer: ADMIN_TOKEN, path: 'ws_nowhere' })).rejects.toMatchObject({
      status: 404,
    });
  });

  test('acts in no workspace of a member route', async () => {
    await expect(world.authenticate('member', { bearer: ADMIN_TOKEN })).rejects.toMatchObject(
      refused(403, /ADMIN_TOKEN opens/),
    );
  });

  test('is nothing where none is set', async () => {
    const bare = createWorld(database.db, { adminToken: undefined });
    await expect(bare.authenticate('admin', { bearer: ADMIN_TOKEN })).rejects.toMatchObject({ status: 401 });
    await expect(bare.authenticate('admin', {})).rejects.toMatchObject({ status: 401 });
  });
});

test('a database that cannot be reached is 503 and told', async () => {
  const dead = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none' });
  const broken = createWorld(dead);
  await expect(broken.authenticate('workspace', { bearer: 'x', path: 'ws_a' })).rejects.toMatchObject({
    status: 503,
    extra: { code: 'platform_unavailable' },
  });
  expect(broken.errors).toHaveLength(1);
  await dead.destroy();
});
