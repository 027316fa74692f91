import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ADMIN_TOKEN, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, type Answered } from '../support/http.js';
import { tenantOf } from '../support/minted.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let ana: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ana = await api.signUp();
});
afterAll(() => api.close());

const agents = '/api/v1/agents';
const config = { prompt: { system: 'You help guests.' } };
const create = (body: object, person = ana): Promise<Answered> => person.call('POST', agents, { body });
const make = async (name: string, more: object = {}): Promise<void> => {
  expect(await create({ name, config, ...more })).toMatchObject({ status: 201 });
};
const fields = ({ body }: Answered): readonly string[] => (body.error?.details ?? []).map(({ field }) => field);

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
