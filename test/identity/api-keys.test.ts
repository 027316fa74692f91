import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sha256Hex } from '../../db/crypto.js';
import type { Role } from '../../db/tables.js';
import { keyScopes } from '../../api/services/scopes.js';
import { ADMIN_TOKEN, PASSWORD, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

const keys = '/api/v1/auth/api-keys';
let api: TestApi;
let ada: Person;
let bob: Person;
beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  [ada, bob] = [await api.signUp(), await api.signUp()];
});
afterAll(() => api.close());

let named = 0;
const mint = (by: Person, body: object = {}, headers: Record<string, string> = {}): Promise<Answered> => {
  named += 1;
  return by.call('POST', keys, { body: { name: `Key ${named}`, environment: 'live', ...body }, headers });
};
const keyOf = (answer: Answered): string => String(answer.body['key']);
const withKey = (path: string, headers: Record<string, string>) => send(api.url + path, { headers });
const fields = ({ body }: Answered) => body.error?.details.map(({ field }) => field);

/** Somebody with this role in Ada's workspace, acting there. */
async function colleague(role: Role): Promise<{ person: Person; headers: Record<string, string> }> {
  const person = await api.signUp();
  const workspace_id = ada.workspace.id;
  await api.db.insertInto('memberships').values({ user_id: person.userId, workspace_id, role }).execute();
  await api.db.updateTable('sessions').set({ workspace_id }).where('user_id', '=', person.userId).execute();
  return { person, headers: { 'x-workspace-id': workspace_id } };
}

describe('login of the Agent Studio', () => {
  const login = (body: object) =>
    send(`${api.url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  test('answers both tokens, which no cache keeps', async () => {
    const { status, body, headers } = await login({ email: ada.email, password: PASSWORD });
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: 'bearer', expires_in: 1800, user_id: ada.userId });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('set-cookie')).toBeNull();
    const authorization = `Bearer ${String(body['access_token'])}`;
    expect((await withKey(keys, { authorization })).status).toBe(200);
    expect((await withKey(keys, { authorization: `Bearer ${String(body['refresh_token'])}` })).status).toBe(401);
  });

  test('a wrong password and an unknown address answer the same', async () => {
    const wrong = await login({ email: ada.email, password: 'no' });
    const unknown = await login({ email: 'ghost@example.com', password: 'no' });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(unknown.body).toEqual(wrong.body);
  });
});

describe('a new key', () => {
  test('is shown once, in its form, and kept as a hash', async () => {
    const { status, body, headers } = await mint(ada, { name: 'CI', environment: 'test' });
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      id: expect.stringMatching(/^key_/),
      name: 'CI',
      environment: 'test',
      key: expect.stringMatching(/^as_test_[\w-]{32}$/),
      prefix: String(body['key']).slice(0, 12),
      scopes: [...keyScopes],
      rate_limit: null,
      created_by: ada.userId,
      created_at: expect.any(String),
      last_used_at: null,
      revoked_at: null,
    });
    const row = await api.db
      .selectFrom('api_keys')
      .selectAll()
      .where('id', '=', String(body['id']))
      .executeTakeFirstOrThrow();
    expect(row.key_hash).toBe(sha256Hex(String(body['key'])));
    expect(JSON.stringify(row)).not.toContain(String(body['key']));
    const listed = await ada.call('GET', keys);
    expect(listed.text).not.toContain(String(body['key']));
    expect(listed.body).toMatchObject({ limit: 50, offset: 0 });
  });

  test('opens the surfaces in X-API-Key and as Bearer, as far as its scopes go', async () => {
    const key = keyOf(await mint(ada, { scopes: ['workflows:read'] }));
    expect((await withKey('/v1/workflows', { 'x-api-key': key })).status).toBe(200);
    expect((await withKey('/v1/workflows', { authorization: `Bearer ${key}` })).status).toBe(200);
    const refused = await withKey('/v1/workspace-tools', { 'x-api-key': key });
    expect(refused.status).toBe(403);
    expect(refused.body.error?.code).toBe('authorization_error');
    const foreign = { 'x-api-key': key, 'x-workspace-id': bob.workspace.id };
    expect((await withKey('/v1/workflows', foreign)).status).toBe(403);
  });

  test('cannot be minted, listed or revoked by a key, nor by a token', async () => {
    const minted = await mint(ada);
    const authorization = `Bearer ${keyOf(minted)}`;
    for (const headers of [{ authorization }, { authorization: `Bearer ${ADMIN_TOKEN}` }]) {
      expect((await mint(ada, {}, headers)).status).toBe(403);
      expect((await withKey(keys, headers)).status).toBe(403);
      const revoked = await ada.call('DELETE', `${keys}/${String(minted.body['id'])}`, { headers });
      expect(revoked.status).toBe(403);
    }
    const token = await ada.call('POST', `/workspaces/${ada.workspace.id}/tokens`);
    const asToken = { authorization: `Bearer ${String(token.body['auth_token'])}` };
    expect((await mint(ada, {}, asToken)).status).toBe(401);
  });

  test.each([
    [{ scopes: ['agents:read', 'agents:fly'] }, ['scopes.1']],
    [{ scopes: ['support:*'] }, ['scopes.0']],
    [{ environment: 'prod' }, ['environment']],
    [{ name: ' ' }, ['name']],
    [{ rate_limit: 0 }, ['rate_limit']],
    [{ rate_limit: 100_001 }, ['rate_limit']],
  ])('%j is refused and the field is named', async (body, named) => {
    const refused = await mint(ada, body);
    expect(refused.status).toBe(422);
    expect(fields(refused)).toEqual(named);
  });

  test('of the name of a live one is a conflict, also at the same moment', async () => {
    const twins = await Promise.all([1, 2, 3].map(() => mint(ada, { name: 'Twin' })));
    expect(statusesOf(twins)).toEqual([201, 409, 409]);
    const refused = twins.find(({ status }) => status === 409);
    expect(refused?.body.error?.code).toBe('conflict');
    const made = twins.find(({ status }) => status === 201);
    await ada.call('DELETE', `${keys}/${String(made?.body['id'])}`);
    expect((await mint(ada, { name: 'Twin' })).status).toBe(201);
    expect((await mint(bob, { name: 'Twin' })).status).toBe(201);
  });

  test('number 101 is one too many, also at the same moment', async () => {
    const carol = await api.signUp();
    const together = (length: number) => Promise.all(Array.from({ length }, () => mint(carol)));
    for (let minted = 0; minted < 95; minted += 5) await together(5);
    const last = (await together(9)).map(({ status }) => status).toSorted((a, b) => a - b);
    expect(last).toEqual([...Array<number>(5).fill(201), ...Array<number>(4).fill(429)]);
    const page = await carol.call('GET', `${keys}?limit=100&offset=90`);
    expect(page.body).toMatchObject({ total: 100, limit: 100, offset: 90 });
    expect(page.body['items']).toHaveLength(10);
    expect((await carol.call('GET', `${keys}?limit=101`)).status).toBe(422);
  });

  test('of a test key marks the runs it starts', async () => {
    const steps = [{ kind: 'trigger', label: 'In' }];
    await ada.call('POST', '/v1/workflow-chains', { body: { name: 'C', slug: 'c', primary_steps: steps } });
    for (const [environment, tags] of [
      ['test', ['test']],
      ['live', []],
    ] as const) {
      const headers = { 'x-api-key': keyOf(await mint(ada, { environment })), authorization: '' };
      const chain = await ada.call('POST', '/v1/workflow-chains/c/run', { headers });
      const run = await ada.call('GET', `/v1/runs/${String(chain.body['run_id'])}`);
      expect(run.body['tags']).toEqual(tags);
    }
  });
});

describe('what a key may is what its maker may, or less', () => {
  test('a viewer gives reading alone', async () => {
    const { person, headers } = await colleague('viewer');
    const minted = await mint(person, {}, headers);
    expect(minted.status).toBe(201);
    for (const scope of minted.body['scopes'] as string[]) expect(scope).toMatch(/:read$/);
    const refused = await mint(person, { scopes: ['agents:read', 'agents:write'] }, headers);
    expect(refused.status).toBe(422);
    expect(fields(refused)).toEqual(['scopes.1']);
  });

  test('an editor gives no publishing', async () => {
    const { person, headers } = await colleague('editor');
    const minted = await mint(person, {}, headers);
    expect(minted.body['scopes']).toContain('tools:write');
    expect(minted.body['scopes']).not.toContain('workflows:write');
    expect((await mint(person, { scopes: ['workflows:write'] }, headers)).status).toBe(422);
  });

  test('nor does a change raise it', async () => {
    const { person, headers } = await colleague('viewer');
    const minted = await mint(person, {}, headers);
    const path = `${keys}/${String(minted.body['id'])}`;
    const raised = await person.call('PATCH', path, { body: { scopes: ['tools:write'] }, headers });
    expect(raised.status).toBe(422);
    const lowered = await person.call('PATCH', path, { body: { scopes: ['agents:read'], rate_limit: 7 }, headers });
    expect(lowered.body).toMatchObject({ scopes: ['agents:read'], rate_limit: 7, name: minted.body['name'] });
  });

  test('somebody without a role in the workspace mints nothing there', async () => {
    const second = await ada.call('POST', '/workspaces', { body: { name: 'Second' } });
    const { person } = await colleague('editor');
    const refused = await mint(person, {}, { 'x-workspace-id': String(second.body['id']) });
    expect(refused.status).toBe(403);
  });
});

describe('a key later', () => {
  test('is seen by its maker and the administrators, and by nobody else', async () => {
    const { person, headers } = await colleague('editor');
    const own = await mint(person, {}, headers);
    const adas = await mint(ada);
    const seen = await person.call('GET', keys, { headers });
    expect(seen.body['items']).toMatchObject([{ id: own.body['id'] }]);
    for (const method of ['DELETE', 'PATCH']) {
      const sent = { headers, ...(method === 'PATCH' ? { body: { name: 'Mine now' } } : {}) };
      const foreign = await person.call(method, `${keys}/${String(adas.body['id'])}`, sent);
      expect(foreign.status).toBe(404);
    }
    expect((await bob.call('DELETE', `${keys}/${String(adas.body['id'])}`)).status).toBe(404);
    expect((await ada.call('DELETE', `${keys}/${String(own.body['id'])}`)).status).toBe(204);
  });

  test('is revoked once, and opens nothing from then on', async () => {
    const minted = await mint(ada);
    const headers = { 'x-api-key': keyOf(minted) };
    expect((await withKey('/v1/workflows', headers)).status).toBe(200);
    const path = `${keys}/${String(minted.body['id'])}`;
    const revoked = await Promise.all([1, 2, 3, 4].map(() => ada.call('DELETE', path)));
    expect(statusesOf(revoked)).toEqual([204, 404, 404, 404]);
    expect((await withKey('/v1/workflows', headers)).status).toBe(401);
    expect((await ada.call('PATCH', path, { body: { name: 'Again' } })).status).toBe(404);
    const listed = await ada.call('GET', `${keys}?limit=100`);
    const row = (listed.body['items'] as { id: string; revoked_at: string | null }[]).find(
      ({ id }) => id === minted.body['id'],
    );
    expect(row?.revoked_at).toEqual(expect.any(String));
  });

  test('is changed to a name that is free', async () => {
    await mint(ada, { name: 'Held' });
    const other = await mint(ada, { name: 'Other' });
    const path = `${keys}/${String(other.body['id'])}`;
    expect((await ada.call('PATCH', path, { body: { name: 'Held' } })).status).toBe(409);
    expect((await ada.call('PATCH', path, { body: { name: 'Free' } })).body['name']).toBe('Free');
    expect((await ada.call('PATCH', path, { body: {} })).body['name']).toBe('Free');
  });

  test('has its own limit of requests', async () => {
    const key = keyOf(await mint(ada, { rate_limit: 2 }));
    const answers = [];
    for (let i = 0; i < 3; i += 1) answers.push(await withKey('/v1/workflows', { 'x-api-key': key }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[2]?.headers.get('x-ratelimit-limit')).toBe('2');
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('dies with its workspace', async () => {
    const made = await bob.call('POST', '/workspaces', { body: { name: 'Short-lived' } });
    const id = String(made.body['id']);
    const key = keyOf(await mint(bob, {}, { 'x-workspace-id': id }));
    expect((await withKey('/v1/workflows', { 'x-api-key': key })).status).toBe(200);
    expect((await bob.call('DELETE', `/workspaces/${id}`)).status).toBe(200);
    expect((await withKey('/v1/workflows', { 'x-api-key': key })).status).toBe(401);
    const row = await api.db.selectFrom('api_keys').select('revoked_at').where('workspace_id', '=', id).execute();
    expect(row).toEqual([{ revoked_at: expect.any(Date) }]);
  });
});
