import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { createTokenSigner } from '../../api/services/access-tokens.js';
import { refreshServiceAccount } from '../../api/services/service-account-refresh.js';
import { ADMIN_TOKEN, MASTER_KEY, type Person, type Sent } from '../support/api.js';
import type { Answered } from '../support/http.js';
import { bearer, signed, startAdmission, tenantOf, type Admission, inAnyOrder } from './support.js';

let api: Admission;
let owner: Person;
let stranger: Person;
let tenant: string;
let foreign: string;
beforeAll(async () => {
  api = await startAdmission();
  owner = await api.signUp();
  stranger = await api.signUp();
  tenant = await tenantOf(api, owner);
  foreign = await tenantOf(api, stranger);
});
afterAll(() => api.close());
beforeEach(() => sql`delete from rate_limits`.execute(api.db));

const path = '/api/v1/auth/service-accounts';
const build = (more: object = {}) => ({
  account: 'demo-bot',
  scopes: ['runs:read'],
  reason: 'a demonstration for the board',
  ...more,
});
const issue = (who: Person, more: object = {}, headers: Record<string, string> = {}): Promise<Answered> =>
  who.call('POST', `${path}/browser-issue`, { body: build(more), headers });
const operator = { 'x-operator-override': 'true', 'x-operator-reason': 'ticket 4711, agreed by phone' };
const asOperator = (more: object = {}, headers: object = operator) =>
  api.admin('POST', `${path}/browser-issue`, { body: build(more), headers: { ...headers } });
const rowOf = (jti: unknown) =>
  api.db.selectFrom('service_account_tokens').selectAll().where('jti', '=', String(jti)).executeTakeFirstOrThrow();

interface Listed {
  readonly items: readonly Record<string, unknown>[];
  readonly total: number;
}
// -- reason: the shape of the list's reply
const listed = ({ body }: Answered): Listed => body as unknown as Listed;
const list = async (who: Person, query = ''): Promise<Listed> =>
  listed(await who.call('GET', `${path}/tokens${query}`));
const idsOf = ({ items }: Listed): unknown[] => items.map(({ jti }) => jti);

describe('browser-issue', () => {
  test('gives an administrator tokens for their organisation, and remembers why', async () => {
    const { status, body } = await issue(owner);
    expect(status).toBe(201);
    expect(body).toMatchObject({ account: 'demo-bot', tenant_id: tenant, token_use: 'refresh' });
    expect(await rowOf(body['jti'])).toMatchObject({
      issued_by: `user:${owner.userId}`,
      issued_reason: 'a demonstration for the board',
    });
    expect((await issue(owner, { tenant_id: tenant })).body).toEqual(body);
    const entry = await api.db
      .selectFrom('audit_events')
      .selectAll()
      .where('entity_id', '=', String(body['jti']))
      .executeTakeFirstOrThrow();
    expect(entry).toMatchObject({ actor_id: owner.userId, workspace_id: owner.workspace.id });
    expect(JSON.stringify(entry)).not.toContain(String(body['refresh_token']));
  });

  test('nobody below an administrator, no program, no foreigner', async () => {
    expect((await issue(owner, {}, { 'x-tenant-role': 'developer' })).status).toBe(403);
    expect((await issue(owner, { tenant_id: foreign })).status).toBe(403);
    const { body } = await asOperator({ account: 'support-console', scopes: ['support:*'] });
    const signer = createTokenSigner(Buffer.from(MASTER_KEY, 'hex'));
    const session = await refreshServiceAccount({ db: api.db, signer }, String(body['refresh_token']));
    const program = await api.call('POST', `${path}/browser-issue`, {
      body: build({ tenant_id: tenant }),
      headers: { ...bearer(session?.access_token), ...operator },
    });
    expect(program.status).toBe(403);
  });

  test('nobody hands on scopes they have not got', async () => {
    const { status, body } = await issue(owner, { account: 'support-console', scopes: ['support:*'] });
    expect([status, body.error?.message]).toEqual([403, expect.stringContaining('support:*')]);
    expect((await issue(owner, { account: 'support-console', scopes: ['support:read'] })).status).toBe(201);
  });

  test('an override is for operators who say why', async () => {
    expect((await issue(owner, {}, operator)).status).toBe(403);
    for (const reason of [undefined, 'too short', 'x'.repeat(513)]) {
      const headers = { ...operator, 'x-operator-reason': reason ?? '' };
      expect((await asOperator({ tenant_id: tenant }, headers)).status).toBe(400);
    }
    const { status, body } = await asOperator({ tenant_id: foreign });
    expect([status, body['tenant_id']]).toEqual([201, foreign]);
    expect(await rowOf(body['jti'])).toMatchObject({
      issued_by: 'admin:admin',
      issued_reason: 'a demonstration for the board (operator: ticket 4711, agreed by phone)',
    });
    expect((await asOperator({ tenant_id: undefined })).status).toBe(400);
  });

  test.each([
    [422, 'reason', { reason: 'too short' }],
    [422, 'reason', { reason: undefined }],
    [400, 'account', { account: 'root' }],
    [400, 'scopes', { scopes: ['calls:initiate'] }],
    [400, 'lifetime_minutes', { lifetime_minutes: 1_441 }],
  ])('%i for %s of %j', async (status, field, change) => {
    const refused = await issue(owner, change);
    expect([refused.status, refused.body.error?.details[0]?.field]).toEqual([status, field]);
  });

  test('5 a minute of one account, counted for each organisation', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 6; i += 1) statuses.push((await issue(owner)).status);
    expect(statuses).toEqual([201, 201, 201, 201, 201, 429]);
    expect((await issue(stranger)).status).toBe(201);
  });
});

describe('the list', () => {
  test('shows an administrator their own organisation, without the tokens', async () => {
    const { body } = await issue(owner, { fingerprint: 'listed' });
    await issue(stranger, { fingerprint: 'listed' });
    const answer = await owner.call('GET', `${path}/tokens?fingerprint=listed`);
    expect(listed(answer)).toMatchObject({ total: 1, limit: 20, offset: 0 });
    expect(listed(answer).items).toEqual([
      {
        jti: body['jti'],
        account: 'demo-bot',
        tenant_id: tenant,
        scopes: ['runs:read'],
        issued_at: body['issued_at'],
        expires_at: body['expires_at'],
        revoked_at: null,
        revoked_reason: null,
        fingerprint: 'listed',
        signing_kid: body['kid'],
        issued_by: `user:${owner.userId}`,
        issued_reason: 'a demonstration for the board',
      },
    ]);
    expect(answer.text).not.toContain(String(body['refresh_token']));
    const all = await list(owner, '?status=all&limit=100');
    expect(new Set(all.items.map((item) => item['tenant_id']))).toEqual(new Set([tenant]));
  });

  test('shows nobody another organisation', async () => {
    for (const query of [`?tenant_id=${foreign}`, '?include_global=true']) {
      expect((await owner.call('GET', `${path}/tokens${query}`)).status).toBe(403);
    }
    expect((await owner.call('GET', `${path}/tokens?tenant_id=${tenant}&include_global=false`)).status).toBe(200);
    const lowered = await owner.call('GET', `${path}/tokens`, { headers: { 'x-tenant-role': 'developer' } });
    expect(lowered.status).toBe(403);
    expect((await owner.call('GET', `${path}/tokens?status=over`)).status).toBe(422);
  });

  test('shows an operator every organisation, one, or the installation too', async () => {
    const { body: mine } = await issue(owner, { fingerprint: 'reach' });
    const { body: theirs } = await issue(stranger, { fingerprint: 'reach' });
    const request = { account: 'support-console', scopes: ['support:read'], fingerprint: 'reach' };
    const { body: global } = await api.call('POST', `${path}/issue`, { body: request, headers: signed(request) });
    const reach = async (query: string) =>
      inAnyOrder(idsOf(listed(await api.admin('GET', `${path}/tokens?fingerprint=reach${query}`))));
    const sorted = (...ids: unknown[]) => inAnyOrder(ids);
    expect(await reach('')).toEqual(sorted(mine['jti'], theirs['jti']));
    expect(await reach(`&tenant_id=${tenant}`)).toEqual([mine['jti']]);
    expect(await reach(`&tenant_id=${tenant}&include_global=true`)).toEqual(sorted(mine['jti'], global['jti']));
    expect(await reach('&include_global=true')).toEqual(sorted(mine['jti'], theirs['jti'], global['jti']));
  });

  test('tells live, revoked and all of them, page by page', async () => {
    const made: unknown[] = [];
    for (const scopes of [['runs:read'], ['tools:read'], ['agents:read']]) {
      made.push((await issue(owner, { fingerprint: 'pages', scopes })).body['jti']);
    }
    const [first, second, third] = made.map(String);
    await owner.call('POST', `${path}/tokens/${first}/revoke`);
    await api.db
      .updateTable('service_account_tokens')
      .set({ expires_at: new Date(0) })
      .where('jti', '=', second ?? '')
      .execute();
    const found = async (query: string) => idsOf(await list(owner, `?fingerprint=pages${query}`));
    expect(await found('')).toEqual([third]);
    expect(await found('&status=revoked')).toEqual([first]);
    expect(inAnyOrder(await found('&status=all'))).toEqual(inAnyOrder([first, second, third]));
    expect(await found('&account=billing-worker')).toEqual([]);
    const page = await list(owner, '?fingerprint=pages&status=all&limit=2&offset=2');
    expect([page.total, page.items.length]).toEqual([3, 1]);
  });
});

describe('revoke', () => {
  const revoke = (who: Person, jti: unknown, sent: Sent = {}) =>
    who.call('POST', `${path}/tokens/${String(jti)}/revoke`, sent);

  test('ends the token and what was made with it at once', async () => {
    const { body } = await issue(owner, { fingerprint: 'revoked' });
    const deps = { db: api.db, signer: createTokenSigner(Buffer.from(MASTER_KEY, 'hex')) };
    const session = await refreshServiceAccount(deps, String(body['refresh_token']));
    const open = () => api.call('GET', '/api/v1/tenants/me', { headers: bearer(session?.access_token) });
    expect((await open()).status).toBe(200);
    const revoked = await revoke(owner, body['jti']);
    expect([revoked.status, revoked.body]).toEqual([
      200,
      { success: true, message: expect.any(String), data: { jti: body['jti'] } },
    ]);
    expect((await open()).status).toBe(401);
    expect(await refreshServiceAccount(deps, String(body['refresh_token']))).toBeNull();
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_reason: 'tenant_admin_manual_revoke' });
    await revoke(owner, body['jti'], { body: { reason: 'another reason' } });
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_reason: 'tenant_admin_manual_revoke' });
  });

  test('answers the same for an unknown token and one of another organisation, which goes on working', async () => {
    const { body } = await issue(owner, { fingerprint: 'foreign' });
    const shape = ({ status, body: answered }: Answered) => [status, answered['success'], answered['message']];
    const unknown = await revoke(stranger, 'jwt_nobody');
    const theirs = await revoke(stranger, body['jti'], { body: { reason: 'out of spite' } });
    expect(shape(unknown)).toEqual([200, true, expect.any(String)]);
    expect(shape(theirs)).toEqual(shape(unknown));
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_at: null, revoked_reason: null });
    expect((await revoke(owner, body['jti'], { headers: { 'x-tenant-role': 'developer' } })).status).toBe(403);
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_at: null });
    expect((await revoke(owner, body['jti'], { body: { reason: 'the board has seen it' } })).status).toBe(200);
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_reason: 'the board has seen it' });
  });

  test('of an operator needs a reason, in the body or the header', async () => {
    const { body } = await issue(owner, { fingerprint: 'operators' });
    const url = `${path}/tokens/${String(body['jti'])}/revoke`;
    for (const sent of [undefined, {}, { reason: '  ' }]) {
      const refused = await api.admin('POST', url, sent === undefined ? {} : { body: sent });
      expect(refused.status).toBe(400);
    }
    expect((await api.admin('POST', url, { body: { reason: 'x'.repeat(257) } })).status).toBe(422);
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_at: null });
    await api.admin('POST', url, { headers: { ...bearer(ADMIN_TOKEN), 'x-operator-reason': 'leaked in a log' } });
    expect(await rowOf(body['jti'])).toMatchObject({ revoked_reason: 'leaked in a log' });
  });
});
