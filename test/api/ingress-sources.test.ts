import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person } from '../support/api.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { PUBLIC_URL, startIngressStage, type IngressStage } from '../support/ingress.js';
import { until } from '../support/until.js';
import { secrets } from '../support/webhooks.js';

let stage: IngressStage;
let api: IngressStage['api'];
let person: Person;
let stranger: Person;
let user: IngressStage['user'];
let inputOf: IngressStage['inputOf'];
let workflow: IngressStage['workflow'];
let definition: string;

beforeAll(async () => {
  stage = await startIngressStage();
  ({ api, person, stranger, user, inputOf, workflow, definition } = stage);
}, 60_000);
afterAll(() => api.close());

/** The message, once it was tried. */
async function redrive(id: unknown): Promise<Answered> {
  expect((await person.call('POST', `/v1/ingress-messages/${String(id)}/redrive`)).status).toBe(202);
  const message = await until(
    () => user.message(id),
    ({ body }) => body['status'] !== 'received',
  );
  const { run_id: runId } = message.body;
  if (runId !== null)
    await until(
      () => Promise.resolve(stage.started(runId)),
      (all) => all.length > 0,
    );
  return message;
}

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
    expect((await redrive(id)).body).toMatchObject({ id, status: 'dead' });
    await person.call('PATCH', `/v1/ingress-sources/${source.id}`, { body: { input: { total: 3 } } });
    const redriven = await redrive(id);
    expect(redriven.body).toMatchObject({ id, status: 'processed' });
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
    expect((await redrive(posted.body['id'])).body['status']).toBe('dead');
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
    const bare = await startTestApi({ temporal: () => stage.gateway, database: api });
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
