import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createInviteService } from '../../api/services/invites.js';
import type { Person } from '../support/api.js';
import { address, bearer, startAdmission, type Admission, statusesOf } from './support.js';

let api: Admission;
let owner: Person;
beforeAll(async () => {
  api = await startAdmission();
  owner = await api.signUp();
});
afterAll(() => api.close());

const hoursAhead = (at: unknown): number => Math.round((Date.parse(String(at)) - Date.now()) / 3_600_000);
const list = async (query = ''): Promise<readonly Record<string, unknown>[]> =>
  // -- reason: the shape of the list's reply
  (await api.admin('GET', `/api/v1/auth/invites${query}`)).body['invites'] as Record<string, unknown>[];

describe('invites', () => {
  test('are for operators alone', async () => {
    for (const [method, path] of [
      ['GET', '/api/v1/auth/invites'],
      ['POST', '/api/v1/auth/invites'],
      ['POST', '/api/v1/auth/invites/inv_1/revoke'],
      ['GET', '/api/v1/auth/signup-requests'],
      ['POST', '/api/v1/auth/signup-requests/sur_1/approve'],
      ['POST', '/api/v1/auth/signup-requests/sur_1/reject'],
    ] as const) {
      const asked = method === 'POST' ? { body: {} } : {};
      expect((await api.call(method, path, asked)).status).toBe(401);
      const refused = await owner.call(method, path, asked);
      expect([path, refused.status]).toEqual([path, 403]);
    }
  });

  test('a platform administrator issues them too', async () => {
    const operator = await api.signUp();
    await api.db.updateTable('users').set({ is_platform_admin: true }).where('id', '=', operator.userId).execute();
    expect((await operator.call('POST', '/api/v1/auth/invites', { body: {} })).status).toBe(201);
  });

  test('one use, 72 hours and nobody in particular unless told otherwise; the token is seen once', async () => {
    const { status, body, headers } = await api.admin('POST', '/api/v1/auth/invites', { body: {} });
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store']);
    const { invite_token: token, ...invite } = body;
    expect(invite).toEqual({
      id: expect.stringMatching(/^inv_/),
      token_hint: String(token).slice(0, 8),
      invited_email: null,
      status: 'active',
      max_redemptions: 1,
      redeemed_count: 0,
      expires_at: expect.any(String),
      created_at: expect.any(String),
      signup_request_id: null,
      note: null,
    });
    expect(hoursAhead(body['expires_at'])).toBe(72);
    const [first] = await list();
    expect(first).toEqual(invite);
    const row = await api.db.selectFrom('signup_invites').selectAll().where('id', '=', String(body['id'])).execute();
    expect(JSON.stringify(row)).not.toContain(String(token));
  });

  test('what is said is kept', async () => {
    const input = { invited_email: 'Cy@Example.com', max_redemptions: 10, expires_in_hours: 336, note: 'partner' };
    const { body } = await api.admin('POST', '/api/v1/auth/invites', { body: input });
    expect(body).toMatchObject({ invited_email: 'cy@example.com', max_redemptions: 10, note: 'partner' });
    expect(hoursAhead(body['expires_at'])).toBe(336);
    const endless = await api.admin('POST', '/api/v1/auth/invites', { body: { expires_in_hours: null } });
    expect(endless.body['expires_at']).toBeNull();
  });

  test.each([
    ['max_redemptions', { max_redemptions: 0 }],
    ['max_redemptions', { max_redemptions: 11 }],
    ['expires_in_hours', { expires_in_hours: 337 }],
    ['expires_in_hours', { expires_in_hours: 0 }],
    ['invited_email', { invited_email: 'nobody' }],
    ['note', { note: 'x'.repeat(513) }],
  ])('%s is refused in %j', async (field, body) => {
    const refused = await api.admin('POST', '/api/v1/auth/invites', { body });
    expect([refused.status, refused.body.error?.details[0]?.field]).toEqual([422, field]);
  });

  test('for a request nobody made is none issued', async () => {
    const { status } = await api.admin('POST', '/api/v1/auth/invites', { body: { signup_request_id: 'sur_none' } });
    expect(status).toBe(404);
  });

  test('are revoked once', async () => {
    const { id } = await api.invite();
    const revoked = await api.admin('POST', `/api/v1/auth/invites/${id}/revoke`);
    expect([revoked.status, revoked.body]).toEqual([200, expect.objectContaining({ id, status: 'revoked' })]);
    expect((await api.admin('POST', `/api/v1/auth/invites/${id}/revoke`)).status).toBe(404);
  });

  test('are found by status and address, page by page', async () => {
    const over = await api.invite({ invited_email: 'di@example.com' });
    await api.db
      .updateTable('signup_invites')
      .set({ expires_at: new Date(0) })
      .where('id', '=', over.id)
      .execute();
    const live = await api.invite({ invited_email: 'di@example.com' });
    const idsOf = async (query: string) => (await list(query)).map(({ id }) => id);
    expect(await idsOf('?email=DI@example.com')).toEqual([live.id, over.id]);
    expect(await idsOf('?email=di@example.com&status=expired')).toEqual([over.id]);
    expect(await idsOf('?email=di@example.com&status=active')).toEqual([live.id]);
    const page = await api.admin('GET', '/api/v1/auth/invites?email=di@example.com&limit=1&offset=1');
    expect(page.body).toMatchObject({ total: 2, invites: [{ id: over.id }] });
    expect((await api.admin('GET', '/api/v1/auth/invites?limit=201')).status).toBe(422);
    expect((await api.admin('GET', '/api/v1/auth/invites?status=gone')).status).toBe(422);
  });

  test('are mailed to the address they are bound to; a mail that fails takes nothing back', async () => {
    const sent: { readonly to: string; readonly text: string; readonly key: string }[] = [];
    const errors: unknown[] = [];
    const service = createInviteService({
      db: api.db,
      publicUrl: 'https://flows.example.com',
      onError: (error) => errors.push(error),
      mailer: {
        check: () => Promise.resolve(),
        send: (mail) => {
          sent.push(mail);
          return sent.length === 1 ? Promise.resolve() : Promise.reject(new Error('away'));
        },
      },
    });
    const input = { max_redemptions: 1, expires_in_hours: 1 };
    await service.issue(input, 'admin');
    expect(sent).toEqual([]);
    const issued = await service.issue({ ...input, invited_email: 'ed@example.com' }, 'admin');
    expect(sent[0]).toMatchObject({ to: 'ed@example.com', key: `invite/${issued.id}` });
    expect(sent[0]?.text).toContain(issued.invite_token);
    expect(sent[0]?.text).toContain('https://flows.example.com');
    await service.issue({ ...input, invited_email: 'ed@example.com' }, 'admin');
    expect(errors).toEqual([new Error('away')]);
  });
});

describe('requests for access', () => {
  const build = (more: object = {}) => ({
    email: 'fay@example.com',
    organization: 'Shop',
    full_name: 'Fay F',
    message: 'please',
    accept_terms: true,
    ...more,
  });
  const ask = (more: object = {}, ip = address()) =>
    api.call('POST', '/api/v1/auth/request-access', { body: build(more), ip });
  const requests = async (query = '') =>
    // -- reason: the shape of the list's reply
    (await api.admin('GET', `/api/v1/auth/signup-requests${query}`)).body as unknown as {
      readonly total: number;
      readonly requests: readonly Record<string, unknown>[];
    };
  const newest = async (): Promise<string> => String((await requests()).requests[0]?.['id']);

  test('are answered with the policy, kept once, and listed', async () => {
    const answers = [await ask(), await ask({ email: 'FAY@example.com', full_name: 'Somebody else' })];
    for (const { status, body } of answers) {
      expect([status, Object.keys(body)]).toEqual([202, ['policy', 'invite_required', 'request_access_enabled']]);
    }
    expect(await requests()).toEqual({
      total: 1,
      requests: [
        {
          id: expect.stringMatching(/^sur_/),
          email: 'fay@example.com',
          organization: 'Shop',
          full_name: 'Fay F',
          message: 'please',
          status: 'pending',
          created_at: expect.any(String),
          decision_reason: null,
          invite_token_hint: null,
        },
      ],
    });
  });

  test('of programs are dropped without a word', async () => {
    const { total } = await requests();
    const { status, body } = await ask({ email: 'bot@example.com', honeypot: 'http://buy.example' });
    expect([status, body['policy']]).toEqual([202, 'public']);
    expect((await requests()).total).toBe(total);
    expect((await ask({ accept_terms: false })).status).toBe(422);
    expect((await ask({ organization: 'x' })).status).toBe(422);
  });

  test('three of one network wait, the fourth is refused, at once or one by one', async () => {
    const ip = address();
    const some = await Promise.all([1, 2, 3, 4, 5].map((n) => ask({ email: `gus${n}@example.com` }, ip)));
    expect(statusesOf(some)).toEqual([202, 202, 202, 429, 429]);
    expect((await ask({ email: 'gus9@example.com' }, ip)).status).toBe(429);
    expect((await ask({ email: 'gus9@example.com' })).status).toBe(202);
    await api.admin('POST', `/api/v1/auth/signup-requests/${await newest()}/reject`, { body: {} });
    const [pending] = (await requests('?status=pending')).requests.filter(
      ({ email }) => String(email) !== 'fay@example.com',
    );
    await api.admin('POST', `/api/v1/auth/signup-requests/${String(pending?.['id'])}/reject`, { body: {} });
    expect((await ask({ email: 'gus10@example.com' }, ip)).status).toBe(202);
  });

  test('approved ones come with an invite for one use by that address', async () => {
    await ask({ email: 'hal@example.com' });
    const id = await newest();
    const { status, body, headers } = await api.admin('POST', `/api/v1/auth/signup-requests/${id}/approve`, {
      body: { note: 'welcome', invite_expires_in_hours: 24 },
    });
    // -- reason: the shape of a decision's reply
    const { invite, request } = body as unknown as Record<string, Record<string, unknown>>;
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(invite).toMatchObject({
      status: 'active',
      invited_email: 'hal@example.com',
      max_redemptions: 1,
      signup_request_id: id,
      note: 'welcome',
    });
    expect(hoursAhead(invite?.['expires_at'])).toBe(24);
    const hint = String(invite?.['invite_token']).slice(0, 8);
    expect(request).toMatchObject({ id, status: 'approved', decision_reason: 'welcome', invite_token_hint: hint });
    expect(invite?.['token_hint']).toBe(hint);
    const listed = await requests('?status=approved');
    expect(listed.requests).toEqual([request]);
    expect(JSON.stringify(listed)).not.toContain(invite?.['invite_token']);
    expect(await list(`?request_id=${id}`)).toEqual([expect.objectContaining({ id: invite?.['id'] })]);
    for (const decision of ['approve', 'reject']) {
      expect((await api.admin('POST', `/api/v1/auth/signup-requests/${id}/${decision}`)).status).toBe(409);
    }
  });

  test('are decided by one of two operators at once', async () => {
    await ask({ email: 'ida@example.com' });
    const path = `/api/v1/auth/signup-requests/${await newest()}`;
    const both = await Promise.all([api.admin('POST', `${path}/approve`), api.admin('POST', `${path}/approve`)]);
    expect(statusesOf(both)).toEqual([200, 409]);
    expect(await list('?email=ida@example.com')).toHaveLength(1);
  });

  test('rejected ones say why; unknown ones are not there', async () => {
    await ask({ email: 'jo@example.com' });
    const path = `/api/v1/auth/signup-requests/${await newest()}`;
    const { body } = await api.admin('POST', `${path}/reject`, { body: { reason: 'unknown company' } });
    expect(body).toMatchObject({ request: { status: 'rejected', decision_reason: 'unknown company' }, invite: null });
    expect((await ask({ email: 'jo@example.com' })).status).toBe(202);
    for (const decision of ['approve', 'reject']) {
      expect((await api.admin('POST', `/api/v1/auth/signup-requests/sur_none/${decision}`)).status).toBe(404);
    }
  });

  test('are nothing an organisation sees, whatever it signs in with', async () => {
    const answer = await api.call('GET', '/api/v1/auth/signup-requests', { headers: bearer(owner.token) });
    expect([answer.status, answer.text]).toEqual([403, expect.not.stringContaining('example.com')]);
  });
});
