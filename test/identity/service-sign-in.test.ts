import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTokenSigner } from '../../api/services/access-tokens.js';
import type { RefreshServiceAccount } from '../../api/services/auth.js';
import { addressKey } from '../../api/services/special-limits.js';
import {
  accountOf,
  auditActions,
  caller,
  countIn,
  newAccount,
  newIp,
  PASSWORD,
  type Account,
} from '../support/account.js';
import { ADMIN_TOKEN, MASTER_KEY, startTestApi, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { createWorld } from './support.js';

let api: TestApi;
let call: ReturnType<typeof caller>;
beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal, env: { TRUST_PROXY: 'true' } });
  call = caller(api);
});
afterAll(() => api.close());

const signIn = (email: string, more: object = {}, headers: Record<string, string> = {}) =>
  call('POST', '/api/v1/auth/token', { body: { email, password: PASSWORD, ...more }, headers });
const refresh = (refresh_token: string) => call('POST', '/api/v1/auth/refresh', { body: { refresh_token } });
const me = ({ token }: Account) => call('GET', '/api/v1/auth/me', { token });

/** Lets a user be a member of another's organisation too. */
async function join(member: Account, host: Account): Promise<void> {
  const { id } = await api.db
    .selectFrom('workspaces')
    .select('id')
    .where('tenant_id', '=', host.tenantId)
    .executeTakeFirstOrThrow();
  await api.db.insertInto('memberships').values({ user_id: member.userId, workspace_id: id, role: 'viewer' }).execute();
}

describe('token', () => {
  test('answers the whole session, kept by no cache', async () => {
    const { email } = await newAccount(api);
    const { status, headers, body } = await signIn(email);
    expect([status, headers.get('cache-control'), headers.get('set-cookie')]).toEqual([200, 'no-store', null]);
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
      'token_type',
      'user_id',
    ]);
    expect(body).toMatchObject({ token_type: 'bearer', expires_in: 1800, email_verified: false });
    expect(body['scopes']).toContain('support:read');
  });

  test('says the same of a wrong password and of an address without an account', async () => {
    const { email } = await newAccount(api);
    const wrong = await signIn(email, { password: 'not the password' });
    const unknown = await signIn('nobody@example.com', { password: 'not the password' });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(wrong.text).toBe(unknown.text);
  });

  test('is 423 after five failures, also for an address nobody has, and then for the right password', async () => {
    const { email } = await newAccount(api);
    for (const address of [email, 'locked-nobody@example.com']) {
      for (let i = 0; i < 4; i += 1) await signIn(address, { password: 'not the password' });
      const fifth = await signIn(address, { password: 'not the password' });
      expect([fifth.status, Number(fifth.headers.get('retry-after')) > 3_500]).toEqual([423, true]);
    }
    expect((await signIn(email)).status).toBe(423);
  });

  test('is 403 for a disabled account, and only to who knows its password', async () => {
    const { email, userId } = await newAccount(api);
    await api.db.updateTable('users').set({ disabled_at: new Date() }).where('id', '=', userId).execute();
    expect((await signIn(email)).status).toBe(403);
    expect((await signIn(email, { password: 'not the password' })).status).toBe(401);
  });

  test('asks members of several organisations for tenant_id', async () => {
    const [member, host, stranger] = [await newAccount(api), await newAccount(api), await newAccount(api)];
    await join(member, host);
    const { status, body } = await signIn(member.email);
    expect([status, body.error?.details[0]?.field]).toEqual([400, 'tenant_id']);
    expect(body['tenants']).toHaveLength(2);
    expect((await signIn(member.email, { tenant_id: host.tenantId })).body).toMatchObject({ tenant_id: host.tenantId });
    expect((await signIn(member.email, { tenant_id: stranger.tenantId })).status).toBe(400);
    expect((await signIn(member.email, { password: 'not the password' })).status).toBe(401);
  });

  test('is 429 after fifty failures from one address; what is right does not count', async () => {
    const { email } = await newAccount(api);
    const ip = newIp();
    const from = (address: string, password: string) =>
      call('POST', '/api/v1/auth/token', { body: { email: address, password }, ip });
    await countIn(api, addressKey('sign-in', ip), 48);
    for (const [name, password, status] of [
      [email, PASSWORD, 200],
      ['spray1@example.com', 'not the password', 401],
      [email, PASSWORD, 200],
      ['spray2@example.com', 'not the password', 401],
    ] as const) {
      expect((await from(name, password)).status).toBe(status);
    }
    const refused = await from(email, PASSWORD);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
    expect((await signIn(email)).status).toBe(200);
  });

  test.each([
    ['no address', { email: 'nobody' }, 'email'],
    ['a short password', { password: 'short' }, 'password'],
  ])('is 422 for %s', async (_, more, field) => {
    const { status, body } = await signIn('somebody@example.com', more);
    expect([status, body.error?.details[0]?.field]).toEqual([422, field]);
  });
});

describe('refresh', () => {
  test('gives a new pair; the used token ends the session', async () => {
    const account = await newAccount(api);
    const { status, body } = await refresh(account.refresh);
    const next = accountOf(account.email, body);
    expect([status, next.session, next.refresh === account.refresh]).toEqual([200, account.session, false]);
    const again = await refresh(next.refresh);
    expect(again.status).toBe(200);
    expect((await refresh(account.refresh)).status).toBe(401);
    expect((await refresh(String(again.body['refresh_token']))).status).toBe(401);
    expect((await me(next)).status).toBe(401);
    expect(await auditActions(api, account.userId)).toContain('auth.refresh_reused');
  });

  test('takes no access token, no made-up one and none of a service account that is not known', async () => {
    const account = await newAccount(api);
    const signer = createTokenSigner(Buffer.from(MASTER_KEY, 'hex'));
    const [issuedAt, expiresAt] = [new Date(), new Date(Date.now() + 60_000)];
    const claims = { account: 'demo-bot', jti: 'jwt_x', tenantId: null, scopes: [], issuedAt, expiresAt };
    for (const token of [account.token, 'a.b.c', await signer.signServiceAccount('refresh', claims)]) {
      expect((await refresh(token)).status).toBe(401);
    }
    expect((await refresh('')).status).toBe(422);
  });

  test('of a service account is left to who knows those, and never reaches people’s sessions', async () => {
    const masterKey = Buffer.from(MASTER_KEY, 'hex');
    const [issuedAt, expiresAt] = [new Date(), new Date(Date.now() + 60_000)];
    const claims = { account: 'demo-bot', jti: 'jwt_x', tenantId: null, scopes: [], issuedAt, expiresAt };
    const token = await createTokenSigner(masterKey).signServiceAccount('refresh', claims);
    const asked: string[] = [];
    const refreshServiceAccount: RefreshServiceAccount = (given) => {
      asked.push(given);
      return Promise.resolve(null);
    };
    const { services } = createWorld(api.db, { masterKey, refreshServiceAccount });
    const client = { ip: '192.0.2.1', requestId: 'req_test', userAgent: null };
    await expect(services.auth.refreshToken(token, client)).rejects.toMatchObject({ status: 401 });
    const account = await newAccount(api);
    expect(await services.auth.refreshToken(account.refresh, client)).toMatchObject({ session_id: account.session });
    expect(asked).toEqual([token]);
  });

  test('does not take a refresh token as access', async () => {
    const account = await newAccount(api);
    expect((await call('GET', '/api/v1/auth/me', { token: account.refresh })).status).toBe(401);
  });
});

describe('logout', () => {
  const logout = ({ token }: Account, refresh_token: string) =>
    call('POST', '/api/v1/auth/logout', { token, body: { refresh_token } });

  test('ends the session once', async () => {
    const [account, other] = [await newAccount(api), await newAccount(api)];
    const second = accountOf(account.email, (await signIn(account.email)).body);
    expect((await logout(account, second.refresh)).body).toMatchObject({ success: true, data: { revoked: true } });
    expect((await logout(account, second.refresh)).body).toMatchObject({ success: true, data: { revoked: false } });
    expect((await me(second)).status).toBe(401);
    expect((await me(account)).status).toBe(200);
    expect((await logout(account, other.refresh)).status).toBe(403);
    expect((await me(other)).status).toBe(200);
    expect((await logout(account, 'made.up.token')).status).toBe(401);
  });

  test('of all ends every session and counts them', async () => {
    const account = await newAccount(api);
    const before = await api.db.selectFrom('sessions').select('id').where('user_id', '=', account.userId).execute();
    const { body } = await call('POST', '/api/v1/auth/logout/all', { token: account.token });
    expect(body).toMatchObject({ success: true, data: { revoked: before.length } });
    expect((await me(account)).status).toBe(401);
    expect((await refresh(account.refresh)).status).toBe(401);
    expect(await auditActions(api, account.userId)).toContain('auth.logout_all');
  });
});

describe('sessions', () => {
  const CHROME =
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
  const sessions = (token: string, query = '') => call('GET', `/api/v1/auth/sessions${query}`, { token });

  test.each([
    [
      { 'cf-ipcity': 'Köln', 'cf-region': 'NRW', 'cf-ipcountry': 'DE' },
      { city: 'Köln', region: 'NRW', country: 'DE' },
    ],
    [{ 'cloudfront-viewer-country': 'FR' }, { city: null, region: null, country: 'FR' }],
    [{ 'cf-ipcountry': 'XX' }, null],
  ])('say where they were begun as the proxy in front tells: %j', async (told, location) => {
    const { email } = await newAccount(api);
    // proxies send the bytes of UTF-8
    const headers = Object.entries(told).map(([name, value]) => [name, Buffer.from(value).toString('latin1')] as const);
    const { body } = await signIn(email, {}, Object.fromEntries(headers));
    const { body: listed } = await sessions(String(body['access_token']), '?limit=1');
    expect(listed['sessions']).toMatchObject([{ location }]);
  });

  test('show the client and a masked address, and which one this is', async () => {
    const { email } = await newAccount(api);
    const signed = await signIn(email, {}, { 'user-agent': CHROME, 'x-forwarded-for': '203.0.113.77' });
    const account = accountOf(email, signed.body);
    const { status, text, body } = await sessions(account.token, '?limit=1');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      total: 3,
      limit: 1,
      offset: 0,
      sessions: [
        {
          id: account.session,
          tenant_id: account.tenantId,
          ip_address_masked: '203.0.113.*',
          client: { platform: 'Windows NT 10.0', browser: 'Chrome 131.0.0.0', device: 'desktop', user_agent: CHROME },
          fingerprint: null,
          location: null,
          revoked_at: null,
          current: true,
        },
      ],
    });
    expect(text).not.toContain('203.0.113.77');
  });

  test('end once, and are listed afterwards only when asked for', async () => {
    const account = await newAccount(api);
    const second = accountOf(account.email, (await signIn(account.email)).body);
    const end = (id: string) => call('DELETE', `/api/v1/auth/sessions/${id}`, { token: account.token });
    expect((await end(second.session)).status).toBe(200);
    expect((await end(second.session)).status).toBe(404);
    expect((await end((await newAccount(api)).session)).status).toBe(404);
    expect((await me(second)).status).toBe(401);
    const ids = async (query: string) =>
      ((await sessions(account.token, query)).body['sessions'] as { id: string }[]).map(({ id }) => id);
    expect(await ids('')).not.toContain(second.session);
    expect(await ids('?include_revoked=true')).toContain(second.session);
    expect(await ids('?tenant_id=ten_other')).toEqual([]);
    expect((await sessions(account.token, '?limit=0')).status).toBe(422);
    expect(await auditActions(api, second.session)).toEqual(['userSessions.revoke']);
  });

  test('are, like all that is a person’s own, closed to keys and tokens', async () => {
    for (const path of ['/sessions', '/me']) {
      expect((await call('GET', `/api/v1/auth${path}`, { token: ADMIN_TOKEN })).status).toBe(403);
    }
  });
});

test('me shows the payload of the token', async () => {
  const account = await newAccount(api);
  expect((await me(account)).body).toMatchObject({
    success: true,
    data: {
      user_id: account.userId,
      token_payload: {
        sub: `user:${account.userId}`,
        sid: account.session,
        tenant_id: account.tenantId,
        roles: ['owner'],
        token_use: 'access',
        email_verified: false,
      },
    },
  });
});
