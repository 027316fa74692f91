import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createMailPort } from '../../activities/mail/smtp.js';
import { Failure } from '../../workflows/contract/failures.js';
import { inline } from '../../workflows/definition/values.js';
import { portOf, startHttpPeer } from './peers.js';
import { openStage, type Stage } from './stage.js';

let stage: Stage;
let server: Server;
let mails: string[];
/** Takes each line of the client and answers it; null breaks the connection. */
let reply: (line: string) => string | null;

const polite = (line: string): string => (/^DATA/i.test(line) ? '354 go on' : '250 fine');

beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.fresh();
  mails = [];
  reply = polite;
  server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

/** A mail server of a few lines, so that a test decides at which word it falls silent. */
function serve(socket: Socket): void {
  let content: string | null = null;
  let rest = '';
  const say = (line: string | null): void => void (line === null ? socket.destroy() : socket.write(`${line}\r\n`));
  const take = (line: string): void => {
    if (content === null) {
      const answer = reply(line);
      if (answer?.startsWith('354') === true) content = '';
      return say(answer);
    }
    if (line !== '.') return void (content += `${line}\n`);
    mails.push(content);
    content = null;
    return say(reply('.'));
  };
  say('220 here');
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    const lines = `${rest}${data.toString()}`.split('\r\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (!socket.destroyed) take(line);
  });
}

const mail = () => createMailPort({ host: '127.0.0.1', port: portOf(server), from: 'Keelson <bot@keelson.example>' });
const config = { to: 'ann@example.com', subject: 'No. {{ input.id }}', on_unknown: { action: 'ask' } } as const;
const send = (more: object = {}) =>
  ({ kind: 'email', config: { ...config, ...more }, deps: { mail: mail() } }) as const;

describe('email', () => {
  test('sends text and HTML, and its receipt is in the ledger', async () => {
    const { outputs } = await stage.attempt(send({ text: 'Hi {{ text }}', html: '<b>{{ text }}</b>' }));
    expect(outputs).toMatchObject([{ json: { to: 'ann@example.com', subject: 'No. 7', text: 'Hi hello' } }]);
    expect(mails[0]).toMatch(/Subject: No\. 7[\s\S]*Hi hello[\s\S]*<b>hello<\/b>/);
    expect(await stage.effects()).toMatchObject([
      { kind: 'email', status: 'done', receipt: { message_id: expect.any(String) } },
    ]);
  });

  test('with neither text nor HTML the text of the input is the mail; with HTML alone there is no text', async () => {
    await stage.attempt(send());
    expect(mails[0]).toContain('\nhello');
    await stage.fresh();
    await stage.attempt(send({ html: '<i>x</i>' }));
    expect(mails[1]).toContain('Content-Type: text/html');
    expect(mails[1]).not.toContain('text/plain');
  });

  test.each(['EHLO', 'MAIL FROM', 'RCPT TO', 'DATA'])(
    'a server that goes away at %s has not sent it: it is tried again',
    async (word) => {
      reply = (line) => (line.startsWith(word) ? null : polite(line));
      expect(await stage.failure(send())).toMatchObject({ type: Failure.attemptFailed });
      expect(await stage.effects()).toMatchObject([{ status: 'failed', error: { type: 'mail_failed' } }]);
      reply = polite;
      await stage.attempt(send());
      expect(mails).toHaveLength(1);
    },
  );

  test('a server that goes away when it has the message may have sent it: a person is asked', async () => {
    reply = (line) => (line === '.' ? null : polite(line));
    const failure = await stage.failure(send());
    expect(failure).toMatchObject({ type: Failure.nodeFailed, details: [{ error: { type: 'outcome_unknown' } }] });
    expect(String(failure)).toContain('A mail to ann@example.com was begun at');
    expect(await stage.failure(send())).toMatchObject({ type: Failure.nodeFailed });
    expect(mails).toHaveLength(1);
  });

  test('a message that is refused at its end was not sent', async () => {
    reply = (line) => (line === '.' ? '554 spam' : polite(line));
    expect(await stage.failure(send())).toMatchObject({ type: Failure.nodeFailed });
    expect(await stage.effects()).toMatchObject([{ status: 'failed', error: { type: 'mail_rejected' } }]);
  });

  test('a test run shows the mail and needs no server', async () => {
    const { outputs } = await stage.attempt({
      kind: 'email',
      config: { ...config, text: '{{secret:KEY}}' },
      step: { isStubbed: true },
    });
    const would = { to: 'ann@example.com', subject: 'No. 7', text: '[secret:KEY]' };
    expect(outputs).toEqual([inline({ stubbed: true, would })]);
  });
});

describe('channel_send', () => {
  test('posts to a webhook once, whatever happens after', async () => {
    const peer = await startHttpPeer((response) => response.writeHead(202).end());
    const post = { kind: 'channel_send', config: { channel: 'webhook', to: peer.url, text: 'Hi {{ text }}' } } as const;
    const { outputs } = await stage.attempt(post);
    await stage.db.updateTable('run_steps').set({ status: 'running', output: null }).execute();
    expect((await stage.attempt(post)).outputs).toEqual(outputs);
    await peer.close();
    expect(outputs).toEqual([inline({ channel: 'webhook', text: 'Hi hello', status: 202 })]);
    expect(peer.requests).toHaveLength(1);
  });

  test('to the log shows no secret', async () => {
    const { outputs } = await stage.attempt({
      kind: 'channel_send',
      config: { channel: 'log', text: 'a {{secret:KEY}}' },
    });
    expect(outputs).toEqual([inline({ channel: 'log', text: 'a [secret:KEY]' })]);
    expect(await stage.effects()).toEqual([]);
  });
});
