import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { Role } from '../../db/tables.js';
import { PASSWORD, type Person } from '../support/api.js';
import { send, type Answered } from '../support/http.js';
import { address, bearerOf, invite, inWorkspaceOf, membersOf, startPeople, type People } from './people.js';

let people: People;
let ada: Person;
beforeAll(async () => {
  people = await startPeople();
});
afterAll(() => people.api.close());
beforeEach(async () => {
  ada = await people.api.signUp();
});

const change = (by: Person, userId: string, role: string): Promise<Answered> =>
  by.call('PATCH', `/v1/members/${userId}`, { body: { role }, headers: inWorkspaceOf(ada) });
const remove = (by: Person, userId: string): Promise<Answered> =>
  by.call('DELETE', `/v1/members/${userId}`, { headers: inWorkspaceOf(ada) });

describe('a role', () => {
  test('is changed by who has as much, and never beyond', async () => {
    const [admin, editor] = [await people.joined(ada, 'admin'), await people.joined(ada, 'editor')];
    expect((await change(admin, editor.userId, 'developer')).body).toEqual({
      user_id: editor.userId,
      role: 'developer',
    });
    expect((await change(admin, editor.userId, 'owner')).status).toBe(403);
    expect((await change(admin, admin.userId, 'owner')).status).toBe(403);
    expect((await change(admin, ada.userId, 'viewer')).status).toBe(403);
    expect((await remove(admin, ada.userId)).status).toBe(403);
    expect((await change(editor, editor.userId, 'admin')).status).toBe(403);
    expect((await remove(editor, admin.userId)).status).toBe(403);
  });

  test('counts from the next request on', async () => {
    const editor = await people.joined(ada, 'editor');
    const write = () =>
      editor.call('POST', '/v1/workspace-tools', {
        body: { name: `t${randomBytes(4).toString('hex')}`, url: 'https://example.com' },
        headers: inWorkspaceOf(ada),
      });
    expect((await write()).status).toBe(201);
    await change(ada, editor.userId, 'viewer');
    expect((await write()).status).toBe(403);
    expect((await remove(ada, editor.userId)).status).toBe(204);
    expect((await write()).status).toBe(403);
    expect((await remove(ada, editor.userId)).status).toBe(404);
  });

  test('that is inherited shows below, and is changed above', async () => {
    const viewer = await people.joined(ada, 'viewer');
    const child = await ada.call('POST', '/workspaces', { body: { name: 'Child', parent_id: ada.workspace.id } });
    const below = { 'x-workspace-id': String(child.body['id']) };
    expect((await membersOf(ada, below)).find(({ user_id }) => user_id === viewer.userId)).toMatchObject({
      role: 'viewer',
      inherited: true,
    });
    const path = `/v1/members/${viewer.userId}`;
    expect((await ada.call('PATCH', path, { body: { role: 'editor' }, headers: below })).status).toBe(404);
    expect((await ada.call('DELETE', path, { headers: below })).status).toBe(404);
    expect((await ada.call('GET', '/v1/members?limit=1&offset=9')).body).toMatchObject({ total: 2, items: [] });
  });

  test('of the last owner stays', async () => {
    await people.joined(ada, 'admin');
    const lowered = await change(ada, ada.userId, 'admin');
    expect(lowered.status).toBe(409);
    expect(lowered.body.error?.message).toContain('last owner');
    expect((await remove(ada, ada.userId)).status).toBe(409);
    expect((await change(ada, ada.userId, 'owner')).status).toBe(200);
  });

  test('two owners cannot lower each other at the same moment', async () => {
    const second = await people.joined(ada, 'owner');
    await people.api.db
      .insertInto('tenant_members')
      .columns(['tenant_id', 'user_id', 'role'])
      .expression((eb) =>
        eb
          .selectFrom('workspaces')
          .select(['tenant_id', sql<string>`${second.userId}`.as('user_id'), sql<Role>`'owner'`.as('role')])
          .where('id', '=', ada.workspace.id),
      )
      .execute();
    const answers = await Promise.all([change(ada, second.userId, 'viewer'), change(second, ada.userId, 'viewer')]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const owners = await people.api.db
      .selectFrom('memberships')
      .select('user_id')
      .where('workspace_id', '=', ada.workspace.id)
      .where('role', '=', 'owner')
      .execute();
    expect(owners).toHaveLength(1);
  });

  test('in the organisation goes with it, and only a peer takes that', async () => {
    const guest = await people.joined(ada, 'owner');
    const refused = await remove(guest, ada.userId);
    expect(refused.status).toBe(403);
    expect(refused.body.error?.message).toContain('organisation');
    const { tenant_id } = await people.api.db
      .selectFrom('workspaces')
      .select('tenant_id')
      .where('id', '=', ada.workspace.id)
      .executeTakeFirstOrThrow();
    await people.api.db
      .insertInto('tenant_members')
      .values({ tenant_id, user_id: guest.userId, role: 'owner' })
      .execute();
    expect((await remove(guest, ada.userId)).status).toBe(204);
    const left = await people.api.db
      .selectFrom('tenant_members')
      .select('user_id')
      .where('tenant_id', '=', tenant_id)
      .execute();
    expect(left).toEqual([{ user_id: guest.userId }]);
  });
});

describe('leaving', () => {
  test('is open to everybody', async () => {
    const viewer = await people.joined(ada, 'viewer');
    expect((await remove(viewer, viewer.userId)).status).toBe(204);
    expect((await viewer.call('GET', '/v1/members', { headers: inWorkspaceOf(ada) })).status).toBe(403);
    expect((await viewer.call('GET', '/v1/members')).status).toBe(200);
  });

  test('leaves no way back: a guest founds no workspace in the organisation', async () => {
    const email = address();
    await invite(ada, { email, role: 'owner' });
    const guest = await people.accept({ token: await people.tokenTo(email), password: PASSWORD });
    const found = (body: object) =>
      ada.call('POST', '/workspaces', { body: { name: 'Back', ...body }, headers: bearerOf(guest) });
    expect((await found({})).status).toBe(403);
    const made = await found({ parent_id: ada.workspace.id });
    expect(made.status).toBe(201);
    const below = () => ada.call('GET', `/workspaces/${String(made.body['id'])}`, { headers: bearerOf(guest) });
    expect((await below()).status).toBe(200);
    const { user } = guest.body as unknown as { readonly user: { readonly id: string } };
    expect((await remove(ada, user.id)).status).toBe(204);
    expect((await found({})).status).toBe(403);
    expect((await found({ parent_id: ada.workspace.id })).status).toBe(404);
    expect((await below()).status).toBe(404);
  });

  test('takes the keys along that can do more than their maker', async () => {
    const editor = await people.joined(ada, 'editor');
    const { body: home } = await send(`${people.api.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        email: editor.email,
        password: PASSWORD,
        tenant_id: (await ada.call('POST', '/org/tokens', { body: { name: 'x' } })).body['tenant_id'],
      }),
    });
    const headers = { authorization: `Bearer ${String(home['access_token'])}` };
    const mint = async (name: string, scopes: readonly string[]) =>
      (await editor.call('POST', '/api/v1/auth/api-keys', { body: { name, environment: 'live', scopes }, headers }))
        .body['key'] as string;
    const [reads, writes] = [await mint('reads', ['tools:read']), await mint('writes', ['tools:write'])];
    const opens = async (key: string) =>
      (await send(`${people.api.url}/v1/workspace-tools`, { headers: { 'x-api-key': key } })).status;
    expect([await opens(reads), await opens(writes)]).toEqual([200, 200]);
    await change(ada, editor.userId, 'viewer');
    expect([await opens(reads), await opens(writes)]).toEqual([200, 401]);
    await remove(ada, editor.userId);
    expect(await opens(reads)).toBe(401);
  });
});
