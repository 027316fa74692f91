import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Secret, TOTP } from 'otpauth';
import { recoveryCodeHash, newRecoveryCodes, newTotpSecret, stepOfCode } from '../../api/services/totp.js';
import { ADMIN_TOKEN, PASSWORD, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;
beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
});
afterAll(() => api.close());
beforeEach(async () => {
  person = await api.signUp();
});

const codeOf = (secret: string): string => new TOTP({ secret: Secret.fromBase32(secret) }).generate();
/** A six-digit code that is none of the three that count now. */
const wrongCode = (secret: string): string =>
  ['000000', '111111', '222222', '333333'].find((code) => stepOfCode(secret, code) === null) ?? '';
const post = (path: string, body: object): Promise<Answered> =>
  send(api.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const login = (totp_code?: string, surface = '/v1/auth/login'): Promise<Answered> =>
  post(surface, { email: person.email, password: PASSWORD, ...(totp_code === undefined ? {} : { totp_code }) });
const mfa = (path: string, code: string): Promise<Answered> =>
  person.call('POST', `/v1/auth/mfa/${path}`, { body: { code } });
const turnOff = (code: string): Promise<Answered> => person.call('DELETE', '/v1/auth/mfa', { body: { code } });
/** As half a minute later: the code that was used counts again. */
const timePasses = () => api.db.updateTable('users').set({ totp_step: null }).where('id', '=', person.userId).execute();

async function enrolled(): Promise<{ secret: string; codes: readonly string[] }> {
  const { body } = await person.call('POST', '/v1/auth/mfa/enroll');
  const secret = String(body['secret']);
  const verified = await mfa('verify', codeOf(secret));
  await timePasses();
  return { secret, codes: verified.body['recovery_codes'] as string[] };
}

describe('enrolment', () => {
  test('goes by secret and first code, and shows ten recovery codes once', async () => {
    const begun = await person.call('POST', '/v1/auth/mfa/enroll');
    expect(begun.status).toBe(200);
    expect(begun.headers.get('cache-control')).toBe('no-store');
    const secret = String(begun.body['secret']);
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    const url = new URL(String(begun.body['otpauth_url']));
    expect(url.protocol).toBe('otpauth:');
    expect(decodeURIComponent(url.pathname)).toContain(person.email);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      issuer: 'Keelson',
      secret,
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
    expect((await login()).status).toBe(200);
    const verified = await mfa('verify', codeOf(secret));
    expect(verified.body).toEqual({ mfa_enabled: true, recovery_codes: expect.any(Array) });
    const codes = verified.body['recovery_codes'] as string[];
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([0-9a-z]{4}-){3}[0-9a-z]{4}$/);
    const status = await person.call('GET', '/v1/auth/mfa');
    expect(status.body).toEqual({ mfa_enabled: true, mfa_required: false, proved: true, recovery_codes_left: 10 });
  });

  test('keeps the secret sealed and the codes hashed', async () => {
    const { secret, codes } = await enrolled();
    const user = await api.db.selectFrom('users').selectAll().where('id', '=', person.userId).execute();
    const kept = await api.db.selectFrom('recovery_codes').selectAll().where('user_id', '=', person.userId).execute();
    const audit = await api.db.selectFrom('audit_events').selectAll().where('actor_id', '=', person.userId).execute();
    const stored = JSON.stringify([user, kept, audit]);
    expect(stored).not.toContain(secret);
    for (const code of codes) expect(stored).not.toContain(code);
    expect(audit.map(({ action }) => action)).toEqual(expect.arrayContaining(['mfa.enroll', 'mfa.verify']));
  });

  test('begun anew forgets the earlier secret; once on it is a conflict', async () => {
    const first = String((await person.call('POST', '/v1/auth/mfa/enroll')).body['secret']);
    const second = String((await person.call('POST', '/v1/auth/mfa/enroll')).body['secret']);
    expect((await mfa('verify', codeOf(first))).status).toBe(422);
    expect((await mfa('verify', codeOf(second))).status).toBe(200);
    expect((await person.call('POST', '/v1/auth/mfa/enroll')).status).toBe(409);
    await timePasses();
    expect((await mfa('verify', codeOf(second))).status).toBe(409);
  });

  test('nothing enrolled is a conflict that says so', async () => {
    for (const path of ['verify', 'step-up', 'recovery-codes']) {
      const refused = await mfa(path, '123456');
      expect(refused.status).toBe(409);
      expect(refused.body.error?.message).toContain('/v1/auth/mfa/enroll');
    }
    expect((await turnOff('123456')).status).toBe(409);
  });

  test('at once, with one code, turns on once', async () => {
    const secret = String((await person.call('POST', '/v1/auth/mfa/enroll')).body['secret']);
    const code = codeOf(secret);
    const answers = await Promise.all([1, 2, 3].map(() => mfa('verify', code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const kept = await api.db.selectFrom('recovery_codes').selectAll().where('user_id', '=', person.userId).execute();
    expect(kept).toHaveLength(10);
  });

  test('is for people', async () => {
    const minted = await person.call('POST', `/workspaces/${person.workspace.id}/tokens`);
    const token = String(minted.body['auth_token']);
    for (const bearer of [token, ADMIN_TOKEN]) {
      const headers = { authorization: `Bearer ${bearer}` };
      expect((await person.call('POST', '/v1/auth/mfa/enroll', { headers })).status).toBe(403);
    }
  });
});

describe('signing in', () => {
  test.each(['/v1/auth/login', '/api/v1/auth/login'])('on %s asks for a code', async (surface) => {
    const { secret } = await enrolled();
    const without = await login(undefined, surface);
    expect(without.status).toBe(401);
    expect(without.body.detail).toEqual({ code: 'mfa_required' });
    const wrong = await login(wrongCode(secret), surface);
    expect(wrong.status).toBe(401);
    expect(wrong.body.detail).not.toEqual({ code: 'mfa_required' });
    expect((await login(codeOf(secret), surface)).status).toBe(200);
  });

  test('a code works once', async () => {
    const { secret } = await enrolled();
    const code = codeOf(secret);
    expect((await login(code)).status).toBe(200);
    expect((await login(code)).status).toBe(401);
    expect((await mfa('step-up', code)).status).toBe(422);
  });

  test('a code sent twice at the same moment works once', async () => {
    const { secret } = await enrolled();
    const code = codeOf(secret);
    const answers = await Promise.all([login(code), login(code), login(code)]);
    expect(statusesOf(answers)).toEqual([200, 401, 401]);
  });

  test('a recovery code works once, also at the same moment and however it is written', async () => {
    const { codes } = await enrolled();
    const [first = '', second = ''] = codes;
    const answers = await Promise.all([1, 2, 3].map(() => login(first)));
    expect(statusesOf(answers)).toEqual([200, 401, 401]);
    expect((await login(second.toUpperCase().replaceAll('-', ''))).status).toBe(200);
    expect((await person.call('GET', '/v1/auth/mfa')).body['recovery_codes_left']).toBe(8);
  });

  test('a recovery code of somebody else is none', async () => {
    const { codes } = await enrolled();
    person = await api.signUp();
    await enrolled();
    expect((await login(codes[0])).status).toBe(401);
  });

  test('wrong codes lock, and the right password between them forgets none', async () => {
    const { secret } = await enrolled();
    for (let i = 0; i < 2; i += 1) {
      expect((await login(wrongCode(secret))).status).toBe(401);
      expect((await login()).body.detail).toEqual({ code: 'mfa_required' });
    }
    expect((await mfa('step-up', wrongCode(secret))).status).toBe(422);
    expect((await mfa('recovery-codes', wrongCode(secret))).status).toBe(422);
    expect((await login(wrongCode(secret))).status).toBe(423);
    expect((await login(codeOf(secret))).status).toBe(423);
    const locked = await mfa('step-up', codeOf(secret));
    expect(locked.status).toBe(423);
    expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('a right code forgets the failures', async () => {
    const { secret } = await enrolled();
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 3; i += 1) expect((await login(wrongCode(secret))).status).toBe(401);
      await timePasses();
      expect((await login(codeOf(secret))).status).toBe(200);
    }
  });
});

describe('a factor that is on', () => {
  test('gives new recovery codes, and the earlier stop working', async () => {
    const { secret, codes } = await enrolled();
    const renewed = await mfa('recovery-codes', codeOf(secret));
    expect(renewed.body['recovery_codes']).toHaveLength(10);
    expect((await login(codes[3])).status).toBe(401);
    expect((await login((renewed.body['recovery_codes'] as string[])[3])).status).toBe(200);
  });

  test('is turned off with a code, and then nothing asks for one', async () => {
    const { secret, codes } = await enrolled();
    expect((await turnOff(wrongCode(secret))).status).toBe(422);
    expect((await turnOff(codeOf(secret))).body).toEqual({ mfa_enabled: false });
    expect((await login()).status).toBe(200);
    const status = await person.call('GET', '/v1/auth/mfa');
    expect(status.body).toEqual({ mfa_enabled: false, mfa_required: false, proved: false, recovery_codes_left: 0 });
    await enrolled();
    expect((await login(codes[0])).status).toBe(401);
  });
});

describe("the organisation's rule", () => {
  const policy = (mfa_policy: string, sent = {}) =>
    person.call('PUT', '/v1/workspaces/security', { body: { mfa_policy }, ...sent });

  test('is read and set by owners alone', async () => {
    expect((await person.call('GET', '/v1/workspaces/security')).body).toEqual({ mfa_policy: 'off' });
    for (const role of ['admin', 'viewer']) {
      const headers = { 'x-tenant-role': role };
      expect((await policy('always', { headers })).status).toBe(403);
      expect((await person.call('GET', '/v1/workspaces/security', { headers })).status).toBe(403);
    }
    expect((await policy('sometimes')).status).toBe(422);
    expect((await policy('sensitive')).body).toEqual({ mfa_policy: 'sensitive' });
  });

  test('`sensitive` shuts what is sensitive until a factor is proved in the session', async () => {
    await policy('sensitive');
    const sensitive = [
      ['POST', '/v1/secrets', { name: 'KEY', value: 'x' }],
      ['POST', `/workspaces/${person.workspace.id}/tokens`, undefined],
      ['POST', '/api/v1/auth/api-keys', { name: 'k', environment: 'live' }],
      ['POST', '/org/tokens', { name: 't' }],
      ['POST', '/v1/auth/revoke-all', { user_id: person.userId }],
      ['DELETE', `/v1/members/${person.userId}`, undefined],
      ['PUT', '/v1/workspaces/security', { mfa_policy: 'off' }],
    ] as const;
    for (const [method, path, body] of sensitive) {
      const refused = await person.call(method, path, { body });
      expect({ path, status: refused.status, code: refused.body['code'] }).toEqual({
        path,
        status: 403,
        code: 'mfa_required',
      });
    }
    expect((await person.call('GET', '/v1/secrets')).status).toBe(200);
    await enrolled();
    expect((await person.call('POST', '/v1/secrets', { body: { name: 'KEY', value: 'x' } })).status).toBe(201);
  });

  test('`always` shuts everything but the second factor itself, and it cannot be turned off', async () => {
    await policy('always');
    const refused = await person.call('GET', '/v1/workflows');
    expect(refused.status).toBe(403);
    expect(refused.body.error?.message).toContain('/v1/auth/mfa/enroll');
    expect((await person.call('GET', '/v1/auth/mfa')).body['mfa_required']).toBe(true);
    const { secret, codes } = await enrolled();
    expect((await person.call('GET', '/v1/workflows')).status).toBe(200);
    const kept = await turnOff(codeOf(secret));
    expect(kept.status).toBe(409);
    expect((await login(codes[0])).status).toBe(200);
    await policy('off');
    expect((await turnOff(codeOf(secret))).status).toBe(200);
  });

  test('a session from before the factor proves it by a step up', async () => {
    const early = String((await login()).body['access_token']);
    const { secret } = await enrolled();
    await policy('always');
    const headers = { authorization: `Bearer ${early}` };
    expect((await person.call('GET', '/v1/workflows', { headers })).status).toBe(403);
    const stepped = await person.call('POST', '/v1/auth/mfa/step-up', { body: { code: codeOf(secret) }, headers });
    expect(stepped.body).toEqual({ mfa_enabled: true, mfa_at: expect.any(String) });
    expect((await person.call('GET', '/v1/workflows', { headers })).status).toBe(200);
  });
});

describe('codes', () => {
  test('count a step early and late, and no more', () => {
    const secret = newTotpSecret();
    const now = 1_800_000_015_000;
    const at = (seconds: number) =>
      new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: now + seconds * 1_000 });
    const step = Math.floor(now / 30_000);
    expect([-30, 0, 30].map((seconds) => stepOfCode(secret, at(seconds), now))).toEqual([step - 1, step, step + 1]);
    expect([-90, -60, 60, 90].map((seconds) => stepOfCode(secret, at(seconds), now))).toEqual([null, null, null, null]);
  });

  test.each(['', '12345', '1234567', 'abcdef', '12345a', '١٢٣٤٥٦'])('%j is none', (code) => {
    expect(stepOfCode(newTotpSecret(), code)).toBeNull();
    expect(recoveryCodeHash('usr_a', code)).toBeNull();
  });

  test('of recovery are read as people write them', () => {
    const [code = ''] = newRecoveryCodes();
    const hash = recoveryCodeHash('usr_a', code);
    expect(recoveryCodeHash('usr_a', ` ${code.toUpperCase().replaceAll('0', 'O').replaceAll('1', 'l')} `)).toBe(hash);
    expect(recoveryCodeHash('usr_b', code)).not.toBe(hash);
  });
});
