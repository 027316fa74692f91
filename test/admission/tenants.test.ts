import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mergeSettings } from '../../api/services/merge-settings.js';
import type { Person } from '../support/api.js';
import { startAdmission, tenantOf, type Admission } from './support.js';

let api: Admission;
let owner: Person;
let stranger: Person;
beforeAll(async () => {
  api = await startAdmission();
  owner = await api.signUp();
  stranger = await api.signUp();
});
afterAll(() => api.close());

const me = '/api/v1/tenants/me';
const settings = '/api/v1/tenants/settings';
const as = (role: string) => ({ headers: { 'x-tenant-role': role } });

describe(me, () => {
  test('tells the organisation, with settings nobody set yet', async () => {
    const { status, body } = await owner.call('GET', me, as('viewer'));
    expect(status).toBe(200);
    expect(body).toEqual({
      id: await tenantOf(api, owner),
      slug: expect.any(String),
      name: expect.stringMatching(/^Shop/),
      plan: 'FREE',
      is_active: true,
      mfa_policy: 'off',
      settings: {
        webhook_url: null,
        default_language: null,
        supported_languages: [],
        feature_flags: {},
        api_config: { base_url: null, timeout: null, retry_count: null },
        endpoints: {},
      },
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
  });

  test('changes are merged; null takes away; what others keep there stays', async () => {
    const person = await api.signUp();
    const id = await tenantOf(api, person);
    const others = JSON.stringify({ egress: { allow: ['crm.example'], deny: [] } });
    await api.db.updateTable('tenants').set({ settings: others }).where('id', '=', id).execute();
    const first = {
      name: 'New name',
      settings: {
        webhook_url: 'https://hooks.example.com/in',
        supported_languages: ['en', 'de'],
        feature_flags: { beta: true, old: true },
        api_config: { base_url: 'https://api.example.com', timeout: 30 },
        endpoints: { orders: { path: '/orders', method: 'GET' } },
      },
    };
    expect((await person.call('PATCH', me, { body: first })).status).toBe(200);
    const { status, body } = await person.call('PATCH', me, {
      body: {
        settings: { feature_flags: { old: null, next: false }, api_config: { retry_count: 3 }, webhook_url: null },
      },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: 'New name' });
    expect(body['settings']).toEqual({
      webhook_url: null,
      default_language: null,
      supported_languages: ['en', 'de'],
      feature_flags: { beta: true, next: false },
      api_config: { base_url: 'https://api.example.com', timeout: 30, retry_count: 3 },
      endpoints: { orders: { path: '/orders', method: 'GET' } },
    });
    expect((await person.call('GET', me)).body['settings']).toEqual(body['settings']);
    const row = await api.db.selectFrom('tenants').select('settings').where('id', '=', id).executeTakeFirstOrThrow();
    expect(row.settings).toMatchObject({ egress: { allow: ['crm.example'], deny: [] } });
  });

  test.each([
    ['plan', { plan: 'ENTERPRISE' }],
    ['is_active', { is_active: false }],
    ['slug', { slug: 'other' }],
    ['settings.egress', { settings: { egress: { allow: ['*'] } } }],
    ['settings.webhook_url', { settings: { webhook_url: 'http://hooks.example.com' } }],
    ['settings.webhook_url', { settings: { webhook_url: 'https://127.0.0.1/x' } }],
    ['settings.webhook_url', { settings: { webhook_url: 'https://169.254.169.254/latest' } }],
    ['settings.webhook_url', { settings: { webhook_url: 'https://0x7f000001/x' } }],
    ['settings.webhook_url', { settings: { webhook_url: 'javascript:alert(1)' } }],
    ['settings.api_config.base_url', { settings: { api_config: { base_url: 'http://localhost:1' } } }],
    ['settings.endpoints.half.method', { settings: { endpoints: { half: { path: '/x' } } } }],
    ['settings.feature_flags.beta', { settings: { feature_flags: { beta: 'yes' } } }],
    ['name', { name: 'x' }],
  ])('%s is refused in %j', async (field, body) => {
    const refused = await owner.call('PATCH', me, { body });
    expect([refused.status, refused.body.error?.details[0]?.field]).toEqual([422, field]);
  });

  test('small changes do not add up to too much', async () => {
    const person = await api.signUp();
    const flags = (from: number) => Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`flag${from + i}`, true]));
    const change = (from: number) => person.call('PATCH', me, { body: { settings: { feature_flags: flags(from) } } });
    expect((await change(0)).status).toBe(200);
    expect((await change(100)).status).toBe(422);
  });

  test('an administrator changes it, an owner the second factor, nobody else anything', async () => {
    const change = (role: string, body: object) => owner.call('PATCH', me, { body, ...as(role) });
    expect((await change('developer', { name: 'Mine now' })).status).toBe(403);
    expect((await change('member', { name: 'Mine now' })).status).toBe(403);
    expect((await change('admin', { name: 'By an admin' })).status).toBe(200);
    expect((await change('admin', { mfa_policy: 'off' })).status).toBe(403);
    const person = await api.signUp();
    const changed = await person.call('PATCH', me, { body: { mfa_policy: 'sensitive' } });
    expect(changed.body).toMatchObject({ mfa_policy: 'sensitive' });
    const again = await person.call('PATCH', me, { body: { mfa_policy: 'off' } });
    expect([again.status, again.body['code']]).toEqual([403, 'mfa_required']);
  });

  test('two changes at once both count', async () => {
    const person = await api.signUp();
    const change = (flag: string) =>
      person.call('PATCH', me, { body: { settings: { feature_flags: { [flag]: true } } } });
    await Promise.all(['a', 'b', 'c', 'd'].map(change));
    const { body } = await person.call('GET', me);
    expect(body['settings']).toMatchObject({ feature_flags: { a: true, b: true, c: true, d: true } });
  });

  test("nobody reaches another organisation's, and there is none of an unknown id", async () => {
    const headers = { 'x-tenant-id': await tenantOf(api, owner) };
    expect((await stranger.call('GET', me, { headers })).status).toBe(403);
    expect((await stranger.call('PATCH', me, { headers, body: { name: 'Mine' } })).status).toBe(403);
    expect((await api.admin('GET', me, { headers })).body).toMatchObject({ id: headers['x-tenant-id'] });
    for (const path of [me, settings]) {
      expect((await api.admin('GET', path, { headers: { 'x-tenant-id': 'ten_none' } })).status).toBe(404);
    }
  });
});

describe(settings, () => {
  const contact = { name: 'Ada', email: 'ada@example.com' };
  const build = (more: object = {}) => ({
    billing_contacts: [contact],
    billing_webhook_url: 'https://hooks.example.com/billing',
    plan_metadata: { seats: '5' },
    flags: { invoices: true },
    ...more,
  });

  test('are empty before they are set, and replaced as a whole', async () => {
    const tenant_id = await tenantOf(api, owner);
    const none = { billing_contacts: [], billing_webhook_url: null, plan_metadata: {}, flags: {}, updated_at: null };
    expect((await owner.call('GET', settings)).body).toEqual({ tenant_id, ...none });
    const put = await owner.call('PUT', settings, { body: build() });
    expect([put.status, put.body]).toEqual([
      200,
      {
        tenant_id,
        ...build({ billing_contacts: [{ ...contact, role: null, phone: null, notify_billing: true }] }),
        updated_at: expect.any(String),
      },
    ]);
    expect((await owner.call('GET', settings)).body).toEqual(put.body);
    const emptied = { billing_contacts: [], plan_metadata: {}, flags: {} };
    await owner.call('PUT', settings, { body: emptied });
    expect((await owner.call('GET', settings)).body).toMatchObject({ ...emptied, billing_webhook_url: null });
    expect((await stranger.call('GET', settings)).body).toMatchObject(none);
  });

  test.each([
    [400, 'billing_contacts', { billing_contacts: Array.from({ length: 11 }, () => contact) }],
    [422, 'other', { other: 1 }],
    [422, 'billing_contacts.0.other', { billing_contacts: [{ ...contact, other: 1 }] }],
    [422, 'billing_contacts.0.email', { billing_contacts: [{ ...contact, email: 'ada' }] }],
    [422, 'billing_contacts.0.name', { billing_contacts: [{ ...contact, name: '' }] }],
    [422, 'billing_webhook_url', { billing_webhook_url: 'http://hooks.example.com' }],
    [422, 'billing_webhook_url', { billing_webhook_url: 'https://10.0.0.1/' }],
    [422, 'plan_metadata.seats', { plan_metadata: { seats: 5 } }],
    [422, 'flags', { flags: undefined }],
    [422, 'tenant_id', { tenant_id: 'ten_other' }],
  ])('%i for %s', async (status, field, change) => {
    const refused = await owner.call('PUT', settings, { body: build(change) });
    expect([refused.status, refused.body.error?.details[0]?.field]).toEqual([status, field]);
  });

  test('are for administrators and owners of that organisation', async () => {
    for (const role of ['developer', 'editor', 'viewer']) {
      expect((await owner.call('GET', settings, as(role))).status).toBe(403);
      expect((await owner.call('PUT', settings, { body: build(), ...as(role) })).status).toBe(403);
    }
    expect((await owner.call('GET', settings, as('admin'))).status).toBe(200);
    const headers = { 'x-tenant-id': await tenantOf(api, owner) };
    expect((await stranger.call('PUT', settings, { body: build(), headers })).status).toBe(403);
    expect((await api.call('GET', settings)).status).toBe(401);
  });
});

test('a merge goes deep, replaces lists and leaves no prototype behind', () => {
  const merged = mergeSettings(
    { a: { b: 1, c: [1] }, d: 2 },
    JSON.parse('{"a":{"c":[2],"__proto__":{"x":1}},"d":null}'),
  );
  expect(merged['a']).toMatchObject({ b: 1, c: [2] });
  expect(merged).not.toHaveProperty('d');
  expect(Object.getPrototypeOf(merged['a'])).toBe(Object.prototype);
});
