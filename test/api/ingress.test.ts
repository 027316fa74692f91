import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { providers } from '../../api/services/ingress/schemes/index.js';
import type { RunInput } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { publish } from '../support/commands.js';
import { send, statusesOf } from '../support/http.js';
import { ingressUser, nowSeconds, PUBLIC_URL, type MadeSource } from '../support/ingress.js';
import { linePlan, pass } from '../support/plans.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';
import { until } from '../support/until.js';
import { bodyOf, idSeen, secrets, timed } from '../support/webhooks.js';

const temporal = scriptedTemporal();
let api: TestApi;
let person: Person;
let stranger: Person;
let user: ReturnType<typeof ingressUser>;
let definition: string;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway, env: { KEELSON_PUBLIC_URL: PUBLIC_URL } });
  [person, stranger] = [await api.signUp(), await api.signUp()];
  user = ingressUser(person, api.url);
  definition = await workflow('takes-webhooks', { required: ['body'] });
}, 60_000);
afterAll(() => api.close());

async function workflow(slug: string, inputSchema: object): Promise<string> {
  const plan = { ...linePlan(pass('a')), inputSchema: { type: 'object', ...inputSchema } };
  return (await publish(api.db, person, { slug, plan })).id;
}

const started = (runId: unknown): readonly RunInput[] =>
  temporal
    .asked('startRun')
    .map(([input]) => input as RunInput)
    .filter(({ run }) => run.runId === runId);

const inputOf = (runId: unknown): unknown => {
  const [first] = started(runId);
  return first !== undefined && 'json' in first.input ? first.input.json : undefined;
};

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

describe('what a message does', () => {
  test('a mapping makes the input of the run', async () => {
    const input = {
      body: { $expr: 'body.items.map(i, i.sku)' },
      from: '{{ source.slug }} {{ headers.x-github-event }}',
    };
    const source = await user.create('github', { target: { definition }, input });
    const posted = await user.post(source, { body: '{"items":[{"sku":"a"},{"sku":"b"}]}' });
    const slug = source.path.split('/').at(-1);
    expect(inputOf(posted.body['run_id'])).toEqual({ body: ['a', 'b'], from: `${slug} push` });
    const broken = await user.post(source, { id: 'e2', body: '{"items":7}' });
    expect(broken.body['status']).toBe('dead');
    expect((await user.message(broken.body['id'])).body['reason']).toMatch(/^input: /);
  });

  test('an event is kept under the name and the key, with the id of the message', async () => {
    const target = { event: { name: 'order.paid', key: 'order-{{ body.order }}' } };
    const source = await user.create('standard', { target, input: { paid: '{{ body.order }}' } });
    const posted = await user.post(source, { body: '{"order":7}' });
    expect(posted.body).toEqual({ id: posted.body['id'], status: 'processed', duplicate: false });
    await user.post(source, { body: '{"order":7}' });
    const events = await api.db.selectFrom('events').selectAll().where('name', '=', 'order.paid').execute();
    expect(events).toMatchObject([{ key: 'order-7', event_id: posted.body['id'], payload: { json: { paid: 7 } } }]);
    expect((await user.message(posted.body['id'])).body).toMatchObject({
      event_name: 'order.paid',
      event_key: 'order-7',
      run_id: null,
    });
  });

  test('what cannot start now is dead, and runs once it is mended and redriven', async () => {
    const fragile = await workflow('fragile', { required: ['total'] });
    const source = await user.create('github', { target: { definition: fragile }, input: { n: 1 } });
    const posted = await user.post(source);
    const { id } = posted.body;
    expect(posted.body['status']).toBe('dead');
    expect((await user.message(id)).body['reason']).toMatch(/^input\.total: |^input: .*total/);
    const early = await person.call('POST', `/v1/ingress-messages/${String(id)}/redrive`);
    expect(early).toMatchObject({ status: 202, body: { id, status: 'dead' } });
    await person.call('PATCH', `/v1/ingress-sources/${source.id}`, { body: { input: { total: 3 } } });
    const redriven = await person.call('POST', `/v1/ingress-messages/${String(id)}/redrive`);
    expect(redriven).toMatchObject({ status: 202, body: { id, status: 'processed' } });
    expect(inputOf(redriven.body['run_id'])).toEqual({ total: 3 });
    const twice = await person.call('POST', `/v1/ingress-messages/${String(id)}/redrive`);
    expect(twice.status).toBe(409);
    expect(await user.post(source)).toMatchObject({ body: { id, run_id: redriven.body['run_id'], duplicate: true } });
  });

  test('all dead messages of a source are redriven together', async () => {
    const source = await user.create('github', { target: { definition }, input: 'no object' });
    for (const id of ['1', '2', '3']) expect((await user.post(source, { id })).body['status']).toBe('dead');
    await person.call('PATCH', `/v1/ingress-sources/${source.id}`, { body: { input: null } });
    const all = await person.call('POST', `/v1/ingress-sources/${source.id}/redrive`);
    expect(all).toMatchObject({ status: 202, body: { redriven: 3, is_more: false } });
    const done = await until(
      () => user.messages(source, '&status=processed'),
      (messages) => messages.length === 3,
    );
    expect(new Set(done.map(({ run_id: run }) => run)).size).toBe(3);
  });

  test('a definition or a source that was deleted says so', async () => {
    const gone = await workflow('gone', {});
    const source = await user.create('github', { target: { definition: gone } });
    expect((await person.call('DELETE', `/v1/workflows/${gone}`)).status).toBe(204);
    const posted = await user.post(source);
    expect((await user.message(posted.body['id'])).body['reason']).toBe('The definition it is to start was deleted.');
    expect((await person.call('DELETE', `/v1/ingress-sources/${source.id}`)).status).toBe(204);
    expect((await user.post(source)).status).toBe(404);
    const late = await person.call('POST', `/v1/ingress-messages/${String(posted.body['id'])}/redrive`);
    expect(late.body['status']).toBe('dead');
    expect((await user.message(posted.body['id'])).body['reason']).toBe('Its source was deleted.');
  });

  test('a draft chain is dead for a stranger, a paused one too, a live one runs', async () => {
    const chain = (status: string) => ({
      name: 'Hooked',
      slug: 'hooked',
      status,
      primary_steps: [{ kind: 'trigger', label: 'In' }],
    });
    await person.call('POST', '/v1/workflow-chains', { body: chain('draft') });
    const source = await user.create('github', { target: { definition: 'hooked' } });
    const said: unknown[] = [];
    for (const status of ['draft', 'paused', 'live']) {
      await person.call('PATCH', '/v1/workflow-chains/hooked', { body: chain(status) });
      const posted = await user.post(source, { id: status });
      said.push((await user.message(posted.body['id'])).body['reason']);
    }
    expect(said).toEqual([
      '"Hooked" is a draft: set it live, then redrive the message.',
      '"Hooked" is paused: set it live, then redrive the message.',
      null,
    ]);
  });
});

describe('looking after sources', () => {
  test('a secret that is made is shown once; one that was given never', async () => {
    const body = { name: 'Made here', provider: 'standard', target: { definition } };
    const made = await person.call('POST', '/v1/ingress-sources', { body });
    expect(made.body['secret']).toMatch(/^whsec_/);
    expect(made).toMatchObject({ headers: expect.anything(), body: { slug: 'made-here' } });
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect(made.body['url']).toBe(`${PUBLIC_URL}/v1/public/ingress/${person.workspace.slug}/made-here`);
    const given = await person.call('POST', '/v1/ingress-sources', {
      body: { ...body, slug: 'given', secret: 'whsec_b3RoZXI=' },
    });
    expect(given.body['secret']).toBeNull();
    const id = String(made.body['id']);
    for (const path of ['/v1/ingress-sources', `/v1/ingress-sources/${id}`, '/v1/audit?limit=100'])
      expect((await person.call('GET', path)).text).not.toContain(String(made.body['secret']));
    const source = { id, provider: 'standard', path: new URL(String(made.body['url'])).pathname } as const;
    expect((await user.post(source, { secret: String(made.body['secret']) })).status).toBe(202);
  });

  test('a rotated secret goes on for its overlap, and no longer', async () => {
    const source = await user.create('github', { target: { definition } });
    const rotate = (body: object) => person.call('POST', `/v1/ingress-sources/${source.id}/rotate-secret`, { body });
    const rotated = await rotate({});
    const next = String(rotated.body['secret']);
    expect(rotated.body['previous_secret_until']).not.toBeNull();
    const posts = [await user.post(source, { id: '1' }), await user.post(source, { id: '2', secret: next })];
    expect(statusesOf(posts)).toEqual([202, 202]);
    expect((await rotate({ secret: 'third', overlap_seconds: 0 })).body['secret']).toBeNull();
    const after = [];
    for (const secret of [secrets.github, next, 'third'])
      after.push((await user.post(source, { id: secret, secret })).status);
    expect(after).toEqual([401, 401, 202]);
  });

  test('a wrong source is refused, with each field', async () => {
    const good = { name: 'X', provider: 'hmac', verification: { header: 'x-sum' }, target: { definition } };
    const refused: readonly (readonly [object, string])[] = [
      [{ verification: {} }, 'verification.header'],
      [{ verification: { header: 'x y' } }, 'verification.header'],
      [{ verification: { header: 'x-sum', more: 1 } }, 'verification'],
      [{ target: { definition: 'nobody' } }, 'target.definition'],
      [{ target: { event: { name: 'e', key: '{{ body.x' } } }, 'target.event.key'],
      [{ input: { $expr: 'nonsense.x' } }, 'input'],
      [{ keep_headers: ['authorization'] }, 'keep_headers.0'],
      [{ keep_headers: ['x-sum'] }, 'keep_headers.0'],
      [{ tolerance_seconds: 0 }, 'tolerance_seconds'],
      [{ provider: 'none' }, 'provider'],
      [{ provider: 'stripe', verification: {} }, 'secret'],
      [{ provider: 'discord', verification: {}, secret: 'short' }, 'secret'],
      [{ slug: 'No Slug' }, 'slug'],
    ];
    for (const [change, field] of refused) {
      const answer = await person.call('POST', '/v1/ingress-sources', { body: { ...good, ...change } });
      expect({ change, status: answer.status, field: answer.body.error?.details[0]?.field }).toEqual({
        change,
        status: 422,
        field,
      });
    }
    await user.create('github', { target: { definition }, slug: 'taken-once' });
    const taken = await person.call('POST', '/v1/ingress-sources', { body: { ...good, slug: 'taken-once' } });
    expect(taken.status).toBe(409);
    const other = await user.create('github', { target: { definition } });
    const moved = await person.call('PATCH', `/v1/ingress-sources/${other.id}`, { body: { slug: 'taken-once' } });
    expect(moved.status).toBe(409);
  });

  test('Twilio needs to know the address it signs', async () => {
    const bare = await startTestApi({ temporal: () => temporal.gateway, database: api });
    const create = (verification: object) =>
      send(`${bare.url}/v1/ingress-sources`, {
        method: 'POST',
        headers: { authorization: `Bearer ${person.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'T', provider: 'twilio', secret: 's', verification, target: { definition } }),
      });
    const [without, given] = [await create({}), await create({ url: 'https://hooks.example.com/sms' })];
    await bare.close();
    expect(without.body.error?.details[0]?.field).toBe('verification.url');
    expect(given.status).toBe(201);
  });

  test('lists page by cursor and filter by status; strangers find nothing', async () => {
    const source = await user.create('github', { target: { definition } });
    for (const id of ['1', '2', '3']) await user.post(source, { id });
    await user.post(source, { id: '4', body: '{' });
    const page = (query: string) => person.call('GET', `/v1/ingress-sources/${source.id}/messages?limit=2${query}`);
    const first = await page('');
    const second = await page(`&cursor=${String(first.body['next_cursor'])}`);
    expect(second.body['next_cursor']).toBeNull();
    const ids = [first, second].flatMap(({ body }) =>
      (body['items'] as { provider_id: string }[]).map((each) => each.provider_id),
    );
    expect(ids).toEqual(['4', '3', '2', '1']);
    expect(await user.messages(source, '&status=dead')).toMatchObject([{ provider_id: '4' }]);
    expect((await page('&cursor=zzz')).status).toBe(422);
    const general = await person.call('GET', `/v1/ingress-messages?source_id=${source.id}`);
    expect(general.body['items']).toHaveLength(4);
    const [message] = await user.messages(source);
    for (const path of [
      `/v1/ingress-sources/${source.id}`,
      `/v1/ingress-messages/${String(message?.['id'])}`,
      `/v1/ingress-sources/${source.id}/messages`,
    ])
      expect((await stranger.call('GET', path)).status).toBe(404);
    expect((await stranger.call('GET', '/v1/ingress-messages')).body['items']).toEqual([]);
    expect((await stranger.call('POST', `/v1/ingress-sources/${source.id}/redrive`)).status).toBe(404);
    const theirs = { name: 'X', provider: 'github', target: { definition } };
    expect((await stranger.call('POST', '/v1/ingress-sources', { body: theirs })).status).toBe(422);
    expect(
      (await user.post({ ...source, path: source.path.replace(person.workspace.slug, stranger.workspace.slug) }))
        .status,
    ).toBe(404);
  });

  test('a rehearsal says what would become of a request, and does nothing', async () => {
    const source = await user.create('shared_secret', { target: { definition } });
    const body = {
      headers: { Authorization: `Bearer ${secrets.shared_secret}`, 'Content-Type': 'application/json' },
      body: '{"meta":{"id":"e1"}}',
    };
    const rehearse = (more: object) =>
      person.call('POST', `/v1/ingress-sources/${source.id}/test`, { body: { ...body, ...more } });
    expect((await rehearse({})).body).toMatchObject({
      ...{ verified: true, provider_id: 'e1', duplicate: false, would: 'start', definition_id: definition },
      input: { body: { meta: { id: 'e1' } } },
    });
    expect(await user.messages(source)).toEqual([]);
    await user.post(source, { id: 'e1' });
    expect((await rehearse({})).body).toMatchObject({ duplicate: true });
    expect((await rehearse({ headers: {} })).body).toMatchObject({
      verified: false,
      would: 'refuse',
      reason: expect.stringMatching(/authorization is missing/),
    });
    expect((await rehearse({ body: '{' })).body).toMatchObject({ verified: true, would: 'bury' });
    expect(
      (await rehearse({ body_base64: Buffer.from('{"meta":{"id":"e2"}}').toString('base64') })).body,
    ).toMatchObject({ provider_id: 'e2' });
  });
});
