import type { Readable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';
import { simpleParser, type ParsedMail } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { createMailPort } from '../../activities/mail/smtp.js';
import type { MailSettings } from '../../activities/mail/port.js';
import type { NodeDeps } from '../../activities/nodes/runner.js';
import { signatureOf } from '../../activities/nodes/delivery.js';
import { buildContext, buildDeps, failureOf, portOf, startHttpPeer, plainRunners } from './peers.js';

const open: { readonly close: () => Promise<void> }[] = [];
const USER = { user: 'keelson', password: 'mail-password' };

afterEach(async () => {
  await Promise.all(open.splice(0).map(({ close }) => close()));
});

async function startMailPeer(
  overrides: SMTPServerOptions = {},
): Promise<{ readonly port: number; readonly mails: ParsedMail[] }> {
  const mails: ParsedMail[] = [];
  const take = async (stream: Readable): Promise<void> => {
    mails.push(await simpleParser(await readAll(stream)));
  };
  const server = new SMTPServer({
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, callback) =>
      username === USER.user && password === USER.password
        ? callback(null, { user: username })
        : callback(Object.assign(new Error(`no ${password ?? ''}`), { responseCode: 535 })),
    onData: (stream, _session, callback) => void take(stream).then(() => callback(), callback),
    ...overrides,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  return { port: portOf(server.server), mails };
}

const mailDeps = (settings: Partial<MailSettings>): NodeDeps =>
  buildDeps({
    mail: createMailPort({ host: '127.0.0.1', port: 0, from: 'Keelson <bot@keelson.example>', ...USER, ...settings }),
  });
const toAnn = { channel: 'email', to: 'Ann <ann@example.com>', text: 'Hi {{ input.name }}' } as const;

test('log: one line, and the text goes on; secrets do not reach the log', async () => {
  const lines: unknown[] = [];
  const { notify } = plainRunners(buildDeps({ log: { info: (fields, message) => lines.push([fields, message]) } }));
  const config = { channel: 'log', text: '{{ text }} {{secret:KEY}}' } as const;
  const output = await notify(buildContext('notify', config, { secrets: { KEY: 'sec-1234' } }));
  expect(output).toEqual({ channel: 'log', text: 'hello [secret:KEY]' });
  expect(lines).toEqual([
    [
      {
        workspaceId: 'ws_1',
        runId: 'run_1',
        nodeId: 'step-2',
        idempotencyKey: 'run_1/step-2/1',
        text: 'hello [secret:KEY]',
      },
      'notify',
    ],
  ]);
});

test('without a text the text of the input is the message', async () => {
  const { notify } = plainRunners(buildDeps());
  expect(await notify(buildContext('notify', { channel: 'log' }))).toEqual({ channel: 'log', text: 'hello' });
});

test('email arrives with a Message-ID that repeats with the key', async () => {
  const { port, mails } = await startMailPeer();
  const { notify } = plainRunners(mailDeps({ port }));
  const config = { ...toAnn, to: 'Ann <ann@example.com>, bob@example.com', subject: 'For {{ input.name }}' };
  const context = buildContext('notify', config, { input: { name: 'Ünal\nBcc: eve@example.com' } });
  const outputs = [await notify(context), await notify({ ...context, attempt: 2 })];
  expect(mails).toHaveLength(2);
  expect(mails[0]).toMatchObject({ subject: 'For Ünal Bcc: eve@example.com', text: 'Hi Ünal\nBcc: eve@example.com\n' });
  expect(mails[0]?.from?.text).toBe('"Keelson" <bot@keelson.example>');
  expect(mails[0]?.bcc).toBeUndefined();
  expect(mails[0]?.messageId).toMatch(/^<[0-9a-f]{40}@keelson\.example>$/);
  expect(mails[1]?.messageId).toBe(mails[0]?.messageId);
  expect(outputs[0]).toEqual({
    channel: 'email',
    to: config.to,
    subject: 'For Ünal\nBcc: eve@example.com',
    text: 'Hi Ünal\nBcc: eve@example.com',
    message_id: mails[0]?.messageId,
  });
  expect(outputs[1]).toEqual(outputs[0]);
});

test('without a subject the label is it', async () => {
  const { port, mails } = await startMailPeer();
  await plainRunners(mailDeps({ port })).notify(buildContext('notify', toAnn));
  expect(mails[0]?.subject).toBe('Call');
});

test.each([
  [451, 'mail_failed', true],
  [550, 'mail_rejected', false],
])('a recipient refused with %i: %s', async (responseCode, type, retryable) => {
  const onRcptTo: SMTPServerOptions['onRcptTo'] = (_address, _session, callback) =>
    callback(Object.assign(new Error('mailbox trouble'), { responseCode }));
  const { port } = await startMailPeer({ onRcptTo });
  const failure = await failureOf(plainRunners(mailDeps({ port })).notify(buildContext('notify', toAnn)));
  expect(failure).toMatchObject({ type, retryable });
  expect(failure.message).toContain('mailbox trouble');
});

test('wrong credentials are final, and the password is not quoted', async () => {
  const { port } = await startMailPeer();
  const failure = await failureOf(
    plainRunners(mailDeps({ port, password: 'wrong-password' })).notify(buildContext('notify', toAnn)),
  );
  expect(failure).toMatchObject({ type: 'mail_rejected', retryable: false });
  expect(failure.message).not.toContain('wrong-password');
});

test('a mail server that is away is worth another try', async () => {
  const peer = await startHttpPeer(() => undefined);
  await peer.close();
  const failure = await failureOf(plainRunners(mailDeps({ port: peer.port })).notify(buildContext('notify', toAnn)));
  expect(failure).toMatchObject({ type: 'mail_failed', retryable: true });
});

test('the signal ends a send that hangs', async () => {
  const time = new AbortController();
  const { port } = await startMailPeer({ onMailFrom: () => time.abort() });
  const sent = plainRunners(mailDeps({ port })).notify(buildContext('notify', toAnn, { signal: time.signal }));
  expect(await failureOf(sent)).toMatchObject({ type: 'timeout', retryable: true });
});

test.each([
  [{ channel: 'email', to: '{{ input.nobody }}' }, 'names nobody'],
  [{ channel: 'email', to: 'no address' }, 'no valid e-mail address'],
  [{ channel: 'email', to: 'a@b.c\r\nBcc: d@e.f' }, 'holds a line break'],
  [{ channel: 'email', to: 'a@b.c,'.repeat(60) }, 'more than 50 addresses'],
  [{ channel: 'webhook' }, 'names nobody'],
] as const)('%j is refused with a sentence', async (config, problem) => {
  const { port, mails } = await startMailPeer();
  const failure = await failureOf(plainRunners(mailDeps({ port })).notify(buildContext('notify', config)));
  expect(failure).toMatchObject({ type: 'config_invalid', retryable: false });
  expect(failure.message).toContain(problem);
  expect(mails).toHaveLength(0);
});

test('email without a mail server is refused with a sentence', async () => {
  const failure = await failureOf(plainRunners(buildDeps()).notify(buildContext('notify', toAnn)));
  expect(failure).toMatchObject({ type: 'mail_not_configured', retryable: false });
});

test('webhook: a signed POST through the guard', async () => {
  const peer = await startHttpPeer((response) => response.writeHead(202).end());
  open.push(peer);
  const { notify } = plainRunners(buildDeps());
  const config = { channel: 'webhook', to: peer.url, subject: 'S', text: 'Hi {{ text }}', secret: 'sign' } as const;
  expect(await notify(buildContext('notify', config))).toEqual({ channel: 'webhook', status: 202, text: 'Hi hello' });
  const [request] = peer.requests;
  expect(request?.body).toBe('{"run_id":"run_1","step":"Call","node_id":"step-2","subject":"S","text":"Hi hello"}');
  expect(request?.headers).toMatchObject({
    'x-chain-signature': signatureOf('sign', request?.body ?? ''),
    'idempotency-key': 'run_1/step-2/1',
  });
  const inside = notify(buildContext('notify', { ...config, to: 'http://10.0.0.1/' }));
  expect(await failureOf(inside)).toMatchObject({ type: 'address_refused', retryable: false });
});
