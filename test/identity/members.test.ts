import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import type { Role } from '../../db/tables.js';
import { PASSWORD, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const mails: Mail[] = [];
let api: TestApi;
let ada: Person;
beforeAll(async () => {
  const mailer = { send: (mail: Mail) => Promise.resolve(mails.push(mail)) };
  api = await startTestApi({ temporal: silentTemporal, mailer });
});
afterAll(() => api.close());
beforeEach(async () => {
  ada = await api.signUp();
});

const address = (): string => `${randomBytes(6).toString('hex')}@example.com`;
const invite = (by: Person, body: object, headers = {}): Promise<Answered> =>
  by.call('POST', '/v1/members', { body: { role: 'viewer', ...body }, headers });
const tokenTo = (email: string): string => {
  const mail = mails.findLast(({ to }) => to === email);
  return /"token":"([\w-]+)"/.exec(mail?.text ?? '')?.[1] ?? '';
};
const accept = (body: object): Promise<Answered> =>
  send(`${api.url}/v1/auth/accept-invitation`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const inWorkspaceOf = (owner: Person) => ({ 'x-workspace-id': owner.workspace.id });
const bearer = (answer: Answered) => ({ authorization: `Bearer ${String(answer.body['access_token'])}` });
const membersOf = async (person: Person, headers = {}) =>
  (await person.call('GET', '/v1/members', { headers })).body['items'] as {
    user_id: string;
    role: Role;
    inherited: boolean;
  }[];

/** Somebody with an account who accepted an invitation into Ada's workspace. */
async function joined(role: Role): Promise<Person> {
  const person = await api.signUp();
  await invite(ada, { email: person.email, role });
  const accepted = await accept({ token: tokenTo(person.email), password: PASSWORD });
  expect(accepted.status).toBe(200);
  return person;
}
const change = (by: Person, userId: string, role: string): Promise<Answered> =>
  by.call('PATCH', `/v1/members/${userId}`, { body: { role }, headers: inWorkspaceOf(ada) });
const remove = (by: Person, userId: string): Promise<Answered> =>
  by.call('DELETE', `/v1/members/${userId}`, { headers: inWorkspaceOf(ada) });

describe('an invitation', () => {
  test('makes an account, joins and signs in', async () => {
    const email = address();
    const invited = await invite(ada, { email: ` ${email.toUpperCase()}`, role: 'editor' });
    expect(invited.status).toBe(201);
    expect(invited.body).toEqual({
      id: expect.stringMatching(/^inv_/),
      workspace_id: ada.workspace.id,
      email,
      role: 'editor',
      invited_by: ada.userId,
      created_at: expect.any(String),
      expires_at: expect.any(String),
    });
    const token = tokenTo(email);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(invited.text).not.toContain(token);
    expect((await accept({ token })).status).toBe(422);
    expect((await accept({ token, password: 'short' })).status).toBe(422);
    const accepted = await accept({ token, password: PASSWORD, name: 'Grace' });
    expect(accepted.status).toBe(200);
    expect(accepted.body).toMatchObject({
      user: { email, name: 'Grace', mfa_enabled: false },
      workspace: { id: ada.workspace.id, role: 'editor' },
    });
    expect(accepted.headers.get('set-cookie')).toContain('keelson_refresh=');
    expect((await send(`${api.url}/v1/workflows`, { headers: bearer(accepted) })).status).toBe(200);
    const user = await api.db.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirstOrThrow();
    expect(user.email_verified_at).toEqual(expect.any(Date));
    expect(await membersOf(ada)).toMatchObject(
      [
        { email: ada.email, role: 'owner', inherited: false },
        { email, role: 'editor', inherited: false },
      ].toSorted((a, b) => (a.email < b.email ? -1 : 1)),
    );
  });

  test('answers the same for an address with and without an account', async () => {
    const known = await api.signUp();
    const answers = [await invite(ada, { email: known.email }), await invite(ada, { email: address() })];
    const shapes = answers.map(({ status, body }) => ({ status, keys: Object.keys(body), role: body['role'] }));
    expect(shapes[0]).toEqual(shapes[1]);
  });

  test("to an account asks for that account's password, and second factor", async () => {
    const bob = await api.signUp();
    await invite(ada, { email: bob.email, role: 'developer' });
    const token = tokenTo(bob.email);
    expect((await accept({ token, password: 'a made-up password' })).status).toBe(401);
    await api.db
      .updateTable('users')
      .set({ totp_enabled_at: sql<Date>`now()` })
      .where('id', '=', bob.userId)
      .execute();
    expect((await accept({ token, password: PASSWORD })).body.detail).toEqual({ code: 'mfa_required' });
    await api.db.updateTable('users').set({ totp_enabled_at: null }).where('id', '=', bob.userId).execute();
    const accepted = await accept({ token, password: PASSWORD });
    expect(accepted.body).toMatchObject({ user: { id: bob.userId }, workspace: { id: ada.workspace.id } });
    expect((await bob.call('GET', '/v1/members', { headers: inWorkspaceOf(ada) })).status).toBe(200);
  });

  test('works once, also at the same moment', async () => {
    const email = address();
    await invite(ada, { email });
    const token = tokenTo(email);
    const answers = await Promise.all([1, 2, 3].map(() => accept({ token, password: PASSWORD })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of answers) expect([200, 404, 409]).toContain(status);
    expect((await accept({ token, password: PASSWORD })).status).toBe(404);
  });

  test('that is replaced, taken back, over, made up or of a dead workspace is not there', async () => {
    const email = address();
    await invite(ada, { email });
    const first = tokenTo(email);
    const second = await invite(ada, { email });
    expect((await accept({ token: first, password: PASSWORD })).status).toBe(404);
    const open = await ada.call('GET', '/v1/members/invitations');
    expect(open.body).toMatchObject({ total: 1, items: [{ id: second.body['id'] }] });
    const path = `/v1/members/invitations/${String(second.body['id'])}`;
    const stranger = await api.signUp();
    expect((await stranger.call('DELETE', path)).status).toBe(404);
    const takenBack = await Promise.all([1, 2].map(() => ada.call('DELETE', path)));
    expect(statusesOf(takenBack)).toEqual([204, 404]);
    expect((await accept({ token: tokenTo(email), password: PASSWORD })).status).toBe(404);
    const third = await invite(ada, { email });
    await api.db
      .updateTable('member_invitations')
      .set({ expires_at: sql<Date>`now()` })
      .where('id', '=', String(third.body['id']))
      .execute();
    expect((await accept({ token: tokenTo(email), password: PASSWORD })).status).toBe(404);
    expect((await accept({ token: 'made-up', password: PASSWORD })).status).toBe(404);
    const doomed = await ada.call('POST', '/workspaces', { body: { name: 'Doomed', parent_id: ada.workspace.id } });
    await invite(ada, { email, workspace_id: doomed.body['id'] });
    await ada.call('DELETE', `/workspaces/${String(doomed.body['id'])}`);
    expect((await accept({ token: tokenTo(email), password: PASSWORD })).status).toBe(404);
  });

  test('goes into a workspace below, never elsewhere', async () => {
    const child = await ada.call('POST', '/workspaces', { body: { name: 'Below', parent_id: ada.workspace.id } });
    const email = address();
    expect((await invite(ada, { email, workspace_id: child.body['id'] })).status).toBe(201);
    const accepted = await accept({ token: tokenTo(email), password: PASSWORD });
    expect(accepted.body['workspace']).toMatchObject({ id: child.body['id'] });
    const above = { headers: { ...bearer(accepted), ...inWorkspaceOf(ada) } };
    expect((await send(`${api.url}/v1/workflows`, above)).status).toBe(403);
    const other = await api.signUp();
    for (const workspace_id of [other.workspace.id, 'ws_nowhere']) {
      expect((await invite(ada, { email, workspace_id })).status).toBe(404);
    }
  });

  test('to a member is a conflict; by a weaker role it is refused', async () => {
    const admin = await joined('admin');
    expect((await invite(ada, { email: admin.email })).status).toBe(409);
    expect((await invite(admin, { email: address(), role: 'owner' }, inWorkspaceOf(ada))).status).toBe(403);
    expect((await invite(admin, { email: address(), role: 'admin' }, inWorkspaceOf(ada))).status).toBe(201);
    const editor = await joined('editor');
    expect((await invite(editor, { email: address() }, inWorkspaceOf(ada))).status).toBe(403);
    expect((await invite(ada, { email: 'nobody' })).status).toBe(422);
    expect((await invite(ada, { email: address(), role: 'king' })).status).toBe(422);
  });

  test('of somebody who may invite no longer opens nothing', async () => {
    const admin = await joined('admin');
    const email = address();
    await invite(admin, { email, role: 'admin' }, inWorkspaceOf(ada));
    await change(ada, admin.userId, 'viewer');
    expect((await accept({ token: tokenTo(email), password: PASSWORD })).status).toBe(404);
  });

  test('carries no line of the workspace name into the subject', async () => {
    await ada.call('PATCH', `/workspaces/${ada.workspace.id}`, { body: { name: 'A\r\nBcc: x@example.com' } });
    const email = address();
    await invite(ada, { email });
    expect(mails.findLast(({ to }) => to === email)?.subject).not.toMatch(/[\r\n]/);
  });

  test('cannot be made where no mail is sent', async () => {
    const mute = await startTestApi({ temporal: silentTemporal });
    const owner = await mute.signUp();
    expect((await invite(owner, { email: address() })).status).toBe(503);
    await mute.close();
  });
});

describe('a role', () => {
  test('is changed by who has as much, and never beyond', async () => {
    const [admin, editor] = [await joined('admin'), await joined('editor')];
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
    const editor = await joined('editor');
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
    const viewer = await joined('viewer');
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
    await joined('admin');
    const lowered = await change(ada, ada.userId, 'admin');
    expect(lowered.status).toBe(409);
    expect(lowered.body.error?.message).toContain('last owner');
    expect((await remove(ada, ada.userId)).status).toBe(409);
    expect((await change(ada, ada.userId, 'owner')).status).toBe(200);
  });

  test('two owners cannot lower each other at the same moment', async () => {
    const second = await joined('owner');
    await api.db
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
    const owners = await api.db
      .selectFrom('memberships')
      .select('user_id')
      .where('workspace_id', '=', ada.workspace.id)
      .where('role', '=', 'owner')
      .execute();
    expect(owners).toHaveLength(1);
  });

  test('in the organisation goes with it, and only a peer takes that', async () => {
    const guest = await joined('owner');
    const refused = await remove(guest, ada.userId);
    expect(refused.status).toBe(403);
    expect(refused.body.error?.message).toContain('organisation');
    const { tenant_id } = await api.db
      .selectFrom('workspaces')
      .select('tenant_id')
      .where('id', '=', ada.workspace.id)
      .executeTakeFirstOrThrow();
    await api.db.insertInto('tenant_members').values({ tenant_id, user_id: guest.userId, role: 'owner' }).execute();
    expect((await remove(guest, ada.userId)).status).toBe(204);
    const left = await api.db
      .selectFrom('tenant_members')
      .select('user_id')
      .where('tenant_id', '=', tenant_id)
      .execute();
    expect(left).toEqual([{ user_id: guest.userId }]);
  });
});

describe('leaving', () => {
  test('is open to everybody', async () => {
    const viewer = await joined('viewer');
    expect((await remove(viewer, viewer.userId)).status).toBe(204);
    expect((await viewer.call('GET', '/v1/members', { headers: inWorkspaceOf(ada) })).status).toBe(403);
    expect((await viewer.call('GET', '/v1/members')).status).toBe(200);
  });

  test('takes the keys along that can do more than their maker', async () => {
    const editor = await joined('editor');
    const { body: home } = await send(`${api.url}/api/v1/auth/login`, {
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
      (await send(`${api.url}/v1/workspace-tools`, { headers: { 'x-api-key': key } })).status;
    expect([await opens(reads), await opens(writes)]).toEqual([200, 200]);
    await change(ada, editor.userId, 'viewer');
    expect([await opens(reads), await opens(writes)]).toEqual([200, 401]);
    await remove(ada, editor.userId);
    expect(await opens(reads)).toBe(401);
  });
});
