import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { decodeJwt } from 'jose';
import { sql } from 'kysely';
import { createTokenSigner } from '../../api/services/access-tokens.js';
import { refreshServiceAccount } from '../../api/services/service-account-refresh.js';
import { purgeAdmission } from '../../db/admission-upkeep.js';
import { MASTER_KEY, type Person } from '../support/api.js';
import type { Answered } from '../support/http.js';
import {
  bearer,
  signed,
  startAdmission,
  tenantOf,
  VAULT_KEY,
  type Admission,
  type VaultRequest,
  statusesOf,
} from './support.js';

let api: Admission;
let owner: Person;
let tenant: string;
beforeAll(async () => {
  api = await startAdmission();
  owner = await api.signUp();
  tenant = await tenantOf(api, owner);
});
afterAll(() => api.close());
beforeEach(() => sql`delete from rate_limits`.execute(api.db));

const path = '/api/v1/auth/service-accounts/issue';
const build = (more: Partial<VaultRequest> = {}): VaultRequest => ({
  account: 'analytics-batch',
  scopes: ['runs:read', 'analytics:read'],
  tenant_id: tenant,
  ...more,
});
const issue = (request: VaultRequest, headers = signed(request)): Promise<Answered> =>
  api.call('POST', path, { body: request, headers });
const refresh = (token: unknown) =>
  refreshServiceAccount({ db: api.db, signer: createTokenSigner(Buffer.from(MASTER_KEY, 'hex')) }, String(token));

describe('a signed request', () => {
  test('is answered with a refresh token for the account', async () => {
    const { status, body, headers } = await issue(build({ lifetime_minutes: 90, fingerprint: 'ci-1' }));
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
    expect(body).toEqual({
      jti: expect.stringMatching(/^jwt_/),
      refresh_token: expect.any(String),
      issued_at: expect.any(String),
      expires_at: expect.any(String),
      scopes: ['analytics:read', 'runs:read'],
      tenant_id: tenant,
      kid: expect.any(String),
      account: 'analytics-batch',
      token_use: 'refresh',
      session_id: null,
    });
    expect(Date.parse(String(body['expires_at'])) - Date.parse(String(body['issued_at']))).toBe(90 * 60_000);
    expect(decodeJwt(String(body['refresh_token']))).toMatchObject({
      sub: 'service-account:analytics-batch',
      jti: body['jti'],
      token_use: 'refresh',
      tenant_id: tenant,
      scope: 'analytics:read runs:read',
    });
    const row = await api.db
      .selectFrom('service_account_tokens')
      .selectAll()
      .where('jti', '=', String(body['jti']))
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ issued_by: 'vault:ci', fingerprint: 'ci-1' });
    expect(JSON.stringify(row)).not.toContain(body['refresh_token']);
    const entry = await api.db
      .selectFrom('audit_events')
      .selectAll()
      .where('entity_id', '=', String(body['jti']))
      .executeTakeFirstOrThrow();
    expect(entry).toMatchObject({ action: 'serviceAccounts.issue', actor_type: 'vault', actor_id: 'vault:ci' });
  });

  test('its token is changed for access tokens, which open what the scopes say; a refresh token opens nothing', async () => {
    const { body } = await issue(build({ fingerprint: 'opens' }));
    const session = await refresh(body['refresh_token']);
    expect(session).toMatchObject({ refresh_token: body['refresh_token'], tenant_id: tenant, token_type: 'bearer' });
    const headers = bearer(session?.access_token);
    expect((await api.call('GET', '/api/v1/tenants/me', { headers })).body).toMatchObject({ id: tenant });
    expect((await api.call('GET', '/api/v1/tenants/settings', { headers })).status).toBe(403);
    expect((await api.call('GET', '/api/v1/auth/invites', { headers })).status).toBe(403);
    const foreign = { ...headers, 'x-tenant-id': await tenantOf(api, await api.signUp()) };
    expect((await api.call('GET', '/api/v1/tenants/me', { headers: foreign })).status).toBe(403);
    const asAccess = await api.call('GET', '/api/v1/tenants/me', { headers: bearer(body['refresh_token']) });
    expect(asAccess.status).toBe(401);
    expect(await refresh(session?.access_token)).toBeNull();
    expect(await refresh('made.up.token')).toBeNull();
    expect(await refresh(owner.token)).toBeNull();
  });

  test('sent again in other words is answered with the same token, unless a new one is forced', async () => {
    const first = await issue(build());
    const again = await issue(build({ scopes: ['analytics:read', 'runs:read', 'runs:read'] }));
    expect(again.body).toEqual(first.body);
    const forced = await issue(build({ force: true }));
    expect(forced.body['jti']).not.toBe(first.body['jti']);
    const others = [build({ fingerprint: 'other' }), build({ scopes: ['runs:read'] })];
    for (const other of others) expect((await issue(other)).body['jti']).not.toBe(forced.body['jti']);
  });

  test('twice at once makes one token', async () => {
    const request = build({ fingerprint: 'twins' });
    const twins = await Promise.all([issue(request), issue(request)]);
    expect(twins[0]?.body['jti']).toMatch(/^jwt_/);
    expect(twins[0]?.body).toEqual(twins[1]?.body);
  });

  test('a revoked or ended token is not given again, nor one of a shut organisation refreshed', async () => {
    const request = build({ fingerprint: 'ended' });
    const table = () => api.db.updateTable('service_account_tokens').where('fingerprint', '=', 'ended');
    const { body: first } = await issue(request);
    await table().set({ revoked_at: new Date() }).execute();
    expect(await refresh(first['refresh_token'])).toBeNull();
    const { body: second } = await issue(request);
    expect(second['jti']).not.toBe(first['jti']);
    await table()
      .set({ expires_at: new Date(0) })
      .execute();
    expect(await refresh(second['refresh_token'])).toBeNull();
    const { body: third } = await issue(request);
    expect(third['jti']).not.toBe(second['jti']);
    const access = bearer((await refresh(third['refresh_token']))?.access_token);
    await api.db.updateTable('tenants').set({ is_active: false }).where('id', '=', tenant).execute();
    expect(await refresh(third['refresh_token'])).toBeNull();
    expect((await api.call('GET', '/api/v1/tenants/me', { headers: access })).status).toBe(401);
    expect((await issue(build({ force: true }))).status).toBe(400);
    await api.db.updateTable('tenants').set({ is_active: true }).where('id', '=', tenant).execute();
  });
});

describe('the proof', () => {
  const now = (): number => Math.floor(Date.now() / 1_000);

  test('a nonce works once, also at once', async () => {
    const headers = signed(build());
    const both = await Promise.all([issue(build(), headers), issue(build(), headers)]);
    expect(statusesOf(both)).toEqual([201, 401]);
    const replayed = await issue(build(), headers);
    expect([replayed.status, replayed.body.error?.message]).toEqual([401, expect.stringContaining('nonce')]);
    await purgeAdmission(api.db);
    expect((await issue(build(), headers)).status).toBe(401);
  });

  test('is remembered for as long as it could be sent again, then forgotten', async () => {
    await issue(build(), signed(build(), { iat: now(), exp: now() + 600 }));
    const { rows } = await sql<{ left: number }>`select extract(epoch from max(expires_at) - now())::int as left
      from service_account_nonces`.execute(api.db);
    expect(rows[0]?.left).toBeGreaterThan(590);
    await sql`update service_account_nonces set expires_at = now() - interval '1 second'`.execute(api.db);
    await purgeAdmission(api.db);
    expect(await api.db.selectFrom('service_account_nonces').selectAll().execute()).toEqual([]);
  });

  test.each([
    ['another key', () => signed(build(), {}, 'another key altogether, of enough length')],
    ['no signature', () => ({ ...signed(build()), authorization: 'Bearer vault:' })],
    [
      'a signature of something else',
      () => ({ ...signed(build()), 'x-vault-payload': signed(build())['x-vault-payload'] ?? '' }),
    ],
    ['no payload', () => ({ authorization: signed(build())['authorization'] ?? '' })],
    ['nothing', () => ({})],
    ['the development word', () => bearer('dev-local')],
    ["a user's token", () => bearer(owner.token)],
    ['another audience', () => signed(build(), { aud: ['other-service'] })],
    ['no issuer', () => signed(build(), { iss: undefined })],
    ['no subject', () => signed(build(), { sub: '' })],
    ['no nonce', () => signed(build(), { nonce: undefined })],
    ['too late', () => signed(build(), { iat: now() - 605, exp: now() + 60 })],
    ['too early', () => signed(build(), { iat: now() + 60, exp: now() + 120 })],
    ['over', () => signed(build(), { iat: now() - 120, exp: now() - 40 })],
    ['too long', () => signed(build(), { exp: now() + 660 })],
    ['an end before the beginning', () => signed(build(), { iat: now() + 20, exp: now() + 10 })],
    ['another account', () => signed(build(), { account: 'demo-bot' })],
    ['fewer scopes', () => signed(build(), { scopes: ['runs:read'] })],
    ['another organisation', () => signed(build(), { tenant_id: 'ten_other' })],
    ['no organisation', () => signed(build(), { tenant_id: undefined })],
    ['another lifetime', () => signed(build(), { lifetime_minutes: 5 })],
    ['another fingerprint', () => signed(build(), { fingerprint: 'x' })],
    ['claims of a wrong kind', () => signed(build(), { iat: 'now' })],
  ])('with %s is refused', async (_, headersOf) => {
    const refused = await issue(build(), headersOf());
    expect([refused.status, refused.body.error?.code]).toEqual([401, 'authentication_error']);
    expect(refused.text).not.toContain('refresh_token');
  });

  test.each([
    ['the last second of the window', { iat: -595, exp: 60 }],
    ['a clock that is ahead', { iat: 25, exp: 60 }],
    ['one audience as text', { aud: 'auth-service' }],
  ])('with %s is taken', async (_, { iat, exp, ...more }: Record<string, unknown>) => {
    const at = (shift: unknown, preset: number): number => now() + Number(shift ?? preset);
    const headers = signed(build(), { iat: at(iat, 0), exp: at(exp, 120), ...more });
    expect((await issue(build(), headers)).status).toBe(201);
  });

  test('the signature may be base64url too', async () => {
    const headers = signed(build());
    const payload = headers['x-vault-payload'] ?? '';
    const signature = createHmac('sha256', VAULT_KEY).update(payload).digest('base64url');
    const { status } = await issue(build(), { ...headers, authorization: `Bearer vault:${signature}` });
    expect(status).toBe(201);
  });
});

describe('what the catalogue does not allow is 400', () => {
  test.each([
    ['account', { account: 'root' }],
    ['account', { account: 'constructor' }],
    ['scopes', { scopes: [] }],
    ['scopes', { scopes: ['billing:read'] }],
    ['scopes', { scopes: ['runs:read', 'support:*'] }],
    ['tenant_id', { tenant_id: null }],
    ['tenant_id', { tenant_id: 'ten_none' }],
    ['lifetime_minutes', { lifetime_minutes: 43_201 }],
    ['lifetime_minutes', { lifetime_minutes: 0 }],
    ['lifetime_minutes', { lifetime_minutes: -5 }],
  ])('%s of %j', async (field, change) => {
    const refused = await issue(build(change));
    expect([refused.status, refused.body.error?.details[0]?.field]).toEqual([400, field]);
  });

  test('some accounts may stand for the whole installation', async () => {
    const { status, body } = await issue({ account: 'support-console', scopes: ['support:*'] });
    expect([status, body['tenant_id']]).toEqual([201, null]);
    const session = await refresh(body['refresh_token']);
    expect(session).toMatchObject({ tenant_id: null, scopes: ['support:*'] });
  });
});

describe('limits', () => {
  test('5 a minute for one account, of requests that are signed', async () => {
    for (let i = 0; i < 8; i += 1) await issue(build(), {});
    const statuses: number[] = [];
    for (let i = 0; i < 6; i += 1) statuses.push((await issue(build())).status);
    expect(statuses).toEqual([201, 201, 201, 201, 201, 429]);
    const other = { account: 'billing-worker', scopes: ['billing:read'], tenant_id: tenant };
    expect((await issue(other)).status).toBe(201);
  });

  test('30 a minute altogether', async () => {
    await sql`insert into rate_limits (key, points, expire)
      values ('service-account:vault', 30, ${Date.now() + 60_000})`.execute(api.db);
    const refused = await issue(build());
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
  });
});

describe('without a vault', () => {
  test('none are issued', async () => {
    const bare = await startAdmission({ KEELSON_SERVICE_ACCOUNT_KEY: '' });
    try {
      const body = { account: 'support-console', scopes: ['support:read'] };
      const answer = await bare.call('POST', path, { body, headers: bearer('dev-local') });
      expect([answer.status, answer.body.error?.code]).toEqual([503, 'unavailable']);
    } finally {
      await bare.close();
    }
  });

  test.each([
    ['', 201],
    ['production', 503],
  ])('in development the word is enough; NODE_ENV=%s', async (NODE_ENV, status) => {
    const env = { KEELSON_SERVICE_ACCOUNT_KEY: '', KEELSON_SERVICE_ACCOUNT_DEV: 'true', NODE_ENV };
    const bare = await startAdmission(env);
    try {
      const body = { account: 'support-console', scopes: ['support:read'] };
      expect((await bare.call('POST', path, { body, headers: bearer('dev-local') })).status).toBe(status);
      if (status !== 201) return;
      for (const headers of [{}, bearer('vault:x'), signed(body)]) {
        expect((await bare.call('POST', path, { body, headers })).status).toBe(401);
      }
    } finally {
      await bare.close();
    }
  });
});
