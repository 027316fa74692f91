import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId, newSeed } from '../../db/ids.js';
import type { RunStatus } from '../../workflows/contract/run.js';
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

const make = async (name: string, parent?: string, bearer = ada.bearer): Promise<string> =>
  (
    await world.call('workspaces.create', {
      bearer,
      body: { name, ...(parent === undefined ? {} : { parent_id: parent }) },
    })
  ).body.id;
const patch = (id: string, body: unknown, bearer = ada.bearer) =>
  world.call('workspaces.update', { bearer, params: { id }, body });
const remove = (id: string, bearer = ada.bearer) => world.call('workspaces.delete', { bearer, params: { id } });
const join = (user: Person, workspace: string, role: 'admin' | 'editor') =>
  database.db.insertInto('memberships').values({ user_id: user.id, workspace_id: workspace, role }).execute();

describe('create', () => {
  test('answers as the contract says and keeps the settings', async () => {
    const { status, body } = await world.call('workspaces.create', {
      bearer: ada.bearer,
      body: {
        name: 'Research',
        role: 'analyst',
        tier: 2,
        model: 'small',
        runtime: 'node',
        workspace_access: 'read_only',
        canvas: { x: 1, y: 2 },
        max_concurrent_tasks: 3,
        initial_memories: [{ content: 'hello', scope: 'LOCAL' }],
        secrets: { API_KEY: 'hunter2' },
      },
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^ws_/),
      status: 'provisioning',
      awareness_namespace: `workspace:${body.id}`,
      workspace_access: 'read_only',
      name: 'Research',
      slug: 'research',
      parent_id: null,
    });
    const got = await world.call('workspaces.get', { bearer: ada.bearer, params: { id: body.id } });
    expect(got.body).toMatchObject({
      status: 'ready',
      role: 'analyst',
      tier: 2,
      template: null,
      max_concurrent_tasks: 3,
    });
    expect(JSON.stringify(got.body)).not.toMatch(/hunter2|tenant/);
    const secrets = await world.call('secrets.list', { bearer: ada.bearer, workspace: body.id });
    expect(secrets.body.items.map((secret: { name: string }) => secret.name)).toEqual(['API_KEY']);
    const row = await database.db
      .selectFrom('workspaces')
      .selectAll()
      .where('id', '=', body.id)
      .executeTakeFirstOrThrow();
    expect(JSON.stringify(row)).not.toContain('hunter2');
  });

  test('repeated with one seed it is made once', async () => {
    const call = { bearer: ada.bearer, body: { name: 'Once', secrets: { A: 'b' } }, seed: newSeed() };
    const [first, second] = [await world.call('workspaces.create', call), await world.call('workspaces.create', call)];
    expect(second.body).toEqual(first.body);
  });

  test('under a parent needs the right to write there', async () => {
    await expect(make('Mine', bob.workspace)).rejects.toMatchObject({ status: 404 });
    await expect(make('Mine', 'ws_nowhere')).rejects.toMatchObject({ status: 404 });
    const shared = await make('Shared');
    await join(bob, shared, 'editor');
    await expect(make('Mine', shared, bob.bearer)).rejects.toMatchObject({ status: 403 });
  });

  test('the child belongs to the tenant of its parent', async () => {
    const shared = await make('Shared too');
    await join(bob, shared, 'admin');
    const child = await make('Child', shared, bob.bearer);
    const tenant = async (id: string) =>
      (await database.db.selectFrom('workspaces').select('tenant_id').where('id', '=', id).executeTakeFirstOrThrow())
        .tenant_id;
    expect(await tenant(child)).toBe(await tenant(ada.workspace));
  });

  test('by ADMIN_TOKEN goes to the platform, by a workspace token below its own workspace', async () => {
    const platform = await make('Ops', undefined, ADMIN_TOKEN);
    expect(
      await database.db.selectFrom('workspaces').select('tenant_id').where('id', '=', platform).executeTakeFirst(),
    ).toEqual({
      tenant_id: 'ten_platform',
    });
    const { auth_token: token } = await world.services.tokens.mint(ada.workspace, ada.id);
    const { body } = await world.call('workspaces.create', { bearer: token, body: { name: 'Sub' } });
    expect(body.parent_id).toBe(ada.workspace);
    await expect(make('Sub', platform, token)).rejects.toMatchObject({ status: 404 });
  });

  test.each([
    [{}, /name/],
    [{ name: ' ' }, /must not be empty/],
    [{ name: 'x', max_concurrent_tasks: 0 }, /max_concurrent_tasks/],
    [{ name: 'x', secrets: { 'not-good': 'v' } }, /capital letters/],
    [{ name: 'x', workspace_access: 'all' }, /workspace_access/],
  ])('%j is refused', async (body, message) => {
    await expect(world.call('workspaces.create', { bearer: ada.bearer, body })).rejects.toThrow(message);
  });
});

describe('list', () => {
  test('a user sees their own and all below, with the role held', async () => {
    const carol = await signUp(world);
    const top = await make('Top');
    const below = await make('Below', top);
    await join(carol, top, 'editor');
    const { body } = await world.call('workspaces.list', { bearer: carol.bearer, query: { limit: '10' } });
    const seen = Object.fromEntries(
      body.items.map((item: { id: string; member_role: string }) => [item.id, item.member_role]),
    );
    expect(seen).toEqual({ [carol.workspace]: 'owner', [top]: 'editor', [below]: 'editor' });
    expect(body).toMatchObject({ total: 3, limit: 10, offset: 0 });
    const beyond = await world.call('workspaces.list', { bearer: carol.bearer, query: { offset: 9 } });
    expect(beyond.body).toMatchObject({ items: [], total: 3 });
  });

  test('a token sees its workspace and all below, ADMIN_TOKEN all', async () => {
    const { auth_token: token } = await world.services.tokens.mint(bob.workspace, bob.id);
    const mine = await world.call('workspaces.list', { bearer: token });
    expect(mine.body.items.map((item: { id: string }) => item.id)).toEqual([bob.workspace]);
    const all = await world.call('workspaces.list', { bearer: ADMIN_TOKEN, query: { limit: 1 } });
    const count = await database.db
      .selectFrom('workspaces')
      .select(({ fn }) => fn.countAll<string>().as('n'))
      .executeTakeFirst();
    expect(all.body.total).toBe(Number(count?.n));
  });
});

describe('update', () => {
  test('changes what is named and leaves the rest', async () => {
    const id = await make('Before');
    await patch(id, { role: 'writer', model: 'small' });
    const { body } = await patch(id, { name: 'After', model: null });
    expect(body).toMatchObject({ name: 'After', slug: 'before', role: 'writer', model: null });
  });

  test('refuses a circle, also when two moves would close it together', async () => {
    const [a, b] = [await make('A'), await make('B')];
    await expect(patch(a, { parent_id: a })).rejects.toMatchObject({ status: 422, details: [{ field: 'parent_id' }] });
    const child = await make('A1', a);
    await expect(patch(a, { parent_id: child })).rejects.toMatchObject({ status: 422 });
    const both = await Promise.allSettled([patch(a, { parent_id: b }), patch(b, { parent_id: a })]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('refuses a parent of another organisation or one not to be seen', async () => {
    const id = await make('Stays');
    await expect(patch(id, { parent_id: bob.workspace })).rejects.toMatchObject({ status: 404 });
    await join(ada, bob.workspace, 'admin');
    await expect(patch(id, { parent_id: bob.workspace })).rejects.toMatchObject({ status: 422 });
  });

  test('leaving a parent needs the right to write in it; who moves it keeps their role', async () => {
    const top = await make('Holding');
    const child = await make('Daughter', top);
    await join(bob, child, 'admin');
    await expect(patch(child, { parent_id: null }, bob.bearer)).rejects.toMatchObject({ status: 404 });
    const { body } = await patch(child, { parent_id: null });
    expect(body.parent_id).toBeNull();
    await expect(world.call('workspaces.get', { bearer: ada.bearer, params: { id: child } })).resolves.toBeDefined();
  });

  test('a weaker role may not', async () => {
    const id = await make('Locked');
    await join(bob, id, 'editor');
    await expect(patch(id, { name: 'x' }, bob.bearer)).rejects.toThrow(/lacks workspace.write/);
  });
});

describe('delete', () => {
  const run = (workspace: string, status: RunStatus) =>
    database.db
      .insertInto('runs')
      .values({
        id: newId('run'),
        workspace_id: workspace,
        definition_kind: 'chain',
        plan: '{}',
        status,
        trigger: 'api',
        actor: ada.id,
        input: '{}',
      })
      .execute();

  test('refuses while it has children or open runs', async () => {
    const id = await make('Busy');
    const child = await make('Child', id);
    await expect(remove(id)).rejects.toMatchObject({ status: 409, extra: { children: 1 } });
    await remove(child);
    await run(id, 'waiting');
    await expect(remove(id)).rejects.toMatchObject({ status: 409, extra: { open_runs: 1 } });
    await database.db.updateTable('runs').set({ status: 'completed' }).where('workspace_id', '=', id).execute();
    expect((await remove(id)).body).toEqual({ status: 'removed', id });
  });

  test('ends its tokens and its schedules, and it is gone for everybody', async () => {
    const id = await make('Gone');
    const { auth_token: token } = await world.services.tokens.mint(id, ada.id);
    await database.db
      .insertInto('schedules')
      .values({ id: 'sch_gone', workspace_id: id, name: 'x', cron_expr: '* * * * *', timezone: 'UTC', prompt: 'x' })
      .execute();
    await remove(id);
    await expect(world.authenticate('workspace', { bearer: token, path: id })).rejects.toMatchObject({ status: 401 });
    await expect(world.authenticate('workspace', { bearer: ada.bearer, path: id })).rejects.toMatchObject({
      status: 404,
    });
    await expect(world.authenticate('member', { bearer: ada.bearer, workspace: id })).rejects.toMatchObject({
      status: 403,
    });
    await expect(remove(id, ADMIN_TOKEN)).rejects.toMatchObject({ status: 404 });
    await expect(make('Late', id)).rejects.toMatchObject({ status: 404 });
    const schedule = await database.db
      .selectFrom('schedules')
      .selectAll()
      .where('id', '=', 'sch_gone')
      .executeTakeFirst();
    expect(schedule).toMatchObject({ enabled: false, revision: 2, deleted_at: expect.any(Date) });
  });

  test('of the only workspace leaves a user who can sign in and make another', async () => {
    const dan = await signUp(world);
    await remove(dan.workspace, dan.bearer);
    const login = await world.call('auth.login', { body: { email: dan.email, password: 'correct horse' } });
    expect(login.body.workspace).toBeNull();
    await expect(world.authenticate('member', { bearer: login.body.access_token })).rejects.toMatchObject({
      status: 403,
    });
    const id = await make('Fresh', undefined, login.body.access_token);
    const again = await world.call('auth.login', { body: { email: dan.email, password: 'correct horse' } });
    expect(again.body.workspace.id).toBe(id);
  });

  test('and a child made at the same moment: one of the two', async () => {
    const id = await make('Race');
    const both = await Promise.allSettled([remove(id), make('Child', id)]);
    expect(both.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });
});
