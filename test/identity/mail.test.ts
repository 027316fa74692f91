import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { simpleParser, type ParsedMail } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { createOutboxPort } from '../../activities/mail/outbox.js';
import { keepMail, listMails, purgeMails } from '../../db/mails.js';
import { caller, mailTo, newAccount, newIp, NEXT_PASSWORD, tokenIn, type Account } from '../support/account.js';
import { startTestApi, type TestApi } from '../support/api.js';
import { send } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { until } from '../support/until.js';

describe('with a mail server', () => {
  let api: TestApi;
  let server: SMTPServer;
  let mails: ParsedMail[];
  let isDown = false;
  let refuses = false;

  beforeAll(async () => {
    server = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      onConnect: (_, callback) => callback(isDown ? Object.assign(new Error('down'), { responseCode: 421 }) : null),
      onRcptTo: (_, __, callback) => callback(refuses ? new Error('no such box: secret-host') : null),
      onData: (stream, _, callback) => {
        void simpleParser(stream).then((mail) => {
          mails.push(mail);
          callback();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // -- reason: a listening TCP server has an AddressInfo
    const { port } = server.server.address() as AddressInfo;
    const env = {
      TRUST_PROXY: 'true',
      SMTP_URL: `smtp://127.0.0.1:${port}`,
      SMTP_FROM: 'Keelson <bot@keelson.example>',
    };
    api = await startTestApi({ temporal: silentTemporal, env });
  });
  afterAll(async () => {
    await api.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  beforeEach(() => {
    mails = [];
    isDown = false;
    refuses = false;
  });

  const received = async (account: Account, subject: string): Promise<ParsedMail> => {
    const find = () => Promise.resolve(mails.find((mail) => mail.subject === subject));
    const mail = await until(find, (found) => found !== undefined);
    expect(mail).toMatchObject({ from: { text: '"Keelson" <bot@keelson.example>' }, to: { text: account.email } });
    // -- reason: `until` answers only what was found
    return mail as ParsedMail;
  };
  const forgot = (email: string) =>
    caller(api)('POST', '/api/v1/auth/password/forgot', { body: { email }, ip: newIp() });

  test('a password is set by the link that came', async () => {
    const account = await newAccount(api);
    await received(account, 'Confirm your e-mail address');
    expect((await forgot(account.email)).status).toBe(202);
    const mail = await received(account, 'Set a new password');
    expect(mail.text).toMatch(/http:\/\/localhost:\d+\/account\/reset-password\?token=/);
    const body = { token: tokenIn(mail.text ?? ''), new_password: NEXT_PASSWORD };
    expect((await caller(api)('POST', '/api/v1/auth/password/confirm', { body })).status).toBe(200);
    await received(account, 'Your password was changed');
    expect(await listMails(api.db, { limit: 10 })).toEqual([]);
  });

  test('that is down: signing up goes on, sending is a 502, and whether there is an account stays unknown', async () => {
    isDown = true;
    const account = await newAccount(api);
    expect(account.token).not.toBe('undefined');
    const sent = await caller(api)('POST', '/api/v1/auth/email/send', { token: account.token, ip: newIp() });
    expect(sent.status).toBe(502);
    const [known, unknown] = [await forgot(account.email), await forgot('nobody@example.com')];
    expect([known.status, unknown.status]).toEqual([502, 502]);
    expect(known.text).toBe(unknown.text);
  });

  test('that refuses an address: only its owner hears of it, without the server’s words', async () => {
    const account = await newAccount(api);
    await received(account, 'Confirm your e-mail address');
    refuses = true;
    expect((await forgot(account.email)).status).toBe(202);
    const sent = await caller(api)('POST', '/api/v1/auth/email/send', { token: account.token, ip: newIp() });
    expect(sent.status).toBe(502);
    expect(sent.text).not.toContain('secret-host');
  });

  test('there is no outbox', async () => {
    for (const path of ['/dev/outbox', '/dev/outbox.json']) expect((await send(api.url + path)).status).toBe(404);
  });
});

describe('without a mail server', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({ temporal: silentTemporal });
  });
  afterAll(() => api.close());

  const outbox = (path = '', headers: Record<string, string> = {}) => send(`${api.url}/dev/outbox${path}`, { headers });

  test('the outbox shows mails newest first, escaped, with links and without a script', async () => {
    const { email } = await newAccount(api);
    await mailTo(api, email, /Confirm/);
    const text = 'Hi <script>alert(1)</script> "http://x/?a=1&b=2"';
    await keepMail(api.db, { to: '<b>@x', subject: 'a & b', text, key: '1' });
    const { text: page, headers, status } = await outbox();
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers.get('cache-control')).toBe('no-store');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/);
    expect(policy).not.toContain('unsafe');
    expect(page).not.toContain('<script');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('<a href="http://x/?a=1&amp;b=2" rel="noreferrer">');
    expect(page).toContain('<h2>a &amp; b</h2>');
    expect(page.indexOf('a &amp; b')).toBeLessThan(page.indexOf('Confirm your e-mail address'));
  });

  test('the links of mails lead to pages whose button does it', async () => {
    const { email } = await newAccount(api);
    const token = tokenIn((await mailTo(api, email, /Confirm/)).text);
    const page = await send(`${api.url}/account/verify-email?token=${token}`);
    expect(page.text).toContain(`name="token" value="${token}"`);
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self'");
    const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const pressed = await send(api.url + action, { method: 'POST', body: new URLSearchParams({ token }) });
    expect([pressed.status, pressed.body['success']]).toEqual([200, true]);
    const reset = await send(`${api.url}/account/reset-password?token=%22%3E%3Cb%3E`);
    expect(reset.text).toContain('value="&quot;&gt;&lt;b&gt;"');
    expect(reset.text).toContain('action="/api/v1/auth/password/confirm"');
  });

  test('as JSON it can be asked for one address', async () => {
    const [first, second] = [await newAccount(api), await newAccount(api)];
    await mailTo(api, first.email, /Confirm/);
    await mailTo(api, second.email, /Confirm/);
    const { body } = await outbox(`.json?to=${first.email.toUpperCase()}`);
    expect(body['items']).toMatchObject([{ to: first.email, subject: 'Confirm your e-mail address' }]);
  });

  test.each([
    ['behind a proxy', { 'x-forwarded-for': '203.0.113.1' }],
    ['behind another proxy', { forwarded: 'for=203.0.113.1' }],
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
  ])('it answers nobody who is %s', async (_, headers) => {
    for (const path of ['', '.json']) expect((await outbox(path, headers)).status).toBe(404);
  });

  test('it answers nobody who calls this machine by another name', async () => {
    const ask = get({ port: new URL(api.url).port, path: '/dev/outbox.json', headers: { host: 'evil.example' } });
    const [response] = (await once(ask, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(404);
  });

  test('what a worker sends lands there too, once for each key', async () => {
    const warned: object[] = [];
    const port = createOutboxPort({ db: api.db, log: { warn: (fields) => warned.push(fields) } });
    const mail = { to: 'ann@example.com', subject: 'Due', text: 'now', idempotencyKey: 'run/a/1' };
    for (let i = 0; i < 2; i += 1) await port.send({ ...mail, signal: AbortSignal.timeout(10_000) });
    expect((await outbox('.json?to=ann@example.com')).body['items']).toMatchObject([{ subject: 'Due', text: 'now' }]);
    expect(JSON.stringify(warned)).not.toContain('ann@example.com');
  });

  test('nothing is kept longer than a day', async () => {
    await api.db
      .updateTable('mails')
      .set({ created_at: new Date(Date.now() - 25 * 3_600_000) })
      .execute();
    await purgeMails(api.db);
    expect((await outbox('.json')).body['items']).toEqual([]);
  });
});
