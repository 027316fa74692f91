import { starters } from '../../workflows/definition/agents/starters.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;
beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
}, 120_000);
afterAll(() => api.close());

const all = '/api/v1/workflows';
const agent = (name: string, config: object = {}) => ({ name, config: { prompt: { system: 'Help.' }, ...config } });
const node = (id: string, more: object = {}) => ({ id, agent_name: id, ...more });

/** Two agents in a row. */
const config = {
  nodes: [node('hello', { is_entry: true, position: { x: 1, y: 2 } }), node('bye', { is_exit: true })],
  connections: [{ source_id: 'hello', target_id: 'bye', context_passed: ['order'] }],
  shared_context: ['name'],
};

beforeEach(async () => {
  person = await api.signUp();
  for (const name of ['hello', 'bye']) {
    const made = await person.call('POST', '/api/v1/agents', { body: agent(name) });
    expect(made.status).toBe(201);
  }
});

const make = (body: object = {}, by: Person = person) =>
  by.call('POST', all, { body: { name: 'Front Office', config, ...body } });
const fieldsOf = (answer: { readonly body: Readonly<Record<string, unknown>> }): readonly string[] =>
  // -- reason: the envelope has them
  (answer.body['error'] as { details: { field: string }[] }).details.map(({ field }) => field);
const versions = (slug: string) =>
  api.db
    .selectFrom('versions')
    .innerJoin('definitions', 'definitions.id', 'versions.definition_id')
    .select(['versions.number', 'definitions.revision', 'definitions.status'])
    .where('definitions.workspace_id', '=', person.workspace.id)
    .where('definitions.slug', '=', slug)
    .orderBy('versions.number', 'desc')
    .execute();

const shipped = starters.workflows.map(({ slug }) => slug);

describe('a workflow of agents', () => {
  test('is made, published at once, and read as a descriptor with its document', async () => {
    const made = await make({ description: 'Answers the phone' });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      ...{ kind: 'agent_dag', slug: 'front-office', key: 'front-office', name: 'Front Office', version: 1 },
      ...{ display_name: 'Front Office', description: 'Answers the phone', is_active: true, step_count: 2 },
      ...{ default: false, allow_handoff_agents: true, output_schema: null },
      stages: [{ name: 'agents', mode: 'sequential', steps: [{ name: 'hello', agent_key: 'hello' }, { name: 'bye' }] }],
      config: {
        nodes: [
          { id: 'hello', agent_name: 'hello', is_entry: true, is_exit: false, position: { x: 1, y: 2 } },
          { id: 'bye', is_exit: true },
        ],
        connections: [{ source_id: 'hello', target_id: 'bye', context_passed: ['order'] }],
        shared_context: ['name'],
      },
    });
    expect((await person.call('GET', `${all}/front-office`)).body).toEqual(made.body);
    expect(await versions('front-office')).toEqual([{ number: 1, revision: 1, status: 'published' }]);
  });

  test('made twice under one key is made once', async () => {
    const headers = { 'idempotency-key': 'the-same' };
    const send = () => person.call('POST', all, { body: { name: 'Once', config }, headers });
    const [first, again] = [await send(), await send()];
    expect([first.status, again.body]).toEqual([201, first.body]);
  });

  test('is listed with the fields of both surfaces, filtered and searched', async () => {
    await make({ slug: 'one', name: 'One', description: 'for 100% of callers' });
    await make({ slug: 'two', name: 'Two', is_active: false });
    const list = async (query: string) => {
      const { status, body } = await person.call('GET', `${all}?${query}`);
      expect(status).toBe(200);
      const { items, total } = body as { items: { slug: string }[]; total: number }; // -- reason: a page
      return { ...body, total, slugs: items.map(({ slug }) => slug), items };
    };
    const whole = await list('limit=2');
    expect(whole).toMatchObject({ slugs: ['two', 'one'], total: shipped.length + 2, limit: 2, offset: 0 });
    expect(whole.items[1]).toEqual({
      ...{ id: expect.any(String), kind: 'agent_dag', slug: 'one', key: 'one', name: 'One', display_name: 'One' },
      ...{ description: 'for 100% of callers', is_active: true, step_count: 2, default: false },
      ...{ created_at: expect.any(String), updated_at: expect.any(String) },
    });
    expect((await list('limit=2&offset=2')).slugs).toHaveLength(2);
    expect((await list('is_active=false')).slugs).toEqual(['two']);
    expect((await list('is_active=true')).total).toBe(shipped.length + 1);
    expect((await list('search=100%25')).slugs).toEqual(['one']);
    expect((await list('search=CALLERS&limit=1')).slugs).toEqual(['one']);
    expect((await list('search=nothing')).total).toBe(0);
  });

  test('begins with those that are shipped', async () => {
    const { body } = await person.call('GET', all);
    const { items } = body as { items: { slug: string; is_active: boolean }[] };
    expect(items.filter(({ is_active }) => is_active).map(({ slug }) => slug)).toEqual(expect.arrayContaining(shipped));
    expect(items).toHaveLength(shipped.length);
  });

  test('is changed part by part, and replaced as a whole', async () => {
    await make();
    const changed = await person.call('PATCH', `${all}/front-office`, {
      body: { description: 'New', config: { shared_context: ['name', 'city'] } },
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ name: 'Front Office', description: 'New', version: 2 });
    expect(changed.body['config']).toMatchObject({
      nodes: [{ id: 'hello' }, { id: 'bye' }],
      shared_context: ['name', 'city'],
    });
    const only = { nodes: [node('bye', { is_entry: true, is_exit: true })] };
    const replaced = await person.call('PUT', `${all}/front-office`, { body: { name: 'Short', config: only } });
    expect(replaced.body).toMatchObject({
      slug: 'front-office',
      name: 'Short',
      description: '',
      step_count: 1,
      version: 3,
    });
    expect(replaced.body['config']).toMatchObject({ connections: [], shared_context: [] });
    expect((await versions('front-office'))[0]).toEqual({ number: 3, revision: 3, status: 'published' });
    const back = await person.call('PUT', `${all}/front-office`, { body: replaced.body });
    expect(back.body).toMatchObject({ version: 3, config: replaced.body['config'] });
  });

  test('a new name makes no new version', async () => {
    await make();
    const { body } = await person.call('PATCH', `${all}/front-office`, { body: { name: 'Reception' } });
    expect(body).toMatchObject({ name: 'Reception', slug: 'front-office', version: 1 });
  });

  test('is paused, changed while it is, and made active again', async () => {
    await make();
    const patch = (body: object) => person.call('PATCH', `${all}/front-office`, { body });
    expect((await patch({ is_active: false })).body).toMatchObject({ is_active: false, version: 1 });
    expect((await patch({ config: { shared_context: [] } })).body).toMatchObject({ is_active: false, version: 2 });
    expect((await versions('front-office'))[0]).toMatchObject({ status: 'paused' });
    expect((await patch({ is_active: true })).body).toMatchObject({ is_active: true, version: 2 });
  });

  test('that names an agent who is gone may be paused, and not made active', async () => {
    await make();
    const patch = (body: object) => person.call('PATCH', `${all}/front-office`, { body });
    await patch({ is_active: false });
    expect((await person.call('DELETE', '/api/v1/agents/bye')).status).toBe(204);
    expect((await patch({ description: 'Still here' })).status).toBe(200);
    const refused = await patch({ is_active: true });
    expect([refused.status, fieldsOf(refused)]).toEqual([422, ['config.nodes.1.agent_name']]);
  });

  test('is deleted; its slug is free again', async () => {
    await make();
    expect((await person.call('DELETE', `${all}/front-office`)).status).toBe(204);
    expect((await person.call('GET', `${all}/front-office`)).status).toBe(404);
    expect((await person.call('DELETE', `${all}/front-office`)).status).toBe(404);
    expect((await make()).body).toMatchObject({ slug: 'front-office' });
  });

  test('changes are audited with what it was', async () => {
    await make();
    await person.call('PATCH', `${all}/front-office`, { body: { name: 'Reception' } });
    const { body } = await person.call('GET', '/v1/audit?action=agentWorkflows.change');
    expect(body).toMatchObject({
      items: [{ entity_type: 'agent_workflow', before: { name: 'Front Office' }, after: { name: 'Reception' } }],
    });
  });
});

describe('refusals', () => {
  test('each problem is one detail, by its place in the body', async () => {
    const refused = await make({
      config: {
        nodes: [node('hello'), node('hello'), node('stranger', { skip_condition: 'flags.' })],
        connections: [
          { source_id: 'hello', target_id: 'nobody' },
          { source_id: 'hello', target_id: 'hello' },
        ],
      },
    });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({ error: { code: 'validation_error' } });
    expect(fieldsOf(refused)).toEqual([
      ...['config.nodes.1.id', 'config.nodes', 'config.nodes', 'config.connections.0.target_id'],
      ...['config.connections.1', 'config.nodes.2.skip_condition', 'config.nodes.2.agent_name'],
    ]);
    expect((await person.call('GET', `${all}/front-office`)).status).toBe(404);
  });

  test.each<readonly [object, readonly string[]]>([
    [
      { config: { nodes: [{ id: 'a b', agent_name: 'hello', extra: 1 }] } },
      ['config.nodes.0.id', 'config.nodes.0.extra'],
    ],
    [{ name: '', config: { nodes: 'none' } }, ['name', 'config.nodes']],
    [{ slug: 'Not A Slug' }, ['slug']],
    [{ slug: 'runs' }, ['slug']],
    [{ config: {} }, ['config.nodes']],
    [{ config: null }, ['config.nodes']],
    [{ is_active: 'yes' }, ['is_active']],
    [{ surprise: true }, ['surprise']],
  ])('%j', async (body, fields) => {
    const refused = await make(body);
    expect([refused.status, fieldsOf(refused)]).toEqual([422, fields]);
  });

  test('an inactive agent cannot be named', async () => {
    await person.call('PATCH', '/api/v1/agents/bye', { body: { is_active: false } });
    const refused = await make();
    expect([refused.status, fieldsOf(refused)]).toEqual([422, ['config.nodes.1.agent_name']]);
  });

  test('a slug is given once, and one made from the name gets a number', async () => {
    await make();
    const taken = await make({ slug: 'front-office' });
    expect(taken.status).toBe(409);
    expect(taken.body).toMatchObject({ error: { code: 'conflict' } });
    expect((await make()).body).toMatchObject({ slug: 'front-office-2' });
    expect((await make({ name: 'Runs' })).body).toMatchObject({ slug: 'runs-2' });
  });

  test('of several at once one gets the slug', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => make({ slug: 'same' })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409]);
  });

  test('a slug cannot be changed, and the same one may be sent', async () => {
    await make();
    const patch = (body: object) => person.call('PATCH', `${all}/front-office`, { body });
    expect(fieldsOf(await patch({ slug: 'other' }))).toEqual(['slug']);
    expect((await patch({ slug: 'front-office', name: 'Same' })).status).toBe(200);
  });

  test('an invalid change leaves what was', async () => {
    await make();
    const refused = await person.call('PATCH', `${all}/front-office`, {
      body: { name: 'X', config: { connections: [] } },
    });
    expect([refused.status, fieldsOf(refused)]).toEqual([422, ['config.nodes.1']]);
    expect((await person.call('GET', `${all}/front-office`)).body).toMatchObject({ name: 'Front Office', version: 1 });
  });

  test('only calls run it', async () => {
    const made = await make();
    const run = await person.call('POST', '/v1/runs', { body: { definition: 'front-office' } });
    const tested = await person.call('POST', `/v1/definitions/${String(made.body['id'])}/test-run`, { body: {} });
    for (const refused of [run, tested]) {
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({ error: { message: expect.stringContaining('POST /api/v1/calls') } });
    }
    const nodes = [
      { id: 'start', type: 'start' },
      { id: 'sub', type: 'subflow', config: { definition: made.body['id'] } },
    ];
    const edges = [{ source: 'start', target: 'sub' }];
    const outer = await person.call('POST', '/v1/workflows', {
      body: { name: 'Outer', engine: 'automation', graph: { nodes, edges } },
    });
    const checked = await person.call('POST', `/v1/workflows/${String(outer.body['id'])}/validate-publish`);
    expect(checked.body).toMatchObject({ ok: false, blockers: [{ code: 'not_nestable', node_id: 'sub' }] });
  });

  test('PUT needs all of it', async () => {
    await make();
    const refused = await person.call('PUT', `${all}/front-office`, { body: { config: { nodes: config.nodes } } });
    expect([refused.status, fieldsOf(refused)]).toEqual([422, ['name']]);
  });
});

describe('tenancy and rights', () => {
  test('another workspace finds nothing, and may use the same slug', async () => {
    await make();
    const stranger = await api.signUp();
    for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
      const body = method === 'PATCH' ? { body: { name: 'Mine' } } : {};
      expect((await stranger.call(method, `${all}/front-office`, body)).status).toBe(404);
    }
    const refused = await make({}, stranger);
    expect(fieldsOf(refused)).toEqual(['config.nodes.0.agent_name', 'config.nodes.1.agent_name']);
    for (const name of ['hello', 'bye']) await stranger.call('POST', '/api/v1/agents', { body: agent(name) });
    expect((await make({}, stranger)).status).toBe(201);
  });

  test('a key reads with workflows:read or conversations:read, and writes with workflows:write', async () => {
    await make();
    const keyWith = async (...scopes: string[]): Promise<string> => {
      const made = await person.call('POST', '/api/v1/auth/api-keys', {
        body: { name: scopes.join(' '), environment: 'live', scopes },
      });
      expect(made.status).toBe(201);
      return String(made.body['key']);
    };
    const headers = async (...scopes: string[]) => ({
      headers: { authorization: `Bearer ${await keyWith(...scopes)}` },
    });
    const reader = await headers('workflows:read');
    expect((await person.call('GET', `${all}/front-office`, reader)).status).toBe(200);
    const refused = await person.call('PATCH', `${all}/front-office`, { ...reader, body: { name: 'X' } });
    expect(refused.status).toBe(403);
    const writer = await headers('workflows:write', 'agents:read');
    expect((await person.call('PATCH', `${all}/front-office`, { ...writer, body: { name: 'X' } })).status).toBe(200);
    expect((await person.call('GET', all, await headers('tools:read'))).status).toBe(403);
  });
});
