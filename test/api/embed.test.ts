import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { RunMessages } from '../../api/temporal/gateway.js';
import type { Turn } from '../../workflows/contract/messages.js';
import { startTestApi, type Person, type Sent, type TestApi } from '../support/api.js';
import { runAt } from '../support/commands.js';
import { send, type Answered } from '../support/http.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';
import { agent, sessionUser } from '../support/sessions.js';

const temporal = scriptedTemporal();
const shop = 'https://shop.example.com';
let api: TestApi;
let person: Person;
let agentId: string;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
  person = await api.signUp();
  agentId = await newAgent(person, { isPublished: true });
});
afterAll(() => api.close());

const turn: Turn = {
  isOver: true,
  status: 'waiting',
  said: [{ node_id: 'root_agent', text: 'Hello.' }],
  trace: [{ type: 'workflow.node.route', node_id: 'root_agent', to: 'end' }],
  activeNode: 'root_agent.listen',
  vars: {},
};
const answering: RunMessages['takeTurn'] = () => Promise.resolve({ outcome: 'done', value: turn });
beforeEach(() => temporal.play({ takeTurn: answering }));

async function newAgent(of: Person, { isPublished }: { readonly isPublished: boolean }): Promise<string> {
  const user = sessionUser(of);
  const id = await user.draw({ nodes: [agent('root_agent', { greeting: 'Hello.' })], edges: [] });
  if (isPublished) await user.publish(id);
  return id;
}

const doorOf = (id: string): string => `/v1/agents/${id}/deployments`;
const deploy = (more: object = {}, id = agentId): Promise<Answered> =>
  person.call('POST', doorOf(id), { body: { channel: 'web', allowed_origins: [shop], ...more } });
const tokenOf = async (more: object = {}, id = agentId): Promise<string> =>
  String((await deploy(more, id)).body['token']);

/** One request as a page that holds a token. */
const page = (token: string, path: string, { body = {}, headers = {} }: Sent = {}): Promise<Answered> =>
  send(`${api.url}/v1/public/runtime/sessions${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', origin: shop, ...headers },
    body: JSON.stringify(body),
  });

describe('deployments', () => {
  test('show their token once, then its prefix', async () => {
    const id = await newAgent(person, { isPublished: false });
    const made = await deploy({ name: ' Shop ', theme: { color: '#0af' } }, id);
    expect(made).toMatchObject({
      status: 201,
      body: { agent_id: id, channel: 'web', name: 'Shop', allowed_origins: [shop], theme: { color: '#0af' } },
    });
    const token = String(made.body['token']);
    expect(token).toMatch(/^cdp_[\w-]{43}$/);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const listed = await person.call('GET', doorOf(id));
    expect(listed.body).toMatchObject({ total: 1, items: [{ prefix: token.slice(0, 12), last_used_at: null }] });
    expect(listed.text).not.toContain(token.slice(13));
    const stored = await api.db.selectFrom('deployments').selectAll().where('definition_id', '=', id).execute();
    expect(JSON.stringify(stored)).not.toContain(token.slice(13));
  });

  test('are asked for by slug too, and only within their own agent and workspace', async () => {
    const other = await newAgent(person, { isPublished: false });
    const made = await deploy({}, other);
    const path = `/${String(made.body['id'])}`;
    expect((await person.call('DELETE', doorOf(agentId) + path)).status).toBe(404);
    const stranger = await api.signUp();
    expect((await stranger.call('GET', doorOf(other))).status).toBe(404);
    expect((await stranger.call('DELETE', doorOf(other) + path)).status).toBe(404);
    const { slug } = await api.db
      .selectFrom('definitions')
      .select('slug')
      .where('id', '=', other)
      .executeTakeFirstOrThrow();
    const bySlug = await person.call('GET', doorOf(slug));
    expect(bySlug.body).toMatchObject({ total: 1 });
    expect((await person.call('DELETE', doorOf(other) + path)).status).toBe(204);
    expect((await person.call('DELETE', doorOf(other) + path)).status).toBe(404);
  });

  test.each([
    ['a path', 'https://shop.example.com/'],
    ['a wildcard', 'https://*.example.com'],
    ['everything', '*'],
    ['no scheme', 'shop.example.com'],
    ['the usual port', 'https://shop.example.com:443'],
    ['another scheme', 'file://shop'],
    ['the nameless origin', 'null'],
  ])('refuse an origin with %s', async (_, origin) => {
    const refused = await deploy({ allowed_origins: [origin] });
    expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'allowed_origins.0' }] } } });
  });

  test('refuse other wrong bodies, and a name twice', async () => {
    for (const wrong of [{ channel: 'Web site' }, { theme: { css: 'x'.repeat(9_000) } }, { token: 'cdp_mine' }])
      expect((await deploy(wrong)).status).toBe(422);
    expect((await deploy({ name: 'Twice' })).status).toBe(201);
    expect((await deploy({ name: 'Twice' })).status).toBe(409);
  });
});

describe('the public runtime', () => {
  test('talks without telling how', async () => {
    const token = await tokenOf();
    const begun = await page(token, '', { body: { variables: { tier: 'gold' } } });
    expect(begun.status).toBe(201);
    expect(begun.body).toEqual({
      session_id: expect.stringMatching(/^run_/),
      messages: [{ role: 'assistant', text: 'Hello.' }],
      state: 'awaiting_input',
    });
    const said = await page(token, `/${String(begun.body['session_id'])}/turns`, { body: { message: 'hi' } });
    expect(said).toMatchObject({ status: 200, body: { state: 'awaiting_input' } });
    expect(Object.keys(said.body)).toEqual(['session_id', 'messages', 'state']);
    const run = await api.db
      .selectFrom('runs')
      .innerJoin('versions', 'versions.id', 'runs.version_id')
      .select(['runs.trigger', 'runs.actor', 'runs.tags', 'versions.number'])
      .where('runs.id', '=', String(begun.body['session_id']))
      .executeTakeFirst();
    expect(run).toEqual({ trigger: 'embed', actor: expect.stringMatching(/^dep_/), tags: [], number: 1 });
  });

  test('is open to pages of allowed origins alone, and to programs', async () => {
    const token = await tokenOf();
    for (const origin of ['https://evil.example', 'http://shop.example.com', `${shop}:8443`, 'null'])
      expect((await page(token, '', { headers: { origin } })).status).toBe(403);
    const program = await send(`${api.url}/v1/public/runtime/sessions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(program.status).toBe(201);
  });

  test('answers any page that asks, without cookies', async () => {
    const asked = await send(`${api.url}/v1/public/runtime/sessions`, {
      method: 'OPTIONS',
      headers: {
        origin: shop,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe('*');
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    const refused = await page('cdp_wrong', '');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
    const elsewhere = await send(`${api.url}/v1/runs`, { headers: { origin: shop } });
    expect(elsewhere.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('takes no other credential, and a revoked one at once no more', async () => {
    const made = await deploy();
    const token = String(made.body['token']);
    expect((await page(token, '')).status).toBe(201);
    expect((await page(person.token, '')).status).toBe(401);
    await person.call('DELETE', `${doorOf(agentId)}/${String(made.body['id'])}`);
    expect((await page(token, '')).status).toBe(401);
    const asMember = await send(`${api.url}/v1/runs`, { headers: { authorization: `Bearer ${await tokenOf()}` } });
    expect(asMember.status).toBe(401);
  });

  test('keeps the sessions of deployments apart', async () => {
    const [mine, other] = [await tokenOf(), await tokenOf()];
    const begun = await page(mine, '');
    const at = `/${String(begun.body['session_id'])}`;
    const hi = { body: { message: 'hi' } };
    expect((await page(other, `${at}/turns`, hi)).status).toBe(404);
    const read = (token: string) =>
      send(`${api.url}/v1/public/runtime/sessions${at}`, { headers: { authorization: `Bearer ${token}` } });
    expect((await read(other)).status).toBe(404);
    expect(await read(mine)).toMatchObject({ status: 200, body: { session_id: begun.body['session_id'] } });
    const simulated = await person.call('POST', `/v1/runtime/workflows/${agentId}/sessions`, { body: {} });
    expect((await page(mine, `/${String(simulated.body['session_id'])}/turns`, hi)).status).toBe(404);
  });

  test('says in plain words what it cannot do', async () => {
    const draft = await newAgent(person, { isPublished: false });
    const token = await tokenOf({}, draft);
    const refused = await page(token, '');
    expect(refused).toMatchObject({ status: 409 });
    expect(refused.body.error?.message).toContain('published');
    expect(refused.text).not.toContain(draft);
    const live = await deploy();
    const { runId } = await runAt(api.db, person, {
      ...{ status: 'completed', kind: 'workflow', isConversation: true },
      ...{ trigger: 'embed', actor: String(live.body['id']) },
    });
    const late = await page(String(live.body['token']), `/${runId}/turns`, { body: { message: 'hi' } });
    expect(late.status).toBe(409);
    await person.call('DELETE', `/v1/workflows/${draft}`);
    expect(await page(token, '')).toMatchObject({ status: 404 });
    for (const body of [{ use_draft: true }, { variables: { message: 'x' } }, { variables: [] }])
      expect((await page(String(live.body['token']), '', { body })).status).toBe(422);
  });

  test('counts sixty requests a minute of a token, or what its workspace says', async () => {
    const first = await page(await tokenOf(), '');
    expect(first.headers.get('x-ratelimit-limit')).toBe('60');
    const capped = await api.signUp();
    const id = await newAgent(capped, { isPublished: true });
    const made = await capped.call('POST', doorOf(id), { body: { channel: 'web', allowed_origins: [] } });
    await api.db
      .updateTable('workspaces')
      .set({ settings: JSON.stringify({ rpm_cap_per_agent: 1 }) })
      .where('id', '=', capped.workspace.id)
      .execute();
    const token = String(made.body['token']);
    const program = (): Promise<Answered> =>
      send(`${api.url}/v1/public/runtime/sessions`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    expect((await program()).status).toBe(201);
    const late = await program();
    expect(late.status).toBe(429);
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});
