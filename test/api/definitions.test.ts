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
const edge = { id: 'e1', source: 'root_agent', target: 'bye', condition: { expr: 'default' } };
const graph = { nodes: [agent, end], edges: [edge] };
const at = (id: string, rest = ''): string => `/v1/definitions/${id}${rest}`;

async function workflow(name: string, nodes: readonly object[] = graph.nodes): Promise<string> {
  const body = { name, graph: { nodes, edges: graph.edges } };
  return String((await person.call('POST', '/v1/workflows', { body })).body['id']);
}

async function chain(slug: string, more: object = {}): Promise<string> {
  const primary_steps = [
    { kind: 'trigger', label: 'In' },
    { kind: 'notify', label: 'Out' },
  ];
  const made = await person.call('POST', '/v1/workflow-chains', { body: { name: slug, slug, primary_steps, ...more } });
  expect(made.status).toBe(201);
  return String(made.body['id']);
}

const publish = (id: string, body: object = {}) => person.call('POST', at(id, '/publish'), { body });
const draftOf = async (id: string) => (await person.call('GET', at(id, '/draft'))).body as { document: object };

describe('the list', () => {
  test('holds definitions of every kind, by kind, folder and words, in pages', async () => {
    const other = await api.signUp();
    const list = (query: string) => other.call('GET', `/v1/definitions${query}`);
    await other.call('POST', '/v1/workflows', { body: { name: 'Refund desk', folder: 'sales/eu' } });
    await other.call('POST', '/v1/workflows', {
      body: { name: 'Hiring', description: '100% fair_play', folder: 'people' },
    });
    await other.call('POST', '/v1/workflow-chains', { body: { name: 'Refund chain' } });
    expect((await list('')).body).toMatchObject({
      items: [
        { kind: 'chain', name: 'Refund chain', status: 'draft', has_unpublished_changes: true, live_version: null },
        { kind: 'workflow', name: 'Hiring', draft_revision: 1, open_runs: 0 },
        { name: 'Refund desk' },
      ],
      next_cursor: null,
    });
    const names = async (query: string) =>
      ((await list(query)).body['items'] as { name: string }[]).map(({ name }) => name);
    expect(await names('?kind=chain')).toEqual(['Refund chain']);
    expect(await names('?folder=sales')).toEqual(['Refund desk']);
    expect(await names('?folder=sal')).toEqual([]);
    expect(await names('?q=refund')).toEqual(['Refund chain', 'Refund desk']);
    expect(await names('?q=100%25 FAIR_')).toEqual(['Hiring']);
    expect(await names('?q=%25x')).toEqual([]);
    const first = await list('?limit=2');
    expect(first.body['items']).toHaveLength(2);
    expect(await names(`?limit=2&cursor=${String(first.body['next_cursor'])}`)).toEqual(['Refund desk']);
    expect((await list('?kind=poem')).status).toBe(422);
  });
});

describe('drafts', () => {
  test('of a graph are saved under their revision', async () => {
    const id = await workflow('Drafted');
    const draft = await person.call('GET', at(id, '/draft'));
    expect(draft).toMatchObject({ status: 200, body: { revision: 1, document: graph } });
    expect(draft.headers.get('etag')).toBe('"1"');
    const { document } = draft.body as { document: object };
    const saved = await person.call('PUT', at(id, '/draft'), { body: { document, revision: 1 } });
    expect(saved).toMatchObject({ status: 200, body: { revision: 2, document } });
    const changed = { ...document, edges: [] };
    const stale = await person.call('PUT', at(id, '/draft'), { body: { document: changed, revision: 1 } });
    expect(stale).toMatchObject({ status: 409, body: { current_revision: 2, base: document, current: document } });
  });

  test('keep the last twenty, so that an older base is not known', async () => {
    const id = await workflow('Kept');
    const { document } = await draftOf(id);
    for (let revision = 2; revision <= 23; revision += 1) {
      await person.call('PUT', at(id, '/draft'), { body: { document } });
    }
    const put = (revision: number) =>
      person.call('PUT', at(id, '/draft'), {
        body: { document: { ...document, edges: [] } },
        headers: { 'if-match': `"${revision}"` },
      });
    expect((await put(3)).body).toMatchObject({ current_revision: 23, base: null });
    expect((await put(4)).body).toMatchObject({ current_revision: 23, base: document });
  });

  test('of a chain do not touch what is live; a draft chain runs as it stands', async () => {
    const id = await chain('two-doors', { status: 'live' });
    const { document } = await draftOf(id);
    const steps = [{ kind: 'trigger', label: 'Only', config: {} }];
    const saved = await person.call('PUT', at(id, '/draft'), {
      body: { document: { ...document, name: 'Renamed', primary_steps: steps } },
    });
    expect(saved).toMatchObject({ status: 200, body: { revision: 2 } });
    expect((await person.call('GET', at(id))).body).toMatchObject({
      name: 'Renamed',
      status: 'live',
      live_version: { number: 1 },
      has_unpublished_changes: true,
    });
    expect((await publish(id)).body).toMatchObject({ version: 2 });
    const draft = await chain('still-draft');
    await person.call('PUT', at(draft, '/draft'), { body: { document: { ...document, primary_steps: steps } } });
    const { run_id: runId } = (await person.call('POST', '/v1/workflow-chains/still-draft/run')).body;
    const run = await api.db
      .selectFrom('runs')
      .innerJoin('versions', 'versions.id', 'runs.version_id')
      .select(['versions.document', 'versions.number'])
      .where('runs.id', '=', String(runId))
      .executeTakeFirstOrThrow();
    expect(run).toMatchObject({ number: null, document: { primary_steps: steps } });
  });

  test('are compiled without being saved', async () => {
    const id = await workflow('Compiled');
    const own = await person.call('POST', at(id, '/compile'));
    expect(own.body).toMatchObject({ problems: expect.any(Array), plan: { entry: 'root_agent.listen' } });
    const tool = { id: 'look', type: 'tool', config: { tool_name: 'missing' } };
    const lacking = { nodes: [tool, end], edges: [{ source: 'look', target: 'bye' }] };
    const other = await person.call('POST', at(id, '/compile'), { body: { document: lacking } });
    expect(other.body['problems']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ severity: 'blocker', node_id: 'look', pointer: '/nodes/0/config/tool_name' }),
      ]),
    );
    await person.call('POST', '/v1/workspace-tools', { body: { name: 'missing', url: 'https://example.com' } });
    const mended = await person.call('POST', at(id, '/compile'), { body: { document: lacking } });
    expect(JSON.stringify(mended.body['problems'])).not.toContain('tool_name');
    const broken = await person.call('POST', at(id, '/compile'), { body: { document: { nodes: 3 } } });
    expect(broken).toMatchObject({ status: 200, body: { plan: null } });
    expect((await person.call('GET', at(id))).body).toMatchObject({ draft_revision: 1 });
  });

  test('have results pinned to their nodes', async () => {
    const id = await workflow('Pinned');
    expect((await person.call('GET', at(id, '/pins'))).body).toEqual({});
    const pins = { root_agent: { text: 'hello' }, bye: null };
    expect((await person.call('PUT', at(id, '/pins'), { body: pins })).body).toEqual(pins);
    expect((await person.call('GET', at(id, '/pins'))).body).toEqual(pins);
  });
});

describe('versions', () => {
  test('are read by id or number, compared, restored and rolled back to', async () => {
    const id = await workflow('Versioned');
    const first = (await publish(id)).body;
    const before = await draftOf(id);
    const renamed = [{ ...agent, label: 'Helper' }, end];
    await person.call('PUT', at(id, '/draft'), { body: { document: { ...before.document, nodes: renamed } } });
    const open = await person.call('GET', at(id, '/diff'));
    const changed = [{ id: 'root_agent', changes: [{ pointer: '/label', from: null, to: 'Helper' }] }];
    expect(open.body).toEqual({
      nodes: { added: [], removed: [], changed },
      edges: { added: [], removed: [], changed: [] },
      settings: [],
    });
    const second = (await publish(id)).body;
    expect((await person.call('GET', at(id, '/diff?from=1&to=2'))).body).toEqual(open.body);
    const byNumber = await person.call('GET', at(id, '/versions/1'));
    expect(byNumber.body).toMatchObject({ id: first['version_id'], number: 1, is_live: false, document: graph });
    expect((await person.call('GET', at(id, `/versions/${String(first['version_id'])}`))).body).toEqual(byNumber.body);
    expect((await person.call('GET', at(id, '/versions/9'))).status).toBe(404);

    const back = await person.call('POST', at(id, '/rollback'), { body: { version: 1 } });
    expect(back).toMatchObject({ status: 200, body: { version_id: first['version_id'], version: 1 } });
    expect((await person.call('GET', at(id))).body).toMatchObject({
      live_version: { number: 1 },
      draft_revision: 2,
      has_unpublished_changes: true,
    });
    const restored = await person.call('POST', at(id, '/versions/1/restore'));
    expect(restored).toMatchObject({ status: 200, body: { revision: 3, document: graph } });
    expect((await publish(id)).body).toMatchObject({ version: 1, version_id: first['version_id'] });
    expect((await publish(id)).body['version_id']).not.toBe(second['version_id']);
  });

  test('of a chain are those it was live with; its schedule follows what is live', async () => {
    const cron = (expression: string) => [{ kind: 'schedule', label: 'When', config: { cron: expression } }];
    const id = await chain('timed', { status: 'live', primary_steps: cron('0 9 * * *') });
    const { document } = await draftOf(id);
    await person.call('PUT', at(id, '/draft'), {
      body: { document: { ...document, primary_steps: cron('0 10 * * *') } },
    });
    const expression = async () =>
      (
        await api.db
          .selectFrom('schedules')
          .select('cron_expr')
          .where('chain_id', '=', id)
          .where('deleted_at', 'is', null)
          .executeTakeFirst()
      )?.cron_expr;
    expect(await expression()).toBe('0 9 * * *');
    await publish(id);
    expect(await expression()).toBe('0 10 * * *');
    await person.call('POST', at(id, '/rollback'), { body: { version: 1 } });
    expect(await expression()).toBe('0 9 * * *');
    const diff = await person.call('GET', at(id, '/diff?from=1&to=2'));
    expect(diff.body).toMatchObject({
      nodes: {
        changed: [
          { id: 'primary_steps/0', changes: [{ pointer: '/config/cron', from: '0 9 * * *', to: '0 10 * * *' }] },
        ],
      },
    });
  });

  test('of a chain that cannot go live are refused with what is missing', async () => {
    const id = await chain('unready', { primary_steps: [{ kind: 'webhook', label: 'Out', config: {} }] });
    expect(await publish(id)).toMatchObject({
      status: 422,
      body: { blockers: [{ code: 'webhook_incomplete', pointer: '/primary_steps/0/config/secret' }] },
    });
  });
});
