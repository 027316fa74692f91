import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { sha256Hex } from '../../db/crypto.js';
import { listMails } from '../../db/mails.js';
import { passwordProblem } from '../../api/services/passwords.js';
import { addressKey, limitKey } from '../../api/services/special-limits.js';
import {
  auditActions,
  caller,
  countIn,
  mailTo,
  newAccount,
  newIp,
  NEXT_PASSWORD,
  PASSWORD,
  tokenIn,
  type Account,
} from '../support/account.js';
import { ADMIN_TOKEN, startTestApi, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { until } from '../support/until.js';

let api: TestApi;
let call: ReturnType<typeof caller>;
beforeAll(async () => {
  const env = { TRUST_PROXY: 'true', KEELSON_PUBLIC_URL: 'https://keelson.example.com/' };
  api = await startTestApi({ temporal: silentTemporal, env });
  call = caller(api);
});
afterAll(() => api.close());

const post = (path: string, body: unknown, more: { token?: string; ip?: string } = {}) =>
  call('POST', `/api/v1/auth/${path}`, { body, ip: newIp(), ...more });
const signIn = async (email: string, password: string) => (await post('token', { email, password })).status;
const me = async ({ token }: Account) => (await call('GET', '/api/v1/auth/me', { token })).status;
const change = ({ token }: Account, current_password: string, new_password: string) =>
  post('password/change', { current_password, new_password }, { token });
const forgot = (email: string, ip = newIp()) => post('password/forgot', { email }, { ip });
const confirm = (token: string, new_password: string) => post('password/confirm', { token, new_password });
const resetToken = async (email: string) => tokenIn((await mailTo(api, email, /new password/)).text);

/** As if it had been sent long ago. */
const age = (token: string) =>
  api.db
    .updateTable('one_time_tokens')
    .set({ expires_at: new Date(Date.now() - 1_000) })
    .where('token_hash', '=', sha256Hex(token))
    .executeTakeFirstOrThrow();

describe('the strict policy', () => {
  test.each([
    ['thirteen char', /at least 14 characters/],
    ['somelongpassword', /at least two of/],
    ['Password12345678', /too easy to guess/],
    ['ada.lovelace@example.com', /not be the e-mail address/],
    ['A1'.repeat(101), /at most 200/],
  ])('refuses %s', async (password, why) => {
    expect(await passwordProblem(password, 'ada.lovelace@example.com', 'strict')).toMatch(why);
  });

  test('takes words that do not belong together, and judges a long one quickly', async () => {
    expect(await passwordProblem(PASSWORD, 'ada@example.com', 'strict')).toBeNull();
    expect(await passwordProblem('4@8({[<369!1|0$57%2'.repeat(10), 'ada@example.com', 'strict')).toBeNull();
  });

  test('does not hold for the sign-up of the Studio', async () => {
    const body = { email: 'studio@example.com', password: 'eightchr' };
    expect((await call('POST', '/v1/auth/signup', { body })).status).toBe(201);
  });
});

describe('e-mail verification', () => {
  const verify = (token: string) => post('email/verify', { token });
  const ask = ({ token }: Account, ip = newIp()) => call('POST', '/api/v1/auth/email/send', { token, ip });

  test('is mailed at sign-up; its link proves the address once', async () => {
    const account = await newAccount(api);
    const { text } = await mailTo(api, account.email, /Confirm/);
    expect(text).toContain('https://keelson.example.com/account/verify-email?token=');
    const token = tokenIn(text);
    const stored = await api.db.selectFrom('one_time_tokens').selectAll().execute();
    expect(JSON.stringify(stored)).not.toContain(token);
    expect((await verify(token)).status).toBe(200);
    expect((await verify(token)).status).toBe(400);
    expect((await ask(account)).body).toMatchObject({ success: true, data: { email_verified: true } });
    expect(await listMails(api.db, { to: account.email, limit: 10 })).toHaveLength(1);
    expect(await auditActions(api, account.userId)).toContain('auth.email_verified');
  });

  test('is mailed again when asked for; the first use voids every other link', async () => {
    const account = await newAccount(api);
    const first = tokenIn((await mailTo(api, account.email, /Confirm/)).text);
    const { status, body } = await ask(account);
    expect([status, body['data']]).toEqual([202, { email_verified: false }]);
    const second = tokenIn((await mailTo(api, account.email, /Confirm/)).text);
    expect((await verify(second)).status).toBe(200);
    expect((await verify(first)).status).toBe(400);
  });

  test('refuses a late token, one for passwords, and one for an address the user had before', async () => {
    const [late, reset, moved] = [await newAccount(api), await newAccount(api), await newAccount(api)];
    const lateToken = tokenIn((await mailTo(api, late.email, /Confirm/)).text);
    await age(lateToken);
    await forgot(reset.email);
    const movedToken = tokenIn((await mailTo(api, moved.email, /Confirm/)).text);
    await api.db
      .updateTable('users')
      .set({ email: `new-${moved.email}` })
      .where('id', '=', moved.userId)
      .execute();
    for (const token of [lateToken, await resetToken(reset.email), movedToken, 'made-up']) {
      expect((await verify(token)).status).toBe(400);
    }
  });

  test('sends three mails an hour to a user and ten to a caller’s address', async () => {
    const account = await newAccount(api);
    await countIn(api, limitKey('verify-mail/user', account.userId), 2);
    expect((await ask(account)).status).toBe(202);
    const refused = await ask(account);
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
    const ip = newIp();
    await countIn(api, addressKey('verify-mail', ip), 10);
    expect((await ask(await newAccount(api), ip)).status).toBe(429);
  });
});

describe('a forgotten password', () => {
  test('is replaced by the mailed link, once; every session ends and the lock with it', async () => {
    const account = await newAccount(api);
    for (let i = 0; i < 5; i += 1) await signIn(account.email, 'not the password');
    expect(await signIn(account.email, PASSWORD)).toBe(423);
    expect((await forgot(`  ${account.email.toUpperCase()} `)).status).toBe(202);
    const mail = await mailTo(api, account.email, /Set a new password/);
    expect(mail.text).toContain('https://keelson.example.com/account/reset-password?token=');
    const token = tokenIn(mail.text);
    expect((await confirm(token, NEXT_PASSWORD)).status).toBe(200);
    expect((await confirm(token, 'five red boats sleep')).status).toBe(400);
    expect(await me(account)).toBe(401);
    expect(await signIn(account.email, PASSWORD)).toBe(401);
    expect(await auditActions(api, account.userId)).toContain('auth.password_reset');
    await mailTo(api, account.email, /was changed/);
  });

  test('is replaced once by links that are used at the same moment', async () => {
    const account = await newAccount(api);
    const tokens: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      await forgot(account.email);
      const fresh = async () =>
        (await listMails(api.db, { to: account.email, limit: 10 })).map(({ text }) => tokenIn(text));
      const seen = await until(fresh, (found) => found.length === i + 2);
      tokens.push(seen[0] ?? '');
    }
    const [first = '', second = ''] = tokens;
    const uses = [first, second, first, second].map((token, i) => confirm(token, `${NEXT_PASSWORD} ${i}`));
    const statuses = (await Promise.all(uses)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 400, 400, 400]);
  });

  test('keeps its link when the new one is refused', async () => {
    const account = await newAccount(api);
    await forgot(account.email);
    const token = await resetToken(account.email);
    for (const password of ['Password12345678', PASSWORD]) {
      const { status, body } = await confirm(token, password);
      expect([status, body.error?.details[0]?.field]).toEqual([400, 'new_password']);
    }
    expect((await confirm(token, 'too short')).status).toBe(422);
    expect((await confirm(token, NEXT_PASSWORD)).status).toBe(200);
    expect(await signIn(account.email, NEXT_PASSWORD)).toBe(200);
  });

  test('is told the same whether or not there is an account, byte for byte', async () => {
    const [account, disabled] = [await newAccount(api), await newAccount(api)];
    await api.db.updateTable('users').set({ disabled_at: new Date() }).where('id', '=', disabled.userId).execute();
    const answers = await Promise.all([account.email, disabled.email, 'nobody@example.com'].map((to) => forgot(to)));
    const seen = answers.map(({ status, text, headers }) => {
      const names = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
      return JSON.stringify([status, text, names]);
    });
    expect(new Set(seen).size).toBe(1);
    await resetToken(account.email);
    for (const to of [disabled.email, 'nobody@example.com']) {
      const subjects = (await listMails(api.db, { to, limit: 10 })).map(({ subject }) => subject);
      expect(subjects).not.toContain('Set a new password');
    }
  });

  test('is asked for five times an hour for an address, known or not, and twenty times by a caller', async () => {
    const account = await newAccount(api);
    for (const email of [account.email, 'forgetful-nobody@example.com']) {
      await countIn(api, limitKey('forgot/email', email), 4);
      expect((await forgot(email)).status).toBe(202);
      expect((await forgot(email)).status).toBe(429);
    }
    const ip = newIp();
    await countIn(api, addressKey('forgot', ip), 20);
    expect((await forgot('another@example.com', ip)).status).toBe(429);
    const keys = await api.db
      .selectFrom('rate_limits' as never)
      .selectAll()
      .execute();
    expect(JSON.stringify(keys)).not.toContain(account.email);
  });

  test('refuses a late token', async () => {
    const account = await newAccount(api);
    await forgot(account.email);
    const token = await resetToken(account.email);
    await age(token);
    expect((await confirm(token, NEXT_PASSWORD)).status).toBe(400);
  });
});

describe('a change', () => {
  test('needs the current password, and ends every session', async () => {
    const account = await newAccount(api);
    expect((await change(account, 'not the password', NEXT_PASSWORD)).status).toBe(401);
    expect(await me(account)).toBe(200);
    expect((await change(account, PASSWORD, NEXT_PASSWORD)).body).toMatchObject({ success: true });
    expect(await me(account)).toBe(401);
    expect((await post('refresh', { refresh_token: account.refresh })).status).toBe(401);
    expect(await signIn(account.email, NEXT_PASSWORD)).toBe(200);
    expect(await auditActions(api, account.userId)).toContain('auth.password_changed');
  });

  test('takes none of the last five passwords', async () => {
    const account = await newAccount(api);
    const words = ['one', 'two', 'three', 'four', 'five'].map((word) => `${word} quiet owls swim`);
    let [current, { token }] = [PASSWORD, account];
    for (const word of words) {
      expect((await change({ ...account, token }, current, PASSWORD)).status).toBe(400);
      expect((await change({ ...account, token }, current, word)).status).toBe(200);
      token = String((await post('token', { email: account.email, password: word })).body['access_token']);
      current = word;
      // eleven changes are more than an hour takes
      await sql`delete from rate_limits`.execute(api.db);
    }
    expect((await change({ ...account, token }, current, PASSWORD)).status).toBe(200);
  });

  test('is no way to guess the password, and for people alone', async () => {
    const account = await newAccount(api);
    await countIn(api, limitKey('change-password/user', account.userId), 10);
    expect((await change(account, PASSWORD, NEXT_PASSWORD)).status).toBe(429);
    expect((await change({ ...account, token: ADMIN_TOKEN }, PASSWORD, NEXT_PASSWORD)).status).toBe(403);
  });
});

describe('an administrator', () => {
  const reset = ({ token }: { token: string }, user_id: string, headers: Record<string, string> = {}) =>
    call('POST', '/api/v1/auth/password/reset', { token, headers, body: { user_id, new_password: NEXT_PASSWORD } });

  /** A new account that belongs to this organisation alone. */
  async function hire(owner: Account, role: 'admin' | 'owner' | 'viewer'): Promise<Account> {
    const account = await newAccount(api);
    const { id } = await api.db
      .selectFrom('workspaces')
      .select('id')
      .where('tenant_id', '=', owner.tenantId)
      .executeTakeFirstOrThrow();
    const user_id = account.userId;
    for (const table of ['memberships', 'tenant_members'] as const) {
      await api.db.deleteFrom(table).where('user_id', '=', user_id).execute();
    }
    await api.db.insertInto('memberships').values({ user_id, workspace_id: id, role }).execute();
    await api.db.insertInto('tenant_members').values({ user_id, tenant_id: owner.tenantId, role }).execute();
    await api.db.updateTable('sessions').set({ workspace_id: id }).where('user_id', '=', user_id).execute();
    return account;
  }

  test('sets the password of a member, whose sessions end', async () => {
    const owner = await newAccount(api);
    const [admin, member] = [await hire(owner, 'admin'), await hire(owner, 'viewer')];
    expect((await reset(admin, member.userId)).body).toMatchObject({ success: true });
    expect(await me(member)).toBe(401);
    expect(await signIn(member.email, NEXT_PASSWORD)).toBe(200);
    expect((await reset(admin, member.userId)).status).toBe(400);
    expect(await auditActions(api, member.userId)).toContain('auth.password_reset_by_admin');
  });

  test('does not take over who is stronger or belongs elsewhere too, nor learns who exists', async () => {
    const [owner, stranger] = [await newAccount(api), await newAccount(api)];
    const [admin, shared, viewer] = [
      await hire(owner, 'admin'),
      await hire(owner, 'viewer'),
      await hire(owner, 'viewer'),
    ];
    await api.db
      .insertInto('tenant_members')
      .values({ user_id: shared.userId, tenant_id: stranger.tenantId, role: 'owner' })
      .execute();
    expect((await reset(admin, owner.userId)).status).toBe(403);
    expect((await reset(admin, shared.userId)).status).toBe(403);
    expect((await reset(viewer, admin.userId)).status).toBe(403);
    const lowered = await reset(owner, admin.userId, { 'x-tenant-role': 'viewer' });
    expect(lowered.status).toBe(403);
    const [foreign, nobody] = [await reset(admin, stranger.userId), await reset(admin, 'usr_nobody')];
    expect([foreign.status, nobody.status]).toEqual([404, 404]);
    expect(foreign.text.replaceAll(stranger.userId, 'usr_nobody')).toBe(nobody.text);
    const operator = await reset({ token: ADMIN_TOKEN }, owner.userId, { 'x-tenant-id': owner.tenantId });
    expect(operator.status).toBe(200);
  });
});
