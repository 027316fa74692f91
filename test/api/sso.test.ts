import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import type { AnyBody } from '../support/http.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  createBrowser,
  startIdentityProvider,
  type Browser,
  type IdentityProvider,
  type IdpPerson,
} from '../support/identity-provider.js';
import { silentTemporal } from '../support/silent-temporal.js';

const app = 'https://app.example.com';
const publicUrl = 'http://127.0.0.1:9';
const callback = `${publicUrl}/v1/auth/sso/acme/callback`;
let idp: IdentityProvider;
let api: TestApi;
let owner: Person;
let providerId: string;

beforeAll(async () => {
  idp = await startIdentityProvider([callback]);
  api = await startTestApi({
    temporal: silentTemporal,
    env: { KEELSON_EGRESS_ALLOW: idp.address, KEELSON_PUBLIC_URL: publicUrl, CORS_ORIGINS: app },
  });
  owner = await api.signUp();
  const made = await owner.call('POST', '/v1/sso/providers', {
    body: {
      ...{ name: 'Acme', slug: 'acme', issuer: idp.issuer, client_id: CLIENT_ID, client_secret: CLIENT_SECRET },
      ...{ scopes: ['openid', 'email', 'profile', 'groups'], role_claim: 'realm_access.roles' },
      ...{ role_map: { ops: 'admin', dev: 'developer', boss: 'owner' }, email_domains: ['acme.test'] },
    },
  });
  expect(made.status).toBe(201);
  providerId = String(made.body['id']);
});
afterAll(async () => {
  await api.close();
  await idp.close();
});

const set = (body: object) => owner.call('PATCH', `/v1/sso/providers/${providerId}`, { body });
const named = (name: string, more: object = {}): IdpPerson => ({
  ...{ sub: `sub-${name}`, email: `${name}@acme.test`, email_verified: true, name },
  realm_access: { roles: ['dev'] },
  ...more,
});

/** Up to the callback's address, which the provider has sent the browser to. */
async function comeBack(browser: Browser, person: IdpPerson, { amr = ['pwd'], query = '' } = {}): Promise<URL> {
  idp.become(person, amr);
  const came = await browser.follow(`${api.url}/v1/auth/sso/acme/start${query}`, callback);
  return new URL(came.replace(publicUrl, api.url));
}

interface Came {
  readonly status: number;
  readonly location: string | null;
  readonly body: AnyBody;
  readonly text: string;
}

async function open(browser: Browser, url: URL): Promise<Came> {
  const response = await browser.visit(url.href);
  const text = await response.text();
  // -- reason: a test looks into what came
  const body = (JSON.parse(text) ?? {}) as AnyBody;
  return { status: response.status, location: response.headers.get('location'), body, text };
}

async function signIn(person: IdpPerson, more: { amr?: string[]; query?: string } = {}): Promise<Came> {
  const browser = createBrowser();
  return open(browser, await comeBack(browser, person, more));
}

const idOf = ({ body }: Came): string => (body['user'] as { readonly id: string }).id;
async function roleOf(userId: string): Promise<readonly string[]> {
  const rows = (table: 'tenant_members' | 'memberships') =>
    api.db.selectFrom(table).select('role').where('user_id', '=', userId).execute();
  return [...(await rows('tenant_members')), ...(await rows('memberships'))].map(({ role }) => role);
}
const bearer = ({ body }: Came) => ({ authorization: `Bearer ${String(body['access_token'])}` });

describe('signing in', () => {
  test('makes the account, the role and the session', async () => {
    const came = await signIn(named('ada'));
    expect(came).toMatchObject({
      status: 200,
      body: {
        token_type: 'bearer',
        user: { email: 'ada@acme.test', name: 'ada' },
        workspace: { id: owner.workspace.id, role: 'developer' },
      },
    });
    expect(came.body).not.toHaveProperty('refresh_token');
    expect(await roleOf(idOf(came))).toEqual(['developer', 'developer']);
    expect((await fetch(`${api.url}/v1/runs`, { headers: bearer(came) })).status).toBe(200);
    const audited = await owner.call('GET', '/v1/audit?action=auth.sso_signup');
    expect(audited.body['items']).toContainEqual(expect.objectContaining({ entity_id: idOf(came) }));
  });

  test('gives the browser its cookies, and goes where it came from', async () => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'), { query: `?return_to=${encodeURIComponent(`${app}/home?a=1`)}` });
    expect(browser.cookie(api.url, 'keelson_sso')).toBeDefined();
    expect(await open(browser, url)).toMatchObject({ status: 302, location: `${app}/home?a=1` });
    expect(browser.cookie(api.url, 'keelson_access')).toBeDefined();
    expect(browser.cookie(api.url, 'keelson_refresh')).toBeDefined();
    expect(browser.cookie(api.url, 'keelson_sso')).toBeUndefined();
    const local = await signIn(named('ada'), { query: '?return_to=/docs%3Fq=1%23here' });
    expect(local).toMatchObject({ status: 302, location: '/docs?q=1#here' });
  });

  test.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '/.//evil.example',
    'javascript:alert(1)',
    '',
  ])('goes nowhere else: %s', async (target) => {
    const refused = await fetch(`${api.url}/v1/auth/sso/acme/start?return_to=${encodeURIComponent(target)}`, {
      redirect: 'manual',
    });
    expect(refused.status).toBe(422);
  });

  test('follows the claims up and down, the strongest of several', async () => {
    const up = await signIn(named('max', { realm_access: { roles: ['nothing', 'dev', 'ops'] } }));
    expect(await roleOf(idOf(up))).toEqual(['admin', 'admin']);
    const down = await signIn(named('max', { realm_access: { roles: 'dev' } }));
    expect(idOf(down)).toBe(idOf(up));
    expect(await roleOf(idOf(up))).toEqual(['developer', 'developer']);
  });

  test('without a mapped role is refused, or gives the default', async () => {
    for (const claims of [{ realm_access: {} }, { realm_access: { roles: ['constructor', '__proto__'] } }])
      expect(await signIn(named('eve', claims))).toMatchObject({ status: 403 });
    await set({ default_role: 'viewer' });
    const came = await signIn(named('eve', { realm_access: 'broken' }));
    await set({ default_role: null });
    expect(came.body).toMatchObject({ workspace: { role: 'viewer' } });
  });

  test('asks the user information for what the ID token does not tell', async () => {
    const came = await signIn(named('uma', { tells_late: true, realm_access: { roles: ['ops'] } }));
    expect(came.body).toMatchObject({ user: { email: 'uma@acme.test', name: 'uma' }, workspace: { role: 'admin' } });
  });

  test('reads a claim whose name holds dots', async () => {
    await set({ role_claim: 'https://example.com/roles' });
    const came = await signIn(named('ida', { 'https://example.com/roles': ['ops'] }));
    await set({ role_claim: 'realm_access.roles' });
    expect(came.body).toMatchObject({ workspace: { role: 'admin' } });
  });

  test('with several factors at the provider counts as such here', async () => {
    const policy = (mfa_policy: 'off' | 'always') =>
      api.db.updateTable('tenants').set({ mfa_policy }).where('id', '=', ofTenant).execute();
    const { tenant_id: ofTenant } = await api.db
      .selectFrom('users')
      .select('tenant_id')
      .where('id', '=', owner.userId)
      .executeTakeFirstOrThrow();
    const [strong, weak] = [await signIn(named('mia'), { amr: ['pwd', 'mfa'] }), await signIn(named('mia'))];
    await policy('always');
    const ask = async (came: Came) => (await fetch(`${api.url}/v1/runs`, { headers: bearer(came) })).status;
    const statuses = [await ask(strong), await ask(weak)];
    await policy('off');
    expect(statuses).toEqual([200, 403]);
  });
});

describe('an account that exists', () => {
  const emailOf = async (person: Person): Promise<string> =>
    (await api.db.selectFrom('users').select('email').where('id', '=', person.userId).executeTakeFirstOrThrow()).email;

  test('of the same organisation is linked, and its last owner stays one', async () => {
    await set({ email_domains: [] });
    const email = await emailOf(owner);
    const lowered = await signIn(named('boss', { email }));
    expect(lowered).toMatchObject({ status: 409 });
    const came = await signIn(named('boss', { email, realm_access: { roles: ['boss'] } }));
    await set({ email_domains: ['acme.test'] });
    expect(idOf(came)).toBe(owner.userId);
    expect(await roleOf(owner.userId)).toEqual(['owner', 'owner']);
  });

  test('of another organisation is not', async () => {
    const stranger = await api.signUp();
    await set({ email_domains: [] });
    const came = await signIn(named('thief', { email: await emailOf(stranger) }));
    await set({ email_domains: ['acme.test'] });
    expect(came.status).toBe(403);
    expect(
      await api.db.selectFrom('user_identities').select('subject').where('subject', '=', 'sub-thief').execute(),
    ).toEqual([]);
  });

  test('is known by its subject, whatever its address has become', async () => {
    const before = await signIn(named('kim'));
    const after = await signIn(named('kim', { email: 'kim.new@acme.test' }));
    expect(idOf(after)).toBe(idOf(before));
  });

  test('that is disabled stays out', async () => {
    const came = await signIn(named('off'));
    await api.db.updateTable('users').set({ disabled_at: new Date() }).where('id', '=', idOf(came)).execute();
    expect(await signIn(named('off'))).toMatchObject({ status: 403 });
  });

  test('opens nothing of other organisations by this way', async () => {
    const came = await signIn(named('guest'));
    const elsewhere = await api.signUp();
    const headers = { ...bearer(came), 'x-workspace-id': elsewhere.workspace.id };
    const ask = () => fetch(`${api.url}/v1/runs`, { headers });
    await api.db
      .insertInto('memberships')
      .values({ user_id: idOf(came), workspace_id: elsewhere.workspace.id, role: 'admin' })
      .execute();
    expect((await ask()).status).toBe(403);
    await api.db.updateTable('sessions').set({ bound_tenant_id: null }).where('user_id', '=', idOf(came)).execute();
    expect((await ask()).status).toBe(200);
  });
});

describe('what the provider says', () => {
  test.each([
    ['an unverified address', { email_verified: false }],
    ['an address it says nothing of', { email_verified: undefined }],
    ['no address', { email: undefined }],
    ['a broken address', { email: 'x@acme.test\nBcc: y' }],
    ['an address of another domain', { email: 'x@evil.example' }],
    ['an address of a domain that only ends alike', { email: 'x@notacme.test' }],
  ])('with %s lets nobody in', async (_, claims) => {
    const came = await signIn(named('nina', claims));
    expect(came).toMatchObject({ status: 403 });
    expect(came.body.error?.message).toMatch(/[.]$/);
    expect(await api.db.selectFrom('users').select('id').where('email', 'like', 'nina%').execute()).toEqual([]);
  });

  test.each([
    ['nonce', { nonce: 'of another sign-in' }],
    ['verifier', { verifier: 'x'.repeat(43) }],
  ])('is refused for a wrong %s', async (_, change) => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'));
    await api.db.updateTable('sso_states').set(change).execute();
    const came = await open(browser, url);
    expect(came).toMatchObject({ status: 401 });
    expect(came.text).not.toMatch(/nonce|grant|token/);
  });

  test('is refused from a foreign issuer', async () => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'));
    url.searchParams.set('iss', 'https://evil.example');
    expect(await open(browser, url)).toMatchObject({ status: 401 });
    await set({ issuer: idp.issuer.replace('127.0.0.1', 'localhost'), client_secret: CLIENT_SECRET });
    const response = await fetch(`${api.url}/v1/auth/sso/acme/start`, { redirect: 'manual' });
    await set({ issuer: idp.issuer, client_secret: CLIENT_SECRET });
    expect(response.status).toBe(502);
  });

  test('is told when it is a refusal, and never word by word', async () => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'));
    url.searchParams.delete('code');
    url.searchParams.set('error', 'access_denied');
    url.searchParams.set('error_description', 'secret words');
    const came = await open(browser, url);
    expect(came).toMatchObject({ status: 403 });
    expect(came.body.error?.message).toContain('access_denied');
    expect(came.text).not.toContain('secret words');
  });

  test('is refused for a wrong secret', async () => {
    await set({ client_secret: 'another' });
    const came = await signIn(named('ada'));
    await set({ client_secret: CLIENT_SECRET });
    expect(came).toMatchObject({ status: 401 });
  });
});

describe('a sign-in under way', () => {
  test('is finished once', async () => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'));
    const cookie = browser.cookie(api.url, 'keelson_sso') ?? '';
    expect((await open(browser, url)).status).toBe(200);
    const again = await fetch(url, { headers: { cookie: `keelson_sso=${cookie}` }, redirect: 'manual' });
    expect(again.status).toBe(400);
  });

  test('is finished in its own browser, in time, and of its own provider', async () => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'));
    expect(await open(createBrowser(), url)).toMatchObject({ status: 400 });
    const thief = createBrowser();
    await comeBack(thief, named('thief'));
    expect(await open(thief, url)).toMatchObject({ status: 400 });
    const wrong = new URL(url);
    wrong.searchParams.set('state', 'made up');
    expect(await open(browser, wrong)).toMatchObject({ status: 400 });
    await api.db
      .updateTable('sso_states')
      .set({ expires_at: new Date(0) })
      .execute();
    expect(await open(browser, url)).toMatchObject({ status: 400 });
  });

  test('ends when the provider is switched off', async () => {
    const browser = createBrowser();
    const url = await comeBack(browser, named('ada'));
    await set({ enabled: false });
    const statuses = [(await open(browser, url)).status, (await fetch(`${api.url}/v1/auth/sso/acme/start`)).status];
    await set({ enabled: true });
    expect(statuses).toEqual([403, 403]);
  });

  test('keeps no secret in plain text', async () => {
    const stored = await api.db.selectFrom('sso_providers').selectAll().execute();
    expect(JSON.stringify(stored)).not.toContain(CLIENT_SECRET);
  });
});
