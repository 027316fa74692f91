import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addressKey, limitKey } from '../../api/services/special-limits.js';
import { address, bearer, buildRegistration, startAdmission, type Admission, statusesOf } from './support.js';

let api: Admission;
beforeAll(async () => {
  api = await startAdmission({ KEELSON_SIGNUP: 'invite_only' });
});
afterAll(() => api.close());

const inviteRow = (id: string) =>
  api.db.selectFrom('signup_invites').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const reservations = () => api.db.selectFrom('signup_invite_reservations').selectAll().execute();

describe('with an invite', () => {
  test('a person gets an organisation of their own, and is signed in', async () => {
    const { id, token } = await api.invite();
    const given = buildRegistration({ invite_token: token, display_name: 'Ada', plan_code: 'pro', trial_days: 14 });
    const { status, body, headers } = await api.register(given);
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      token_type: 'bearer',
      email_verified: false,
      tenant_slug: String(given['tenant_name']).toLowerCase().replace(' ', '-'),
      scopes: expect.arrayContaining(['billing:manage']),
    });
    expect(Object.keys(body).toSorted()).toEqual([
      'access_token',
      'email_verified',
      'expires_at',
      'expires_in',
      'kid',
      'refresh_expires_at',
      'refresh_kid',
      'refresh_token',
      'scopes',
      'session_id',
      'tenant_id',
      'tenant_slug',
      'token_type',
      'user_id',
    ]);
    const me = await api.call('GET', '/api/v1/tenants/me', { headers: bearer(body['access_token']) });
    expect(me.body).toMatchObject({ id: body['tenant_id'], name: given['tenant_name'], plan: 'FREE' });
    expect(await inviteRow(id)).toMatchObject({ redeemed_count: 1 });
    expect(await reservations()).toEqual([]);
    const { settings } = await api.db
      .selectFrom('tenants')
      .select('settings')
      .where('id', '=', String(body['tenant_id']))
      .executeTakeFirstOrThrow();
    expect(settings).toEqual({ wished: { plan_code: 'pro', trial_days: 14 } });
  });

  test('of two at once with the last place exactly one comes in', async () => {
    const { id, token } = await api.invite();
    const twins = [buildRegistration({ invite_token: token }), buildRegistration({ invite_token: token })];
    const answers = await Promise.all(twins.map((twin) => api.register(twin)));
    expect(statusesOf(answers)).toEqual([201, 403]);
    expect(await inviteRow(id)).toMatchObject({ redeemed_count: 1, max_redemptions: 1 });
    const emails = twins.map(({ email }) => String(email));
    const made = await api.db.selectFrom('users').select('id').where('email', 'in', emails).execute();
    expect(made).toHaveLength(1);
    expect(await reservations()).toEqual([]);
  });

  test('of five at once with two places two come in, and nothing is left of the others', async () => {
    const { id, token } = await api.invite({ max_redemptions: 2 });
    const group = Array.from({ length: 5 }, () => buildRegistration({ invite_token: token }));
    const answers = await Promise.all(group.map((each) => api.register(each)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2);
    expect(answers.filter(({ status }) => status === 403)).toHaveLength(3);
    expect(await inviteRow(id)).toMatchObject({ redeemed_count: 2 });
    const names = group.map(({ tenant_name: name }) => String(name));
    const tenants = await api.db.selectFrom('tenants').select('id').where('name', 'in', names).execute();
    expect(tenants).toHaveLength(2);
  });

  test('a registration that failed gives its place back', async () => {
    const { id, token } = await api.invite();
    const first = buildRegistration({ invite_token: (await api.invite()).token });
    await api.register(first);
    const taken = await api.register(buildRegistration({ invite_token: token, email: first['email'] }));
    expect(taken.status).toBe(409);
    expect(taken.body.error?.message).toMatch(/^email: an account/);
    expect(await inviteRow(id)).toMatchObject({ redeemed_count: 0 });
    expect((await api.register(buildRegistration({ invite_token: token }))).status).toBe(201);
  });

  test('a registration that crashed keeps its place until its time is over', async () => {
    const { id, token } = await api.invite();
    const held = { id: 'inv_crashed', invite_id: id };
    const later = new Date(Date.now() + 60_000);
    await api.db
      .insertInto('signup_invite_reservations')
      .values({ ...held, expires_at: later })
      .execute();
    const given = buildRegistration({ invite_token: token });
    const refused = await api.register(given);
    expect([refused.status, refused.body.error?.message]).toEqual([403, expect.stringContaining('being used')]);
    await api.db
      .updateTable('signup_invite_reservations')
      .set({ expires_at: new Date(0) })
      .execute();
    expect((await api.register(given)).status).toBe(201);
  });

  test('the invite of another address, a revoked, a used up and an expired one open nothing', async () => {
    const bound = await api.invite({ invited_email: 'Ada@Example.com' });
    const revoked = await api.invite();
    await api.admin('POST', `/api/v1/auth/invites/${revoked.id}/revoke`);
    const over = await api.invite();
    await api.db
      .updateTable('signup_invites')
      .set({ expires_at: new Date(0) })
      .where('id', '=', over.id)
      .execute();
    const used = await api.invite();
    await api.register(buildRegistration({ invite_token: used.token }));
    const tokens = [bound.token, revoked.token, over.token, used.token, 'nobody issued this', '', undefined];
    for (const invite_token of tokens) {
      const { status, body } = await api.register(buildRegistration({ invite_token }));
      expect([status, body.error?.message]).toEqual([403, expect.stringMatching(/^invite_token: /)]);
    }
    const right = buildRegistration({ invite_token: bound.token, email: 'ADA@example.com' });
    expect((await api.register(right)).status).toBe(201);
  });

  test("the Studio's sign-up obeys the same", async () => {
    const signUp = (more: object) =>
      api.call('POST', '/v1/auth/signup', {
        body: { email: `studio-${addressTail()}@example.com`, password: 'long enough', ...more },
      });
    expect((await signUp({})).status).toBe(403);
    const { token, id } = await api.invite();
    expect((await signUp({ invite_token: token })).status).toBe(201);
    expect((await signUp({ invite_token: token })).status).toBe(403);
    expect(await inviteRow(id)).toMatchObject({ redeemed_count: 1 });
  });
});

const addressTail = (): string => address().replaceAll('.', '-');

describe('what is refused', () => {
  test.each([
    ['accept_terms', { accept_terms: false }],
    ['accept_terms', { accept_terms: undefined }],
    ['password', { password: 'Short 1' }],
    ['password', { password: 'onlysmallletters' }],
    ['tenant_name', { tenant_name: 'x' }],
    ['email', { email: 'nobody' }],
    ['trial_days', { trial_days: 366 }],
  ])('%s of %j', async (field, change) => {
    const { token } = await api.invite();
    const { status, body } = await api.register(buildRegistration({ invite_token: token, ...change }));
    expect([status, body.error?.details[0]?.field]).toEqual([422, field]);
  });

  test("another organisation's name, and the installation's own", async () => {
    const first = buildRegistration({ invite_token: (await api.invite()).token });
    await api.register(first);
    for (const tenant_name of [String(first['tenant_name']).toUpperCase(), 'Platform']) {
      const { token } = await api.invite();
      const { status, body } = await api.register(buildRegistration({ invite_token: token, tenant_name }));
      expect([status, body.error?.message]).toEqual([409, expect.stringMatching(/^tenant_name: /)]);
    }
  });

  test('nobody makes themselves more than they are', async () => {
    const { token } = await api.invite();
    const more = { is_platform_admin: true, role: 'owner', plan: 'ENTERPRISE', email_verified: true, scopes: ['*'] };
    const { body } = await api.register(buildRegistration({ invite_token: token, ...more, plan_code: 'ENTERPRISE' }));
    expect(body['email_verified']).toBe(false);
    const user = await api.db
      .selectFrom('users')
      .innerJoin('tenants', 'tenants.id', 'users.tenant_id')
      .select(['is_platform_admin', 'plan'])
      .where('users.id', '=', String(body['user_id']))
      .executeTakeFirst();
    expect(user).toEqual({ is_platform_admin: false, plan: 'FREE' });
    const opened = await api.call('GET', '/api/v1/auth/invites', { headers: bearer(body['access_token']) });
    expect(opened.status).toBe(403);
  });

  test('names without Latin letters get slugs of their own', async () => {
    const slugs: unknown[] = [];
    for (let i = 0; i < 2; i += 1) {
      const { token } = await api.invite();
      const { body } = await api.register(buildRegistration({ invite_token: token, tenant_name: '東京店' }));
      slugs.push(body['tenant_slug']);
    }
    expect(new Set(slugs).size).toBe(2);
    expect(slugs).toEqual([expect.stringMatching(/^workspace-/), expect.stringMatching(/^workspace-/)]);
  });
});

describe('limits', () => {
  const used = (key: string, points: number) =>
    api.db
      // -- reason: the counters belong to the limiter's library and stand in no table type
      .insertInto('rate_limits' as never)
      .values({ key, points, expire: Date.now() + 60_000 } as never)
      .execute();

  test('20 an hour from one network, whatever comes of them', async () => {
    const ip = address();
    for (let i = 0; i < 20; i += 1) expect((await api.register(buildRegistration(), ip)).status).toBe(403);
    const refused = await api.register(buildRegistration(), ip);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000);
    expect((await api.register(buildRegistration(), address())).status).toBe(403);
  });

  test('100 a day from one network', async () => {
    const ip = address();
    await used(addressKey('register/day', ip), 100);
    expect((await api.register(buildRegistration(), ip)).status).toBe(429);
  });

  test('3 a day for one address, of those whose invite is good', async () => {
    const { token } = await api.invite({ max_redemptions: 10 });
    const given = buildRegistration();
    for (let i = 0; i < 5; i += 1) expect((await api.register(given)).status).toBe(403);
    const statuses: number[] = [];
    for (const tenant_name of ['A one', 'A two', 'A three', 'A four']) {
      statuses.push((await api.register({ ...given, tenant_name, invite_token: token })).status);
    }
    expect(statuses).toEqual([201, 409, 409, 429]);
  });

  test('20 a day for one domain', async () => {
    await used(limitKey('register/domain', 'busy.example'), 20);
    const { token } = await api.invite();
    const refused = await api.register(buildRegistration({ email: 'a@busy.example', invite_token: token }));
    expect([refused.status, refused.body.error?.message]).toEqual([429, expect.stringContaining('this domain')]);
  });
});
