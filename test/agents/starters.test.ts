import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createStarterService, type StarterService } from '../../api/services/starters.js';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { agentProblems } from '../../workflows/definition/agents/agent-problems.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { starters, type Starters } from '../../workflows/definition/agents/starters.js';
import { toolProblems } from '../../workflows/definition/agents/tool-problems.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
});
afterAll(() => api.close());

const names = (items: unknown): readonly string[] =>
  (items as readonly { readonly name: string }[]).map(({ name }) => name);
const agentsOf = async (person: Person): Promise<readonly string[]> =>
  names((await person.call('GET', '/api/v1/agents?limit=100')).body['items']);

const own: Starters = {
  agents: [
    { name: 'host', display_name: 'Host', description: '', config: { prompt: { system: 'Hi' }, tools: ['note'] } },
  ],
  tools: [{ name: 'note', description: '', config: { actions: [{ type: 'flag.set', flag: 'noted' }] } }],
  workflows: [
    {
      kind: 'workflow',
      slug: 'hello',
      name: 'Hello',
      description: 'Says hello',
      document: { nodes: [{ id: 'root', type: 'instruction_agent', config: { instructions: 'Hi.' } }], edges: [] },
    },
    { kind: 'workflow', slug: 'unfinished', name: 'Unfinished', description: '', document: { nodes: [], edges: [] } },
    { kind: 'nobody-knows', slug: 'x', name: 'X', description: '', document: {} },
  ],
};

/** As in a process of its own. */
const service = (): StarterService =>
  createStarterService({
    db: api.db,
    urlRules: () => Promise.resolve({ urlProblem: () => null }),
    starters: own,
  });

test('everything that is shipped is as good as what people write', () => {
  const tools = new Set(starters.tools.map(({ name }) => name));
  const known = new Set(starters.agents.map(({ name }) => name));
  for (const { name, config } of starters.agents) {
    const parsed = NamedAgentConfig.parse(config);
    expect({ name, problems: agentProblems(parsed, { name, tools }) }).toEqual({ name, problems: [] });
    for (const { target_agent: target } of parsed.handoffs) expect(known).toContain(target);
  }
  for (const { name, config } of starters.tools) {
    const around = { urlProblem: () => null, endpoints: new Set<string>() };
    expect({ name, problems: toolProblems(ActionToolConfig.parse(config), around) }).toEqual({ name, problems: [] });
  }
  expect(names(starters.agents)).toEqual(expect.arrayContaining(['triage', 'code_assistant', 'data_analyst']));
});

describe('a workspace', () => {
  test('begins with the shipped agents; what is deleted does not come back', async () => {
    const ana = await api.signUp();
    expect(await agentsOf(ana)).toEqual(expect.arrayContaining(['code_assistant', 'data_analyst', 'triage']));
    const triage = await ana.call('GET', '/api/v1/agents/triage');
    expect(triage.body).toMatchObject({
      status: 'active',
      config: { handoffs: [{ target_agent: 'code_assistant' }, { target_agent: 'data_analyst' }] },
    });
    expect((await ana.call('DELETE', '/api/v1/agents/triage')).status).toBe(204);
    expect(await agentsOf(ana)).not.toContain('triage');
    await createStarterService({ db: api.db, urlRules: () => Promise.resolve({ urlProblem: () => null }) }).ensure(
      ana.workspace.id,
    );
    expect(await agentsOf(ana)).not.toContain('triage');
  });

  test('gets each thing once, however many processes ask at once', async () => {
    const { workspace } = await api.signUp();
    const services = Array.from({ length: 6 }, service);
    await Promise.all(services.flatMap(({ ensure }) => [ensure(workspace.id), ensure(workspace.id)]));
    const count = async (table: 'agents' | 'action_tools' | 'definitions'): Promise<number> =>
      (await api.db.selectFrom(table).select('id').where('workspace_id', '=', workspace.id).execute()).length;
    expect([await count('agents'), await count('action_tools'), await count('definitions')]).toEqual([1, 1, 2]);
  });

  test('gets its workflows published where they compile', async () => {
    const ana = await api.signUp();
    await service().ensure(ana.workspace.id);
    const { body } = await ana.call('GET', '/v1/definitions');
    expect(body['items']).toMatchObject([
      { slug: 'unfinished', status: 'draft', live_version: null },
      { slug: 'hello', status: 'published', description: 'Says hello', live_version: { number: 1 } },
    ]);
  });

  test('keeps what it called the same before', async () => {
    const ana = await api.signUp();
    const row = { workspace_id: ana.workspace.id, name: 'note', created_by: ana.userId };
    await api.db
      .insertInto('action_tools')
      .values({ ...row, id: 'atl_before', description: 'mine', config: '{}' })
      .execute();
    await service().ensure(ana.workspace.id);
    const tools = await api.db
      .selectFrom('action_tools')
      .select('id')
      .where('workspace_id', '=', ana.workspace.id)
      .execute();
    expect(tools).toEqual([{ id: 'atl_before' }]);
  });

  test('that could not be given them is asked again', async () => {
    const { workspace } = await api.signUp();
    let isDown = true;
    const { ensure } = createStarterService({
      db: api.db,
      urlRules: () => (isDown ? Promise.reject(new Error('down')) : Promise.resolve({ urlProblem: () => null })),
      starters: own,
    });
    await expect(ensure(workspace.id)).rejects.toThrow('down');
    isDown = false;
    await ensure(workspace.id);
    const row = await api.db
      .selectFrom('workspaces')
      .select('starters_at')
      .where('id', '=', workspace.id)
      .executeTakeFirst();
    expect(row?.starters_at).toBeInstanceOf(Date);
  });

  test('that is not there gets nothing', async () => {
    await service().ensure('ws_nowhere');
    expect(await api.db.selectFrom('agents').select('id').where('workspace_id', '=', 'ws_nowhere').execute()).toEqual(
      [],
    );
  });
});
