import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Person, TestApi } from '../support/api.js';
import { CLIENT_SECRET, createBrowser } from '../support/identity-provider.js';
import { app, named, openPage as open, openSso, type Came, type SsoDesk } from '../support/sso.js';

let desk: SsoDesk;
let api: TestApi;
let owner: Person;
let set: SsoDesk['set'];
let comeBack: SsoDesk['comeBack'];
let signIn: SsoDesk['signIn'];

beforeAll(async () => {
  desk = await openSso();
  ({ api, owner, set, comeBack, signIn } = desk);
});
afterAll(() => desk.close());

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

  test('of a platform administrator takes an owner of the organisation to vouch for', async () => {
    const came = await signIn(named('root'));
    await api.db.updateTable('users').set({ is_platform_admin: true }).where('id', '=', idOf(came)).execute();
    expect(await signIn(named('root'))).toMatchObject({ status: 403 });
    expect(await signIn(named('root', { realm_access: { roles: ['boss'] } }))).toMatchObject({ status: 200 });
    await api.db.updateTable('users').set({ is_platform_admin: false }).where('id', '=', idOf(came)).execute();
    await signIn(named('root'));
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
    await set({ issuer: desk.idp.issuer.replace('127.0.0.1', 'localhost'), client_secret: CLIENT_SECRET });
    const response = await fetch(`${api.url}/v1/auth/sso/acme/start`, { redirect: 'manual' });
    await set({ issuer: desk.idp.issuer, client_secret: CLIENT_SECRET });
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
