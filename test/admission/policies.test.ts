import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildRegistration, startAdmission, type Admission } from './support.js';

describe.each([
  ['open', 'public', { invite_required: false, request_access_enabled: false }],
  ['invite_only', 'invite_only', { invite_required: true, request_access_enabled: true }],
  ['approval', 'approval', { invite_required: true, request_access_enabled: true }],
  ['closed', 'invite_only', { invite_required: true, request_access_enabled: false }],
])('KEELSON_SIGNUP=%s', (mode, policy, more) => {
  let api: Admission;
  beforeAll(async () => {
    api = await startAdmission({ KEELSON_SIGNUP: mode });
  });
  afterAll(() => api.close());

  test('is told', async () => {
    const { status, body } = await api.call('GET', '/api/v1/auth/signup-policy');
    expect([status, body]).toEqual([200, { policy, ...more }]);
  });

  test('lets in without an invite, or not', async () => {
    const studio = { email: 'a@example.com', password: 'long enough' };
    const statuses = [
      (await api.register(buildRegistration())).status,
      (await api.call('POST', '/v1/auth/signup', { body: studio })).status,
    ];
    expect(statuses).toEqual(mode === 'open' ? [201, 201] : [403, 403]);
  });

  test('lets in with an invite, unless nobody is', async () => {
    const { token, id } = await api.invite();
    const { status } = await api.register(buildRegistration({ invite_token: token }));
    expect(status).toBe(mode === 'closed' ? 403 : 201);
    const { body } = await api.admin('GET', `/api/v1/auth/invites?status=exhausted`);
    expect(body['invites']).toEqual(mode === 'closed' ? [] : [expect.objectContaining({ id })]);
    expect((await api.register(buildRegistration({ invite_token: 'made up' }))).status).toBe(403);
  });

  test('takes requests, unless nobody is let in', async () => {
    const body = { email: 'b@example.com', organization: 'Shop', full_name: 'Bea B', accept_terms: true };
    const { status } = await api.call('POST', '/api/v1/auth/request-access', { body });
    expect(status).toBe(mode === 'closed' ? 403 : 202);
  });
});
