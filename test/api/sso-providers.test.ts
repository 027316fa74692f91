import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

const at = '/v1/sso/providers';
let api: TestApi;
let owner: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  owner = await api.signUp();
});
afterAll(() => api.close());

let made = 0;
const body = (more: object = {}): object => ({
  ...{ name: 'Company', slug: `company-${(made += 1)}`, issuer: 'https://id.example.com', client_id: 'keelson' },
  ...{ client_secret: 'not to be seen', ...more },
});
const create = (more: object = {}, by: Person = owner) => by.call('POST', at, { body: body(more) });

/** A member of the owner's organisation with this role in it. */
async function colleague(role: 'admin' | 'developer'): Promise<Person> {
  const person = await api.signUp();
  const { tenant_id } = await api.db
    .selectFrom('workspaces')
    .select('tenant_id')
    .where('id', '=', owner.workspace.id)
    .executeTakeFirstOrThrow();
  await api.db.insertInto('tenant_members').values({ tenant_id, user_id: person.userId, role }).execute();
  await api.db
    .insertInto('memberships')
    .values({ user_id: person.userId, workspace_id: owner.workspace.id, role })
    .execute();
  const workspace_id = owner.workspace.id;
  await api.db.updateTable('sessions').set({ workspace_id }).where('user_id', '=', person.userId).execute();
  return person;
}

describe('providers', () => {
  test('are made, changed and removed, and never show their secret', async () => {
    const first = await create({ email_domains: ['Example.COM'] });
    expect(first).toMatchObject({
      status: 201,
      body: {
        ...{ scopes: ['openid', 'email', 'profile'], role_claim: 'roles', role_map: {}, default_role: null },
        ...{ email_domains: ['example.com'], enabled: true },
      },
    });
    const path = `${at}/${String(first.body['id'])}`;
    const changed = await owner.call('PATCH', path, { body: { name: 'Renamed', default_role: 'viewer' } });
    expect(changed).toMatchObject({ status: 200, body: { name: 'Renamed', default_role: 'viewer', enabled: true } });
    const listed = await owner.call('GET', at);
    expect(listed.body['items']).toContainEqual(expect.objectContaining({ id: first.body['id'], name: 'Renamed' }));
    for (const { text } of [first, changed, listed]) expect(text).not.toMatch(/secret|sealed/);
    expect((await owner.call('DELETE', path)).status).toBe(204);
    expect((await owner.call('DELETE', path)).status).toBe(404);
    expect((await owner.call('PATCH', path, { body: {} })).status).toBe(404);
  });

  test('belong to one organisation', async () => {
    const stranger = await api.signUp();
    const mine = await create();
    const path = `${at}/${String(mine.body['id'])}`;
    expect((await stranger.call('PATCH', path, { body: { name: 'Taken over' } })).status).toBe(404);
    expect((await stranger.call('DELETE', path)).status).toBe(404);
    expect((await stranger.call('GET', at)).body).toEqual({ items: [], total: 0 });
    expect((await create({ slug: mine.body['slug'] }, stranger)).status).toBe(409);
  });

  test('are for administrators, and owners are made by owners alone', async () => {
    const [admin, developer] = [await colleague('admin'), await colleague('developer')];
    expect((await create({}, developer)).status).toBe(403);
    expect((await developer.call('GET', at)).status).toBe(403);
    const theirs = await create({ role_map: { ops: 'admin' } }, admin);
    expect(theirs.status).toBe(201);
    expect((await create({ role_map: { boss: 'owner' } }, admin)).status).toBe(403);
    const own = await create({ role_map: { boss: 'owner' } });
    expect(own.status).toBe(201);
    const toOwn = { issuer: 'https://evil.example', client_secret: 'x' };
    expect((await admin.call('PATCH', `${at}/${String(own.body['id'])}`, { body: toOwn })).status).toBe(403);
    const raise = { role_map: { me: 'owner' } };
    expect((await admin.call('PATCH', `${at}/${String(theirs.body['id'])}`, { body: raise })).status).toBe(403);
  });

  test.each([
    ['a private address', { issuer: 'https://10.0.0.1' }],
    ['our own machine', { issuer: 'http://127.0.0.1:9000' }],
    ['our own machine by name', { issuer: 'https://localhost:9000' }],
    ['metadata of a cloud', { issuer: 'http://169.254.169.254/latest' }],
    ['plain http', { issuer: 'http://id.example.com' }],
    ['a user in the address', { issuer: 'https://user:pw@id.example.com' }],
    ['no address', { issuer: 'ftp://id.example.com' }],
  ])('refuse an issuer that is %s', async (_, more) => {
    const refused = await create(more);
    expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'issuer' }] } } });
  });

  test.each([
    ['slug', { slug: 'Not A Slug' }],
    ['scopes', { scopes: ['email'] }],
    ['default_role', { default_role: 'owner' }],
    ['role_map.x', { role_map: { x: 'root' } }],
    ['email_domains.0', { email_domains: ['@example.com'] }],
    ['tenant_id', { tenant_id: 'ten_other' }],
  ])('refuse a wrong %s', async (_, more) => {
    expect(await create(more)).toMatchObject({ status: 422 });
  });

  test('with a new issuer ask for their secret, and forget who people were', async () => {
    const mine = await create();
    const [id, path] = [String(mine.body['id']), `${at}/${String(mine.body['id'])}`];
    const { tenant_id } = await api.db
      .selectFrom('sso_providers')
      .select('tenant_id')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    const identity = { provider_id: id, subject: 's', tenant_id, user_id: owner.userId, email: 'a@example.com' };
    await api.db.insertInto('user_identities').values(identity).execute();
    const issuer = 'https://new.example.com';
    const refused = await owner.call('PATCH', path, { body: { issuer } });
    expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'client_secret' }] } } });
    expect((await owner.call('PATCH', path, { body: { issuer, client_secret: 'new' } })).status).toBe(200);
    const left = await api.db.selectFrom('user_identities').select('subject').where('provider_id', '=', id).execute();
    expect(left).toEqual([]);
  });

  test('are not made for an organisation that is not there', async () => {
    const refused = await send(api.url + at, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        'x-tenant-id': 'ten_nobody',
      },
      body: JSON.stringify(body()),
    });
    expect(refused.status).toBe(404);
  });
});

test('an address that has become private since is refused when it is asked', async () => {
  const mine = await create();
  const [id, slug] = [String(mine.body['id']), String(mine.body['slug'])];
  await api.db.updateTable('sso_providers').set({ issuer: 'http://127.0.0.1:9' }).where('id', '=', id).execute();
  const refused = await send(`${api.url}/v1/auth/sso/${slug}/start`);
  expect(refused).toMatchObject({ status: 502 });
  expect(refused.body.error?.message).toContain('private');
});
