import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  person = await api.signUp();
});
afterAll(() => api.close());

const agent = { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help.' } };
const end = { id: 'bye', type: 'end', config: {} };
const graph = {
  nodes: [agent, end],
  edges: [{ id: 'e1', source: 'root_agent', target: 'bye', condition: { expr: 'default' } }],
};

const create = async (name: string, more: object = {}): Promise<string> => {
  const made = await person.call('POST', '/v1/workflows', { body: { name, ...more } });
  expect({ status: made.status, text: made.status === 201 ? '' : made.text }).toEqual({ status: 201, text: '' });
  return String(made.body['id']);
};
const at = (id: string, rest = ''): string => `/v1/workflows/${id}${rest}`;
const put = (id: string, body: object, headers: Record<string, string> = {}) =>
  person.call('PUT', at(id, '/graph'), { body, headers });
const publish = (id: string, body: object = {}) => person.call('POST', at(id, '/publish'), { body });

describe('a workflow', () => {
  test('begins as an empty draft and is found by id and by slug', async () => {
    const made = await person.call('POST', '/v1/workflows', {
      body: { name: 'Refund Desk', description: 'Pays back' },
    });
    expect(made).toMatchObject({
      status: 201,
      body: {
        slug: 'refund-desk',
        name: 'Refund Desk',
        description: 'Pays back',
        status: 'draft',
        graph: { nodes: [], edges: [] },
        engine: 'studio',
        draft_revision: 1,
        published_version_id: null,
        version: null,
      },
    });
    expect(made.headers.get('etag')).toBe('"1"');
    const id = String(made.body['id']);
    expect((await person.call('GET', at(id))).body).toEqual(made.body);
    expect((await person.call('GET', at('refund-desk'))).body).toEqual(made.body);
    const second = await person.call('POST', '/v1/workflows', { body: { name: 'Refund Desk' } });
    expect(second).toMatchObject({ status: 201, body: { slug: 'refund-desk-2' } });
    const taken = await person.call('POST', '/v1/workflows', { body: { name: 'Other', slug: 'refund-desk' } });
    expect(taken).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining('slug') } } });
  });

  test('the same Idempotency-Key creates it once', async () => {
    const headers = { 'idempotency-key': 'once' };
    const ask = () => person.call('POST', '/v1/workflows', { body: { name: 'Once' }, headers });
    const [first, second] = [await ask(), await ask()];
    expect(second.body).toEqual(first.body);
  });

  test('is listed in pages, the newest first', async () => {
    const other = await api.signUp();
    for (const name of ['a', 'b', 'c']) await other.call('POST', '/v1/workflows', { body: { name } });
    const page = await other.call('GET', '/v1/workflows?limit=2&offset=0');
    expect(page.body).toMatchObject({ total: 3, limit: 2, offset: 0, items: [{ name: 'c' }, { name: 'b' }] });
    expect((await other.call('GET', '/v1/workflows?limit=2&offset=2')).body).toMatchObject({ items: [{ name: 'a' }] });
  });

  test('changes what is named, and only a change of settings is a new revision', async () => {
    const id = await create('Before');
    const renamed = await person.call('PATCH', at(id), { body: { name: 'After', folder: 'sales/eu', slug: 'after' } });
    expect(renamed).toMatchObject({
      status: 200,
      body: { name: 'After', folder: 'sales/eu', slug: 'after', draft_revision: 1 },
    });
    const schema = { type: 'object', required: ['order'] };
    const opened = await person.call('PATCH', at(id), { body: { engine: 'automation', input_schema: schema } });
    expect(opened.body).toMatchObject({ engine: 'automation', input_schema: schema, draft_revision: 2 });
    const cleared = await person.call('PATCH', at(id), { body: { input_schema: null } });
    expect(cleared.body).toMatchObject({ engine: 'automation', input_schema: null, draft_revision: 3 });
    await create('Holder', { slug: 'held' });
    expect((await person.call('PATCH', at(id), { body: { slug: 'held', engine: 'studio' } })).status).toBe(409);
    expect((await person.call('GET', at(id))).body).toMatchObject({ engine: 'automation', draft_revision: 3 });
  });

  test('is gone when it is deleted, and its slug is free', async () => {
    const id = await create('Gone', { slug: 'gone' });
    expect((await person.call('DELETE', at(id))).status).toBe(204);
    expect((await person.call('GET', at(id))).status).toBe(404);
    expect((await person.call('GET', at('gone'))).status).toBe(404);
    await create('Gone', { slug: 'gone' });
  });
});

describe('the graph', () => {
  test('is replaced as a whole and may be incomplete', async () => {
    const id = await create('Graph');
    const saved = await put(id, graph);
    expect(saved).toMatchObject({ status: 200, body: { draft_revision: 2, graph } });
    expect(saved.headers.get('etag')).toBe('"2"');
    expect(await put(id, { nodes: [agent], edges: [] })).toMatchObject({ status: 200, body: { draft_revision: 3 } });
    expect((await person.call('GET', at(id))).body).toMatchObject({
      graph: { nodes: [{ id: 'root_agent' }], edges: [] },
    });
  });

  test.each([
    ['twice', { nodes: [agent, agent], edges: [] }, 'nodes.1.id'],
    ['to nowhere', { nodes: [agent], edges: [{ source: 'root_agent', target: 'nobody' }] }, 'edges.0.target'],
  ])('a node %s is no structure', async (_, broken, field) => {
    const id = await create('Broken');
    const refused = await put(id, broken);
    expect(refused).toMatchObject({ status: 422, body: { error: { code: 'validation_error', details: [{ field }] } } });
    expect((await person.call('GET', at(id))).body).toMatchObject({ draft_revision: 1 });
  });

  test('of somebody who began with an older draft is refused with what it was and what is now', async () => {
    const id = await create('Shared');
    await put(id, graph);
    const mine = { nodes: [agent], edges: [] };
    expect((await put(id, mine, { 'if-match': '"2"' })).body).toMatchObject({ draft_revision: 3 });
    const stale = await put(id, { nodes: [], edges: [] }, { 'if-match': '"2"' });
    expect(stale).toMatchObject({
      status: 409,
      body: {
        error: { code: 'conflict' },
        current_revision: 3,
        base: { nodes: [{ id: 'root_agent' }, { id: 'bye' }] },
        current: { nodes: [{ id: 'root_agent' }], edges: [] },
      },
    });
    expect((await put(id, mine, { 'if-match': '"2"' })).body).toMatchObject({ draft_revision: 3 });
    expect((await put(id, mine, { 'if-match': 'newest' })).status).toBe(422);
  });

  test('of many authors at once keeps one save of each revision', async () => {
    const id = await create('Race');
    const bodies = Array.from({ length: 8 }, (_, index) => ({ nodes: [{ ...end, label: `try ${index}` }], edges: [] }));
    const answers = await Promise.all(bodies.map((body) => put(id, body, { 'if-match': '"1"' })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(7);
    expect((await person.call('GET', at(id))).body).toMatchObject({ draft_revision: 2 });
  });

  test('keeps signing keys in the vault', async () => {
    const id = await create('Signed', { engine: 'automation', slug: 'signed' });
    const hook = {
      id: 'tell',
      type: 'webhook',
      config: { url: 'https://example.com/hook', secret: 'very-secret-key' },
    };
    const saved = await put(id, { nodes: [hook], edges: [] });
    expect(saved.text).toMatch(/\{\{secret:WORKFLOW_SIGNED_[0-9A-F]{8}\}\}/);
    const again = await put(id, { nodes: [hook], edges: [] });
    expect(again.body['graph']).toEqual(saved.body['graph']);
    const rows = await api.db.selectFrom('draft_revisions').selectAll().where('definition_id', '=', id).execute();
    expect(JSON.stringify(rows)).not.toContain('very-secret-key');
  });
});

describe('publishing', () => {
  test('is refused while something is missing, each with the way to mend it', async () => {
    const id = await create('Empty');
    const said = await person.call('POST', at(id, '/validate-publish'));
    expect(said).toMatchObject({ status: 200, body: { ok: false, blockers: [{ message: expect.any(String) }] } });
    const refused = await publish(id);
    expect(refused).toMatchObject({ status: 422, body: { error: { code: 'validation_error' } } });
    expect(refused.body['blockers']).toEqual(said.body['blockers']);
  });

  test('makes a version that never changes; the same content again is the same version', async () => {
    const id = await create('Published');
    await put(id, graph);
    expect((await person.call('POST', at(id, '/validate-publish'))).body).toMatchObject({ ok: true, blockers: [] });
    const first = await publish(id, { note: 'the first' });
    expect(first).toMatchObject({ status: 200, body: { version: 1, warnings: expect.any(Array), live_runs: [] } });
    const again = await publish(id);
    expect(again.body).toEqual(first.body);
    expect((await person.call('GET', at(id))).body).toMatchObject({
      status: 'published',
      published_version_id: first.body['version_id'],
      version: 1,
      has_unpublished_changes: false,
    });
    await put(id, { ...graph, nodes: [{ ...agent, label: 'Helper' }, end] });
    expect((await person.call('GET', at(id))).body).toMatchObject({ version: 1, has_unpublished_changes: true });
    expect((await publish(id)).body).toMatchObject({ version: 2 });
    const versions = await person.call('GET', at(id, '/versions'));
    expect(versions.body).toMatchObject({
      total: 2,
      items: [
        { number: 2, version: 2, is_live: true },
        { number: 1, is_live: false, note: 'the first', published_by: person.userId },
      ],
    });
  });

  test('at the same moment by many is one version', async () => {
    const id = await create('At once');
    await put(id, graph);
    const answers = await Promise.all(Array.from({ length: 6 }, () => publish(id)));
    expect(answers.map(({ status, body }) => [status, body['version']])).toEqual(Array(6).fill([200, 1]));
  });

  test('restore copies a version into a new draft; what is live stays so', async () => {
    const id = await create('Restored');
    await put(id, graph);
    const { version_id: first } = (await publish(id)).body;
    await put(id, { nodes: [{ ...agent, label: 'Second' }, end], edges: graph.edges });
    const { version_id: second } = (await publish(id)).body;
    const restored = await person.call('POST', at(id, `/versions/${String(first)}/restore`));
    expect(restored).toMatchObject({
      status: 200,
      body: { draft_revision: 4, published_version_id: second, has_unpublished_changes: true, graph },
    });
    expect((await person.call('POST', at(id, '/versions/ver_unknown/restore'))).status).toBe(404);
  });
});
