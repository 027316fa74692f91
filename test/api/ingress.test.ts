import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { providers } from '../../api/services/ingress/schemes/index.js';
import type { Person } from '../support/api.js';
import { statusesOf } from '../support/http.js';
import { nowSeconds, startIngressStage, type IngressStage, type MadeSource } from '../support/ingress.js';
import { bodyOf, idSeen, secrets, timed } from '../support/webhooks.js';

let api: IngressStage['api'];
let person: Person;
let user: IngressStage['user'];
let started: IngressStage['started'];
let inputOf: IngressStage['inputOf'];
let definition: string;

beforeAll(async () => {
  ({ api, person, user, started, inputOf, definition } = await startIngressStage());
}, 60_000);
afterAll(() => api.close());

describe.each(providers)('a webhook of %s', (provider) => {
  let source: MadeSource;
  beforeAll(async () => {
    source = await user.create(provider, { target: { definition } });
  });

  test('is kept, answered 202 and starts one run, however often it comes', async () => {
    const first = await user.post(source);
    expect(first).toMatchObject({ status: 202, body: { status: 'processed', duplicate: false } });
    const { id, run_id: runId } = first.body;
    const again = await user.post(source, { at: nowSeconds() });
    expect(again.body).toEqual({ id, run_id: runId, status: 'processed', duplicate: true });
    expect(started(runId)).toHaveLength(1);
    expect(started(runId)[0]).toMatchObject({ startedBy: source.id, definitionId: definition });
    const other = await user.post(source, { id: 'evt_2', headers: {} });
    expect(other.body).toMatchObject({ duplicate: provider === 'twilio' ? expect.any(Boolean) : false });
    const kept = await user.message(id);
    expect(kept.body).toMatchObject({
      ...{ source_id: source.id, provider_id: idSeen(provider, 'evt_1'), run_id: runId, duplicates: 1, attempts: 1 },
      ...(provider === 'lark' ? { body_redacted: true } : { body: bodyOf[provider]('evt_1').toString() }),
    });
    expect(kept.text).not.toContain(secrets[provider]);
    expect(JSON.stringify(started(runId))).not.toContain(secrets[provider]);
  });

  test('of somebody else is refused and counted, and nothing of it is kept', async () => {
    const before = (await user.messages(source)).length;
    const forged = await user.post(source, {
      id: 'evt_3',
      headers: forgedHeaders[provider] ?? {},
      ...forgedBody(provider),
    });
    expect(forged.status).toBe(401);
    expect(forged.body.error?.message).toMatch(/ is missing or does not match the body\.$/);
    expect(await user.messages(source)).toHaveLength(before);
    const shown = await person.call('GET', `/v1/ingress-sources/${source.id}`);
    expect(shown.body).toMatchObject({ rejected_count: 1, last_rejected_at: expect.any(String) });
    expect(shown.text).not.toContain(secrets[provider]);
  });

  test('that was signed long ago, or ahead, is refused with a sentence', async () => {
    if (!timed.has(provider)) return;
    const old = await user.post(source, { id: 'evt_old', at: nowSeconds() - 400 });
    expect(old.status).toBe(401);
    expect(old.body.error?.message).toMatch(/^The request was signed 4\d\d s ago, and at most 300 s are accepted/);
    const ahead = await user.post(source, { id: 'evt_new', at: nowSeconds() + 400 });
    expect(ahead.status).toBe(401);
  });
});

const forgedHeaders: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  telegram: { 'x-telegram-bot-api-secret-token': 'another' },
  shared_secret: { authorization: 'Bearer another' },
  discord: { 'x-signature-ed25519': 'ab'.repeat(64) },
};
const forgedBody = (provider: string) =>
  provider === 'lark'
    ? { body: JSON.stringify({ header: { event_id: 'evt_3', token: 'another' } }) }
    : { secret: provider === 'standard' ? 'whsec_b3RoZXI=' : 'another' };

describe('the pipeline', () => {
  test('twenty twins at once are one message and one run', async () => {
    const source = await user.create('standard', { target: { definition } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.post(source, { id: 'twin' })));
    expect(new Set(statusesOf(answers))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => body['run_id'])).size).toBe(1);
    expect(answers.filter(({ body }) => body['duplicate'] === false)).toHaveLength(1);
    const [message, ...more] = await user.messages(source);
    expect(more).toEqual([]);
    expect(message).toMatchObject({ duplicates: 19, altered_duplicates: 0 });
    expect(started(answers[0]?.body['run_id'])).toHaveLength(1);
    const runs = await api.db.selectFrom('runs').select('id').where('actor', '=', source.id).execute();
    expect(runs).toHaveLength(1);
  });

  test('the same id with another body is the same message, and that is noted', async () => {
    const source = await user.create('github', { target: { definition } });
    const first = await user.post(source, { body: '{"n":1}' });
    const second = await user.post(source, { body: '{"n":2}' });
    expect(second.body).toMatchObject({ id: first.body['id'], duplicate: true });
    const kept = await user.message(first.body['id']);
    expect(kept.body).toMatchObject({ body: '{"n":1}', duplicates: 1, altered_duplicates: 1 });
  });

  test('one id of two sources is two messages', async () => {
    const [a, b] = [
      await user.create('github', { target: { definition } }),
      await user.create('github', { target: { definition } }),
    ];
    const answers = [await user.post(a), await user.post(b)];
    expect(answers.map(({ body }) => body['duplicate'])).toEqual([false, false]);
  });

  test('questions of providers are answered, and nothing is kept', async () => {
    const slack = await user.create('slack', { target: { definition } });
    const asked = await user.post(slack, { body: JSON.stringify({ type: 'url_verification', challenge: 'c-1' }) });
    expect(asked).toMatchObject({ status: 200, body: { challenge: 'c-1' } });
    const discord = await user.create('discord', { target: { definition } });
    expect(await user.post(discord, { body: '{"type":1}' })).toMatchObject({ status: 200, body: { type: 1 } });
    const github = await user.create('github', { target: { definition } });
    const ping = await user.post(github, { headers: { 'x-github-event': 'ping' } });
    expect(ping.body).toEqual({ id: ping.body['id'], status: 'ignored', duplicate: false });
    expect(await user.messages(slack)).toEqual([]);
    expect(await user.messages(github)).toMatchObject([{ status: 'ignored', run_id: null }]);
  });

  test('an unknown source and one that is switched off are the same 404', async () => {
    const source = await user.create('github', { target: { definition } });
    const unknown = await user.post({ ...source, path: source.path.replace(/[^/]+$/, 'nobody') });
    expect(
      (await person.call('PATCH', `/v1/ingress-sources/${source.id}`, { body: { is_active: false } })).status,
    ).toBe(200);
    const off = await user.post(source);
    expect([unknown.status, off.status]).toEqual([404, 404]);
    const slug = source.path.split('/').at(-1) ?? '';
    expect(off.body.error?.message).toBe(unknown.body.error?.message.replace('nobody', slug));
    expect((await user.post(source, { secret: 'wrong' })).status).toBe(404);
  });

  test('a body that is too large or encoded is refused', async () => {
    const source = await user.create('github', { target: { definition } });
    expect((await user.post(source, { body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413);
    expect((await user.post(source, { headers: { 'content-encoding': 'gzip' } })).status).toBe(415);
    expect(await user.messages(source)).toEqual([]);
  });

  test('what a run gets: JSON, a form, a text or bytes, with kept headers and query and no credentials', async () => {
    const source = await user.create('github', { target: { definition }, keep_headers: ['X-Shop'] });
    const more = { 'x-shop': 'eu', cookie: 'a=b', authorization: 'Bearer x', 'x-api-key': 'k' };
    const kinds: readonly (readonly [string, string | Buffer, unknown])[] = [
      ['application/json', '\uFEFF{"a":[1,null,"\\u0000"]}', { a: [1, null, '\uFFFD'] }],
      ['application/vnd.x+json; charset=utf-8', 'null', null],
      ['application/x-www-form-urlencoded', 'a=1&b=2&a=3', { a: ['1', '3'], b: '2' }],
      ['text/plain', 'hello', 'hello'],
      ['', '{"b":2}', { b: 2 }],
      ['application/octet-stream', Buffer.from([0xff, 0x00, 0xfe]), { base64: '/wD+' }],
    ];
    for (const [index, [type, body, expected]] of kinds.entries()) {
      const id = `kind-${index}`;
      const posted = await user.post(source, {
        id,
        body,
        query: '?a=1&token=t',
        headers: { ...more, 'content-type': type },
      });
      expect(posted).toMatchObject({ status: 202, body: { status: 'processed' } });
      const input = inputOf(posted.body['run_id']);
      expect(input).toMatchObject({
        ...{ body: expected, query: { a: '1', token: '[redacted]' }, provider_id: id, message_id: posted.body['id'] },
        ...{
          headers: { 'x-shop': 'eu', 'x-github-delivery': id, 'x-github-event': 'push' },
          source: { provider: 'github' },
        },
      });
      expect(JSON.stringify(input)).not.toMatch(/Bearer|a=b|x-api-key|signature/);
    }
    const [bytes] = await user.messages(source);
    expect((await user.message(bytes?.['id'])).body).toMatchObject({ body: null, body_base64: '/wD+', bytes: 3 });
  });

  test('bodies that cannot be read are kept byte by byte and dead, with a reason', async () => {
    const source = await user.create('github', { target: { definition } });
    const hostile: readonly (readonly [Buffer | string, RegExp])[] = [
      ['{"a":', /^The body is not valid JSON: /],
      [Buffer.from([0x7b, 0xff, 0x7d]), /^The body is not valid UTF-8/],
      [`${'['.repeat(5_000)}${']'.repeat(5_000)}`, /nested deeper than 128 levels\.$/],
      ['['.repeat(200_000) + ']'.repeat(200_000), /nested deeper than 128 levels\.$/],
      ['{"__proto__":{"x":1}}', /is not allowed as a key\.$/],
      ['{"n":1e999}', /is a number out of range\.$/],
    ];
    for (const [index, [body, reason]] of hostile.entries()) {
      const posted = await user.post(source, { id: `bad-${index}`, body });
      expect(posted).toMatchObject({ status: 202, body: { status: 'dead', duplicate: false } });
      expect(posted.body).not.toHaveProperty('run_id');
      const kept = await user.message(posted.body['id']);
      expect(kept.body).toMatchObject({ status: 'dead', reason: expect.stringMatching(reason) });
      const bytes = Buffer.from(
        String(kept.body['body'] ?? kept.body['body_base64']),
        kept.body['body'] === null ? 'base64' : 'utf8',
      );
      expect(bytes.equals(Buffer.from(body))).toBe(true);
    }
    const shown = await person.call('GET', `/v1/ingress-sources/${source.id}`);
    expect(shown.body['dead_count']).toBe(hostile.length);
  });

  test('an id of the provider of any length and any characters is one id', async () => {
    const source = await user.create('shared_secret', { target: { definition } });
    for (const id of ['x'.repeat(100_000), 'n\u0000ul', 'ünï'])
      for (const duplicate of [false, true]) {
        const posted = await user.post(source, { body: JSON.stringify({ meta: { id } }) });
        expect(posted).toMatchObject({ status: 202, body: { duplicate } });
      }
  });
});
