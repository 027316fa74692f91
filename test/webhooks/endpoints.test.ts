import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { sql } from 'kysely';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

jest.setTimeout(120_000);

let api: TestApi;
let owner: Person;
let stranger: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal, env: { KEELSON_EGRESS_ALLOW: 'hooks.internal:8080' } });
  [owner, stranger] = [await api.signUp(), await api.signUp()];
});
afterAll(() => api.close());

const URL_OF = 'https://example.com/hooks';
const at = '/v1/webhook-endpoints';

async function make(more: object = {}): Promise<{ readonly id: string; readonly secret: string }> {
  const made = await owner.call('POST', at, { body: { url: URL_OF, event_types: ['run.*'], ...more } });
  expect(made.status).toBe(201);
  return { id: String(made.body['id']), secret: String(made.body['secret']) };
}

describe('an endpoint', () => {
  test('is made, shown without its secret, changed and deleted', async () => {
    const { id, secret } = await make({ description: 'Shop', headers: { 'x-shop': 'one' } });
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const shown = await owner.call('GET', `${at}/${id}`);
    expect(shown.body).toMatchObject({ id, url: URL_OF, is_active: true, timeout_seconds: 30, source: 'api' });
    expect(JSON.stringify([shown.body, (await owner.call('GET', at)).body])).not.toContain('secret"');
    const changed = await owner.call('PATCH', `${at}/${id}`, { body: { is_active: false, timeout_seconds: 5 } });
    expect(changed.body).toMatchObject({ is_active: false, timeout_seconds: 5, description: 'Shop' });
    expect((await owner.call('DELETE', `${at}/${id}`)).status).toBe(204);
    expect((await owner.call('GET', `${at}/${id}`)).status).toBe(404);
  });

  test.each<[string, object, string]>([
    ['a private address', { url: 'https://10.0.0.1/' }, 'url'],
    ['plain text to a public address', { url: 'http://example.com/' }, 'url'],
    ['no address at all', { url: 'hooks' }, 'url'],
    ['an unknown event', { event_types: ['run.exploded'] }, 'event_types.0'],
    ['a header that would hold a secret', { headers: { Authorization: 'Bearer x' } }, 'headers.Authorization'],
    ['a header of ours', { headers: { 'webhook-id': 'x' } }, 'headers.webhook-id'],
    ['a foreign definition', { definition_ids: ['def_x'] }, 'definition_ids.0'],
    ['too short a time', { timeout_seconds: 4 }, 'timeout_seconds'],
  ])('is refused with %s, by the name of the field', async (_name, more, field) => {
    const refused = await owner.call('POST', at, { body: { url: URL_OF, event_types: ['*'], ...more } });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({ error: { details: [expect.objectContaining({ field })] } });
  });

  test('may be plain text where the operator lists the address', async () => {
    await make({ url: 'http://hooks.internal:8080/in' });
  });

  test('of all workspaces is made by administrators of the organisation alone', async () => {
    const { id } = await make({ all_workspaces: true });
    expect((await owner.call('GET', `${at}/${id}`)).body).toMatchObject({ workspace_id: null, all_workspaces: true });
    const change = sql`update tenant_members set role = 'developer' where user_id = ${owner.userId}`;
    await change.execute(api.db);
    try {
      expect((await owner.call('PATCH', `${at}/${id}`, { body: { description: 'x' } })).status).toBe(403);
      expect(
        (await owner.call('POST', at, { body: { url: URL_OF, event_types: ['*'], all_workspaces: true } })).status,
      ).toBe(403);
    } finally {
      await sql`update tenant_members set role = 'owner' where user_id = ${owner.userId}`.execute(api.db);
    }
  });

  test('is nobody else’s', async () => {
    const { id } = await make();
    const tested = await owner.call('POST', `${at}/${id}/test`);
    const calls = await Promise.all([
      stranger.call('GET', `${at}/${id}`),
      stranger.call('PATCH', `${at}/${id}`, { body: { is_active: false } }),
      stranger.call('POST', `${at}/${id}/rotate-secret`),
      stranger.call('POST', `${at}/${id}/test`),
      stranger.call('GET', `${at}/${id}/deliveries`),
      stranger.call('GET', `/v1/webhook-deliveries/${String(tested.body['id'])}`),
    ]);
    expect(calls.map(({ status }) => status)).toEqual(Array(6).fill(404));
    expect((await stranger.call('GET', at)).body).toMatchObject({ total: 0 });
  });

  test('opens to a key with webhooks:write, and leaves no secret in the audit log', async () => {
    const key = await owner.call('POST', '/api/v1/auth/api-keys', {
      body: { name: 'hooks', environment: 'live', scopes: ['webhooks:write'] },
    });
    const headers = { authorization: '', 'x-api-key': String(key.body['key']) };
    const made = await owner.call('POST', at, { headers, body: { url: URL_OF, event_types: ['*'] } });
    expect(made.status).toBe(201);
    const rotated = await owner.call('POST', `${at}/${String(made.body['id'])}/rotate-secret`);
    const audit = JSON.stringify((await owner.call('GET', '/v1/audit')).body);
    expect(audit).toContain('webhookEndpoints.create');
    for (const secret of [made.body['secret'], rotated.body['secret']]) expect(audit).not.toContain(secret);
    expect(audit).not.toContain('whsec_');
  });
});

describe('a delivery', () => {
  test('of a test is one however often it is asked for under one key; lists go on by cursor', async () => {
    const { id } = await make();
    const headers = { 'idempotency-key': 'one' };
    const [first, second] = [
      await owner.call('POST', `${at}/${id}/test`, { headers }),
      await owner.call('POST', `${at}/${id}/test`, { headers }),
    ];
    expect(first.status).toBe(202);
    expect(second.body['id']).toBe(first.body['id']);
    await owner.call('POST', `${at}/${id}/test`);
    const page = await owner.call('GET', `${at}/${id}/deliveries?limit=1&type=webhook.test&status=pending`);
    expect(page.body['items']).toHaveLength(1);
    const next = await owner.call('GET', `${at}/${id}/deliveries?limit=1&cursor=${String(page.body['next_cursor'])}`);
    expect(next.body).toMatchObject({ items: [{ id: first.body['id'], status: 'pending' }], next_cursor: null });
    expect((await owner.call('GET', `${at}/${id}/deliveries?cursor=x`)).status).toBe(422);
  });

  test('is not sent again while it is under way, nor while its endpoint is off; the dead are sent once', async () => {
    const { id } = await make();
    const tested = String((await owner.call('POST', `${at}/${id}/test`)).body['id']);
    expect((await owner.call('POST', `/v1/webhook-deliveries/${tested}/redrive`)).status).toBe(409);
    await sql`update webhook_deliveries set status = 'dead', ended_at = now() where id = ${tested}`.execute(api.db);
    await owner.call('PATCH', `${at}/${id}`, { body: { is_active: false } });
    expect((await owner.call('POST', `/v1/webhook-deliveries/${tested}/redrive`)).status).toBe(409);
    await owner.call('PATCH', `${at}/${id}`, { body: { is_active: true } });
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const bulk = () => owner.call('POST', `${at}/${id}/redrive`, { body: { since } });
    expect((await bulk()).body).toEqual({ redriven: 1, more: false });
    expect((await bulk()).body).toEqual({ redriven: 0, more: false });
    const [again] = (await owner.call('GET', `${at}/${id}/deliveries`)).body['items'] as { redriven_from: string }[]; // -- reason: a list of deliveries
    expect(again?.redriven_from).toBe(tested);
  });
});

describe('settings.webhook_url of the organisation', () => {
  const patch = (webhook_url: string | null) =>
    owner.call('PATCH', '/api/v1/tenants/me', { body: { settings: { webhook_url } } });

  test('makes an endpoint for calls, changes it, and removes it', async () => {
    const set = await patch('https://example.com/calls');
    expect(set.status).toBe(200);
    expect(set.body['webhook_secret']).toMatch(/^whsec_/);
    const moved = await patch('https://example.com/moved');
    expect(moved.body).not.toHaveProperty('webhook_secret');
    const mine = async () =>
      (
        (await owner.call('GET', at)).body['items'] as {
          id: string;
          source: string;
          url: string;
          event_types: string[];
        }[]
      ).filter(
        // -- reason: a list of endpoints
        ({ source }) => source === 'tenant_settings',
      );
    const [endpoint] = await mine();
    expect(endpoint).toMatchObject({ url: 'https://example.com/moved', event_types: ['call.*'] });
    const one = `${at}/${endpoint?.id ?? ''}`;
    expect((await owner.call('DELETE', one)).status).toBe(409);
    expect((await owner.call('PATCH', one, { body: { url: URL_OF } })).status).toBe(422);
    expect((await owner.call('POST', `${one}/rotate-secret`)).body['secret']).toMatch(/^whsec_/);
    await patch(null);
    expect(await mine()).toEqual([]);
  });
});
