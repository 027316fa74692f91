import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { PASSWORD, type Person } from '../support/api.js';
import { send, statusesOf } from '../support/http.js';
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
    const token = await people.tokenTo(email);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(invited.text).not.toContain(token);
    expect((await people.accept({ token })).status).toBe(422);
    expect((await people.accept({ token, password: 'short' })).status).toBe(422);
    const accepted = await people.accept({ token, password: PASSWORD, name: 'Grace' });
    expect(accepted.status).toBe(200);
    expect(accepted.body).toMatchObject({
      user: { email, name: 'Grace', mfa_enabled: false },
      workspace: { id: ada.workspace.id, role: 'editor' },
    });
    expect(accepted.headers.get('set-cookie')).toContain('keelson_refresh=');
    expect((await send(`${people.api.url}/v1/workflows`, { headers: bearerOf(accepted) })).status).toBe(200);
    const user = await people.api.db
      .selectFrom('users')
      .selectAll()
      .where('email', '=', email)
      .executeTakeFirstOrThrow();
    expect(user.email_verified_at).toEqual(expect.any(Date));
    expect(await membersOf(ada)).toMatchObject(
      [
        { email: ada.email, role: 'owner', inherited: false },
        { email, role: 'editor', inherited: false },
      ].toSorted((a, b) => (a.email < b.email ? -1 : 1)),
    );
  });

  test('answers the same for an address with and without an account', async () => {
    const known = await people.api.signUp();
    const answers = [await invite(ada, { email: known.email }), await invite(ada, { email: address() })];
    const shapes = answers.map(({ status, body }) => ({ status, keys: Object.keys(body), role: body['role'] }));
    expect(shapes[0]).toEqual(shapes[1]);
  });

  test("to an account asks for that account's password, and second factor", async () => {
    const bob = await people.api.signUp();
    await invite(ada, { email: bob.email, role: 'developer' });
    const token = await people.tokenTo(bob.email);
    expect((await people.accept({ token, password: 'a made-up password' })).status).toBe(401);
    await people.api.db
      .updateTable('users')
      .set({ totp_enabled_at: sql<Date>`now()` })
      .where('id', '=', bob.userId)
      .execute();
    expect((await people.accept({ token, password: PASSWORD })).body.detail).toEqual({ code: 'mfa_required' });
    await people.api.db.updateTable('users').set({ totp_enabled_at: null }).where('id', '=', bob.userId).execute();
    const accepted = await people.accept({ token, password: PASSWORD });
    expect(accepted.body).toMatchObject({ user: { id: bob.userId }, workspace: { id: ada.workspace.id } });
    expect((await bob.call('GET', '/v1/members', { headers: inWorkspaceOf(ada) })).status).toBe(200);
  });

  test('works once, also at the same moment', async () => {
    const email = address();
    await invite(ada, { email });
    const token = await people.tokenTo(email);
    const answers = await Promise.all([1, 2, 3].map(() => people.accept({ token, password: PASSWORD })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of answers) expect([200, 404, 409]).toContain(status);
    expect((await people.accept({ token, password: PASSWORD })).status).toBe(404);
  });

  test('that is replaced, taken back, over, made up or of a dead workspace is not there', async () => {
    const email = address();
    await invite(ada, { email });
    const first = await people.tokenTo(email);
    const second = await invite(ada, { email });
    expect((await people.accept({ token: first, password: PASSWORD })).status).toBe(404);
    const open = await ada.call('GET', '/v1/members/invitations');
    expect(open.body).toMatchObject({ total: 1, items: [{ id: second.body['id'] }] });
    const path = `/v1/members/invitations/${String(second.body['id'])}`;
    const stranger = await people.api.signUp();
    expect((await stranger.call('DELETE', path)).status).toBe(404);
    const takenBack = await Promise.all([1, 2].map(() => ada.call('DELETE', path)));
    expect(statusesOf(takenBack)).toEqual([204, 404]);
    expect((await people.accept({ token: await people.tokenTo(email), password: PASSWORD })).status).toBe(404);
    const third = await invite(ada, { email });
    await people.api.db
      .updateTable('member_invitations')
      .set({ expires_at: sql<Date>`now()` })
      .where('id', '=', String(third.body['id']))
      .execute();
    expect((await people.accept({ token: await people.tokenTo(email), password: PASSWORD })).status).toBe(404);
    expect((await people.accept({ token: 'made-up', password: PASSWORD })).status).toBe(404);
    const doomed = await ada.call('POST', '/workspaces', { body: { name: 'Doomed', parent_id: ada.workspace.id } });
    await invite(ada, { email, workspace_id: doomed.body['id'] });
    await ada.call('DELETE', `/workspaces/${String(doomed.body['id'])}`);
    expect((await people.accept({ token: await people.tokenTo(email), password: PASSWORD })).status).toBe(404);
  });

  test('goes into a workspace below, never elsewhere', async () => {
    const child = await ada.call('POST', '/workspaces', { body: { name: 'Below', parent_id: ada.workspace.id } });
    const email = address();
    expect((await invite(ada, { email, workspace_id: child.body['id'] })).status).toBe(201);
    const accepted = await people.accept({ token: await people.tokenTo(email), password: PASSWORD });
    expect(accepted.body['workspace']).toMatchObject({ id: child.body['id'] });
    const above = { headers: { ...bearerOf(accepted), ...inWorkspaceOf(ada) } };
    expect((await send(`${people.api.url}/v1/workflows`, above)).status).toBe(403);
    const other = await people.api.signUp();
    for (const workspace_id of [other.workspace.id, 'ws_nowhere']) {
      expect((await invite(ada, { email, workspace_id })).status).toBe(404);
    }
  });

  test('to a member is a conflict; by a weaker role it is refused', async () => {
    const admin = await people.joined(ada, 'admin');
    expect((await invite(ada, { email: admin.email })).status).toBe(409);
    expect((await invite(admin, { email: address(), role: 'owner' }, inWorkspaceOf(ada))).status).toBe(403);
    expect((await invite(admin, { email: address(), role: 'admin' }, inWorkspaceOf(ada))).status).toBe(201);
    const editor = await people.joined(ada, 'editor');
    expect((await invite(editor, { email: address() }, inWorkspaceOf(ada))).status).toBe(403);
    expect((await invite(ada, { email: 'nobody' })).status).toBe(422);
    expect((await invite(ada, { email: address(), role: 'king' })).status).toBe(422);
  });

  test('of somebody who may invite no longer opens nothing', async () => {
    const admin = await people.joined(ada, 'admin');
    const email = address();
    await invite(admin, { email, role: 'admin' }, inWorkspaceOf(ada));
    await ada.call('PATCH', `/v1/members/${admin.userId}`, { body: { role: 'viewer' } });
    expect((await people.accept({ token: await people.tokenTo(email), password: PASSWORD })).status).toBe(404);
  });

  test('carries no line of the workspace name into the subject', async () => {
    await ada.call('PATCH', `/workspaces/${ada.workspace.id}`, { body: { name: 'A\r\nBcc: x@example.com' } });
    const email = address();
    await invite(ada, { email });
    expect((await people.mailTo(email))?.subject).not.toMatch(/[\r\n]/);
  });
});
