import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

const path = '/v1/workspaces/egress';
let api: TestApi;
let owner: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  owner = await api.signUp();
});
afterAll(() => api.close());

test('an organisation starts without lists; what is put is what is got, once each, and audited', async () => {
  expect(await owner.call('GET', path)).toMatchObject({ status: 200, body: { allow: [], deny: [] } });
  const body = { allow: ['api.example.com', '*.example.org:443', 'api.example.com'], deny: ['203.0.113.0/24'] };
  const put = await owner.call('PUT', path, { body });
  const lists = { allow: ['api.example.com', '*.example.org:443'], deny: ['203.0.113.0/24'] };
  expect(put).toMatchObject({ status: 200, body: lists });
  expect((await owner.call('GET', path)).body).toEqual(lists);
  const audit = await owner.call('GET', '/v1/audit?action=egress.replace');
  expect(audit.body).toMatchObject({ total: 1, items: [{ entity_type: 'egress' }] });
  const stranger = await api.signUp();
  expect((await stranger.call('GET', path)).body).toEqual({ allow: [], deny: [] });
});

test('a wrong entry is named with its place and what to write', async () => {
  const body = { allow: ['ok.example', 'https://x.example'], deny: ['10.0.0.0/99', 'a b'] };
  const { status, body: refused } = await owner.call('PUT', path, { body });
  expect(status).toBe(422);
  expect(refused.error?.details).toEqual([
    { field: 'allow.1', message: expect.stringContaining('"https://x.example" is a URL; write a host') },
    { field: 'deny.0', message: expect.stringContaining('"10.0.0.0/99" is not a valid CIDR') },
    { field: 'deny.1', message: expect.stringContaining('is neither a host name nor an address') },
  ]);
  const many = await owner.call('PUT', path, { body: { deny: Array.from({ length: 201 }, () => 'a.example') } });
  expect(many.status).toBe(422);
  expect((await owner.call('PUT', path, { body: { alow: [] } })).status).toBe(422);
});

test('is for administrators of the organisation', async () => {
  const member = await api.signUp();
  const { tenant_id } = await api.db
    .selectFrom('workspaces')
    .select('tenant_id')
    .where('id', '=', owner.workspace.id)
    .executeTakeFirstOrThrow();
  await api.db.updateTable('users').set({ tenant_id }).where('id', '=', member.userId).execute();
  await api.db.insertInto('tenant_members').values({ user_id: member.userId, tenant_id, role: 'developer' }).execute();
  await api.db
    .insertInto('memberships')
    .values({ user_id: member.userId, workspace_id: owner.workspace.id, role: 'developer' })
    .execute();
  await api.db
    .updateTable('sessions')
    .set({ workspace_id: owner.workspace.id })
    .where('user_id', '=', member.userId)
    .execute();
  for (const [method, body] of [
    ['GET', undefined],
    ['PUT', {}],
  ] as const)
    expect(await member.call(method, path, { body })).toMatchObject({
      status: 403,
      body: { error: { message: expect.stringContaining('"admin"') } },
    });
});

test('counts at once when a chain goes live and when a tool is written', async () => {
  const chain = (url: string) => ({
    name: `Calls ${url}`,
    status: 'live',
    primary_steps: [{ kind: 'webhook', label: 'Tell', config: { url } }],
  });
  const tool = (url: string) => ({ name: `t${url.length}`, url });
  await owner.call('PUT', path, { body: { allow: ['api.example.com'], deny: [] } });
  const refused = await owner.call('POST', '/v1/workflow-chains', { body: chain('https://other.example.com/') });
  expect(refused).toMatchObject({ status: 422 });
  expect(refused.text).toContain('not on the allow list of your organisation');
  expect((await owner.call('POST', '/v1/workflow-chains', { body: chain('https://api.example.com/') })).status).toBe(
    201,
  );
  const bad = await owner.call('POST', '/v1/workspace-tools', { body: tool('https://other.example.com/') });
  expect(bad).toMatchObject({ status: 422 });
  await owner.call('PUT', path, { body: { allow: [], deny: ['api.example.com'] } });
  expect((await owner.call('POST', '/v1/workspace-tools', { body: tool('https://other.example.com/') })).status).toBe(
    201,
  );
  expect((await owner.call('POST', '/v1/workspace-tools', { body: tool('https://api.example.com/') })).status).toBe(
    422,
  );
});
