import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '../../db/ids.js';
import { ADMIN_TOKEN, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, statusesOf, type Answered } from '../support/http.js';
import { tenantOf } from '../support/minted.js';
import { noFlush, seedRun, stepRecord } from '../support/runs.js';
import { writeFlush } from '../../db/run-records.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let ana: Person;
let bob: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  [ana, bob] = [await api.signUp(), await api.signUp()];
});
afterAll(() => api.close());

const agents = '/api/v1/agents';
const config = { prompt: { system: 'You help guests.' }, llm: { provider: 'gemini', temperature: 0.4 } };
const create = (body: object, person = ana): Promise<Answered> => person.call('POST', agents, { body });
const make = async (name: string, more: object = {}): Promise<void> => {
  expect(await create({ name, config, ...more })).toMatchObject({ status: 201 });
};
const details = ({ body }: Answered): readonly (readonly [string, string])[] =>
  (body.error?.details ?? []).map(({ field, message }) => [field, message] as const);
const fields = (answer: Answered): readonly string[] => details(answer).map(([field]) => field);

/** A definition as the workflows of other helpers are kept: what matters is its kind, status and document. */
async function workflowWith(document: object, { kind = 'agent_dag', status = 'published', slug = 'dinner' } = {}) {
  const id = newId('def');
  const row = { id, workspace_id: ana.workspace.id, kind, slug, name: slug, status, created_by: ana.userId };
  await api.db
    .insertInto('definitions')
    .values({ ...row, document: JSON.stringify(document) })
    .execute();
  return id;
}

describe('an agent', () => {
  test('is made, read, changed, replaced and deleted', async () => {
    const made = await create({ name: 'waiter', description: 'Serves', config });
    expect(made).toMatchObject({
      status: 201,
      body: {
        name: 'waiter',
        display_name: 'waiter',
        description: 'Serves',
        is_active: true,
        status: 'active',
        config,
      },
    });
    expect(made.body['effective']).toBeUndefined();
    const one = `${agents}/waiter`;
    expect((await ana.call('GET', one)).body).toEqual(made.body);
    const changed = await ana.call('PATCH', one, {
      body: {
        display_name: 'The waiter',
        config: { llm: { provider: null, model: 'm' }, session: { auto_disconnect_timeout: 5 } },
      },
    });
    expect(changed).toMatchObject({ status: 200, body: { display_name: 'The waiter', description: 'Serves' } });
    expect(changed.body['config']).toMatchObject({
      prompt: { system: 'You help guests.' },
      llm: { temperature: 0.4, model: 'm' },
      session: { auto_disconnect_timeout: 5 },
    });
    expect(changed.body['config']).not.toHaveProperty('llm.provider');
    const replaced = await ana.call('PUT', one, { body: { config: { prompt: { system: 'Anew' } }, is_active: false } });
    expect(replaced).toMatchObject({
      status: 200,
      body: { id: made.body['id'], display_name: 'waiter', description: '', is_active: false, status: 'inactive' },
    });
    expect(replaced.body['config']).not.toHaveProperty('llm');
    expect((await ana.call('PUT', one, { body: replaced.body })).body['config']).toEqual(replaced.body['config']);
    expect((await ana.call('DELETE', one)).status).toBe(204);
    expect((await ana.call('DELETE', one)).status).toBe(404);
    expect((await ana.call('GET', one)).status).toBe(404);
    expect((await create({ name: 'waiter', config })).status).toBe(201);
  });

  test('keeps its name, which no other has', async () => {
    await make('cook');
    for (const method of ['PATCH', 'PUT']) {
      const renamed = await ana.call(method, `${agents}/cook`, { body: { name: 'chef', config } });
      expect({ status: renamed.status, fields: fields(renamed) }).toEqual({ status: 422, fields: ['name'] });
      expect((await ana.call(method, `${agents}/cook`, { body: { name: 'cook', config } })).status).toBe(200);
    }
    const taken = await create({ name: 'cook', config });
    expect(taken).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    const atOnce = await Promise.all([1, 2, 3].map(() => create({ name: 'at-once', config })));
    expect(statusesOf(atOnce)).toEqual([201, 409, 409]);
  });

  test('is made once for one Idempotency-Key', async () => {
    const ask = () =>
      ana.call('POST', agents, { body: { name: 'once', config }, headers: { 'idempotency-key': 'once' } });
    const [first, second] = [await ask(), await ask()];
    expect(second).toMatchObject({ status: 201, body: first.body });
  });

  test('of another workspace is not there', async () => {
    await make('private');
    for (const [method, body] of [['GET'], ['PATCH', {}], ['PUT', { config }], ['DELETE']] as const) {
      expect((await bob.call(method, `${agents}/private`, body === undefined ? {} : { body })).status).toBe(404);
    }
    expect((await bob.call('GET', `${agents}/private/status`)).status).toBe(404);
    expect((await create({ name: 'private', config }, bob)).status).toBe(201);
    expect((await bob.call('DELETE', `${agents}/private`)).status).toBe(204);
    expect((await ana.call('GET', `${agents}/private`)).status).toBe(200);
  });

  test('keeps both of two changes at once', async () => {
    await make('busy');
    const change = (body: object) => ana.call('PATCH', `${agents}/busy`, { body });
    await Promise.all([
      change({ config: { llm: { model: 'a' } } }),
      change({ config: { languages: ['de'] } }),
      change({ description: 'Busy' }),
    ]);
    const { body } = await ana.call('GET', `${agents}/busy`);
    expect(body).toMatchObject({ description: 'Busy', config: { llm: { model: 'a' }, languages: ['de'] } });
  });

  test('is audited with what it was before and after', async () => {
    await make('watched', { description: 'one' });
    await ana.call('PATCH', `${agents}/watched`, { body: { description: 'two' } });
    const { body } = await ana.call('GET', '/v1/audit?action=namedAgents.change&limit=1');
    expect(body['items']).toMatchObject([
      { entity_type: 'agent', before: { name: 'watched', description: 'one' }, after: { description: 'two' } },
    ]);
  });
});

test('a list is a page by name, filtered and searched', async () => {
  const eve = await api.signUp();
  await create({ name: 'aa', display_name: 'First_Agent', config }, eve);
  await create({ name: 'ab', description: '100% sure', is_active: false, config }, eve);
  const list = async (query: string): Promise<readonly string[]> => {
    const { body } = await eve.call('GET', `${agents}?${query}`);
    return (body['items'] as readonly { readonly name: string }[]).map(({ name }) => name);
  };
  const page = await eve.call('GET', `${agents}?limit=1&offset=1`);
  expect(page.body).toMatchObject({ limit: 1, offset: 1, items: [{ name: 'ab', status: 'inactive' }] });
  expect(page.body['items']).toEqual([
    {
      id: expect.any(String),
      name: 'ab',
      display_name: 'ab',
      description: '100% sure',
      is_active: false,
      status: 'inactive',
      created_at: expect.any(String),
      updated_at: expect.any(String),
    },
  ]);
  const total = Number(page.body['total']);
  expect((await eve.call('GET', `${agents}?offset=100`)).body).toMatchObject({ total, limit: 50, items: [] });
  expect(await list('is_active=false')).toEqual(['ab']);
  expect(await list('is_active=true')).not.toContain('ab');
  expect(await list('search=FIRST_a')).toEqual(['aa']);
  expect(await list('search=100%25')).toEqual(['ab']);
  expect(await list('search=%25')).toEqual(['ab']);
  expect((await eve.call('GET', `${agents}?limit=101`)).status).toBe(422);
  expect((await eve.call('GET', `${agents}?is_active=maybe`)).status).toBe(422);
});

describe('refused', () => {
  const prompt = { system: 'Hi' };
  test.each<[string, object, readonly string[]]>([
    ['no system prompt', { prompt: {} }, ['config.prompt.system']],
    ['an empty one', { prompt: { system: '' } }, ['config.prompt.system']],
    ['an unknown key', { prompt, voice: {} }, ['config.voice']],
    ['an unknown provider', { prompt, llm: { provider: 'acme' } }, ['config.llm.provider']],
    [
      'several at once, each by its place',
      {
        prompt: { system: '{{ user', greeting: '{% if %}' },
        tools: ['no-such'],
        handoffs: [{ target_agent: 'refused' }],
      },
      ['config.prompt.system', 'config.prompt.greeting', 'config.tools.0', 'config.handoffs.0.target_agent'],
    ],
    ['a filter that is none', { prompt: { system: '{{ user.name | shout }}' } }, ['config.prompt.system']],
    ['a secret told to a model', { prompt: { system: 'Say {{secret:KEY}}' } }, ['config.prompt.system']],
    [
      'a variable twice',
      { prompt: { system: 'Hi', variables: [{ name: 'a' }, { name: 'a' }] } },
      ['config.prompt.variables.1.name'],
    ],
    [
      'conditions that are none',
      { prompt, handoffs: [{ target_agent: 'x', conditions: ['flags.a', 'flags.', 'nope(1)'] }] },
      ['config.handoffs.0.conditions.1', 'config.handoffs.0.conditions.2'],
    ],
    [
      'two handoffs to one agent',
      { prompt, handoffs: [{ target_agent: 'x' }, { target_agent: 'x' }] },
      ['config.handoffs.1.target_agent'],
    ],
  ])('%s', async (_, wrong, expected) => {
    const answer = await create({ name: 'refused', config: wrong });
    expect({ status: answer.status, fields: fields(answer) }).toEqual({ status: 422, fields: expected });
    expect(answer.body.error?.code).toBe('validation_error');
  });

  test.each(['Waiter', '9lives', 'a b', '', 'x'.repeat(64)])('the name %j', async (name) => {
    expect(fields(await create({ name, config }))).toEqual(['name']);
  });

  test('a change that leaves no agent, by the place in the whole', async () => {
    await make('whole');
    const change = (body: object) => ana.call('PATCH', `${agents}/whole`, { body });
    expect(fields(await change({ config: { prompt: null } }))).toEqual(['config.prompt']);
    expect(fields(await change({ config: { llm: { temperature: 3 } } }))).toEqual(['config.llm.temperature']);
    expect(fields(await change({ config: { handoffs: [{ target_agent: 'whole' }] } }))).toEqual([
      'config.handoffs.0.target_agent',
    ]);
  });

  test('conditions as paths, templates and CEL pass, and so does an agent that is made later', async () => {
    const conditions = ['flags.verified', 'done', '{{ flags.done }}', 'context.items.size() > 2 && user.age >= 18.0'];
    await make('eager', { config: { prompt, handoffs: [{ target_agent: 'later', conditions }] } });
  });
});

describe('an agent that works', () => {
  test.each([
    ['agent_dag', { nodes: [{ id: 'a', agent_name: 'hired' }] }],
    ['staged', { stages: [{ steps: [{ agent_key: 'hired' }] }] }],
  ])('in an active %s stays; once that is paused or gone it may go', async (kind, document) => {
    await make('hired');
    const id = await workflowWith(document, { kind });
    const refused = await ana.call('DELETE', `${agents}/hired`);
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'conflict' }, workflows: ['dinner'] } });
    expect(refused.body.error?.message).toContain('"dinner"');
    await api.db.updateTable('definitions').set({ status: 'paused' }).where('id', '=', id).execute();
    expect((await ana.call('DELETE', `${agents}/hired`)).status).toBe(204);
    await api.db.updateTable('definitions').set({ deleted_at: new Date() }).where('id', '=', id).execute();
  });

  test('tells when it last did, and in how many conversations', async () => {
    await make('counted');
    const of = `${agents}/counted/status`;
    const idle = { name: 'counted', status: 'active', last_used: null, total_conversations: 0 };
    expect((await ana.call('GET', of)).body).toEqual(idle);
    const definition_id = await workflowWith({}, { slug: 'counting' });
    const versionId = newId('ver');
    const plan = { entry: 'n', edges: [], nodes: { n: { kind: 'agent_turn', config: { agent: 'counted' } } } };
    await api.db
      .insertInto('versions')
      .values({
        ...{ id: versionId, workspace_id: ana.workspace.id, definition_id, hash: 'h', document: '{}' },
        ...{ number: null, published_at: null, published_by: null, note: null, plan: JSON.stringify(plan) },
      })
      .execute();
    for (const conversation_id of ['c1', 'c1', null]) {
      const run = { workspaceId: ana.workspace.id, runId: newId('run') };
      await seedRun(api.db, { run });
      await api.db
        .updateTable('runs')
        .set({ definition_id, version_id: versionId, conversation_id })
        .where('id', '=', run.runId)
        .execute();
      await writeFlush(api.db, run, { ...noFlush, steps: [stepRecord('n', 1), stepRecord('n', 2)] });
    }
    const used = await ana.call('GET', of);
    expect(used.body).toEqual({ ...idle, last_used: expect.any(String), total_conversations: 2 });
  });

  test('whose tool is gone is in error', async () => {
    await ana.call('POST', '/api/v1/tools', { body: { name: 'lost' } });
    await make('missing', { config: { prompt: { system: 'Hi' }, tools: ['lost'] } });
    await api.db.updateTable('action_tools').set({ deleted_at: new Date() }).where('name', '=', 'lost').execute();
    expect((await ana.call('GET', `${agents}/missing`)).body).toMatchObject({ status: 'error' });
    expect((await ana.call('PATCH', `${agents}/missing`, { body: { is_active: false } })).status).toBe(200);
    expect((await ana.call('GET', `${agents}/missing/status`)).body).toMatchObject({ status: 'inactive' });
  });
});

test('what an agent leaves out comes from the organisation', async () => {
  const eve = await api.signUp();
  await create({ name: 'plain', config: { prompt: { system: 'Hi' }, tts: { provider: 'sarvam' } } }, eve);
  const defaults = { llm: { provider: 'openai', model: 'gpt-x' }, tts: { provider: 'cartesia' } };
  const settings = { agent_defaults: defaults, default_language: 'de', supported_languages: ['de', 'en'] };
  expect((await eve.call('PATCH', '/api/v1/tenants/me', { body: { settings } })).body).toMatchObject({ settings });
  const { body } = await eve.call('GET', `${agents}/plain`);
  expect(body['config']).not.toHaveProperty('llm');
  expect(body['effective']).toMatchObject({
    llm: defaults.llm,
    tts: { provider: 'sarvam' },
    languages: ['de', 'en'],
    default_language: 'de',
  });
  const wrong = { settings: { agent_defaults: { llm: { temperature: 9 } } } };
  expect(fields(await eve.call('PATCH', '/api/v1/tenants/me', { body: wrong }))).toEqual([
    'settings.agent_defaults.llm.temperature',
  ]);
  await eve.call('PATCH', '/api/v1/tenants/me', { body: { settings: { agent_defaults: null } } });
  expect((await eve.call('GET', `${agents}/plain`)).body['effective']).not.toHaveProperty('llm');
});

describe('who may', () => {
  const keyed = async (scopes: readonly string[]) => {
    const body = { name: scopes.join(), environment: 'live', scopes };
    const { body: minted } = await ana.call('POST', '/api/v1/auth/api-keys', { body });
    return (method: string, path: string, sent?: object): Promise<Answered> =>
      send(api.url + path, {
        method,
        headers: { 'x-api-key': String(minted['key']), 'content-type': 'application/json' },
        ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
      });
  };

  test('a key goes as far as its scopes', async () => {
    await make('keyed');
    const [reader, writer, other] = [
      await keyed(['agents:read']),
      await keyed(['agents:write']),
      await keyed(['tools:read']),
    ];
    expect((await reader('GET', agents)).status).toBe(200);
    expect((await reader('GET', `${agents}/keyed`)).status).toBe(200);
    expect((await reader('PATCH', `${agents}/keyed`, {})).status).toBe(403);
    expect((await writer('PATCH', `${agents}/keyed`, {})).status).toBe(200);
    expect((await other('GET', agents)).status).toBe(403);
    expect((await other('GET', '/api/v1/tools')).status).toBe(200);
    expect((await other('POST', '/api/v1/tools', { name: 'x' })).status).toBe(403);
  });

  test('a viewer of the workspace reads, whatever they are elsewhere in the organisation', async () => {
    const vera = await api.signUp();
    const tenant_id = await tenantOf(api.db, ana);
    const workspace_id = ana.workspace.id;
    await api.db.insertInto('tenant_members').values({ tenant_id, user_id: vera.userId, role: 'editor' }).execute();
    await api.db.insertInto('memberships').values({ user_id: vera.userId, workspace_id, role: 'viewer' }).execute();
    await api.db.updateTable('sessions').set({ workspace_id }).where('user_id', '=', vera.userId).execute();
    expect((await vera.call('GET', agents)).status).toBe(200);
    expect((await create({ name: 'veras', config }, vera)).status).toBe(403);
    await api.db.deleteFrom('memberships').where('user_id', '=', vera.userId).execute();
    const gone = await vera.call('GET', agents);
    expect(gone).toMatchObject({ status: 403, body: { error: { code: 'authorization_error' } } });
  });

  test('ADMIN_TOKEN acts in no workspace', async () => {
    const answer = await send(api.url + agents, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    expect(answer.status).toBe(403);
    expect(answer.body.error?.message).toContain('acts in no workspace');
  });
});
