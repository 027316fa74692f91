import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { statusesOf, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let ana: Person;
let bob: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  [ana, bob] = [await api.signUp(), await api.signUp()];
  const endpoints = { orders: { path: '/orders', method: 'POST' } };
  await ana.call('PATCH', '/api/v1/tenants/me', { body: { settings: { endpoints } } });
});
afterAll(() => api.close());

const tools = '/api/v1/tools';
const config = {
  parameters: [{ name: 'meal', type: 'string', required: true, enum: ['soup', 'curry'], default: 'soup' }],
  actions: [
    { type: 'context.set', path: 'meals[+]', data: 'params.meal' },
    { type: 'context.set', key: 'count', value: { $expr: 'params.meal == "soup" ? 1 : 2' } },
    { type: 'flag.set', flag: 'chosen' },
    { type: 'api_call', endpoint: 'orders', payload: { meal: '{{ params.meal }}' }, save_as: 'order' },
    {
      type: 'webhook',
      url: 'https://shop.example.com/{{ user.id }}',
      headers: { authorization: 'Bearer {{secret:SHOP_KEY}}' },
    },
    {
      type: 'condition',
      if: 'params.meal == "soup" && flags.vip',
      then: [{ type: 'wait', seconds: 1 }],
      else: [{ type: 'log', message: 'no soup' }],
    },
  ],
  on_success: [{ type: 'respond', message: 'One {{ params.meal }}.' }],
  on_failure: [{ type: 'handoff', target: 'manager' }, { type: 'end_call' }],
};
const create = (body: object, person = ana): Promise<Answered> => person.call('POST', tools, { body });
const fields = ({ body }: Answered): readonly string[] => (body.error?.details ?? []).map(({ field }) => field);

test('a tool is made, read, changed, replaced and deleted', async () => {
  const made = await create({ name: 'choose_meal', description: 'Notes the meal', config });
  expect(made).toMatchObject({ status: 201, body: { name: 'choose_meal', category: 'integration', config } });
  const one = `${tools}/choose_meal`;
  expect((await ana.call('GET', one)).body).toEqual(made.body);
  const on_success = [{ type: 'respond', message_key: 'answer' }];
  const changed = await ana.call('PATCH', one, { body: { config: { on_success, on_failure: null } } });
  expect(changed).toMatchObject({
    status: 200,
    body: { description: 'Notes the meal', config: { ...config, on_success, on_failure: [] }, on_success },
  });
  const replaced = await ana.call('PUT', one, { body: { config: { actions: [] } } });
  expect(replaced.body).toMatchObject({
    id: made.body['id'],
    description: '',
    category: 'response',
    config: { parameters: [], actions: [], on_success: [], on_failure: [] },
  });
  const renamed = await ana.call('PATCH', one, { body: { name: 'other' } });
  expect({ status: renamed.status, fields: fields(renamed) }).toEqual({ status: 422, fields: ['name'] });
  expect((await ana.call('DELETE', one)).status).toBe(204);
  expect((await ana.call('DELETE', one)).status).toBe(404);
  expect((await create({ name: 'choose_meal' })).status).toBe(201);
});

test('the older form has its lists beside config, and gets both', async () => {
  const { parameters, actions } = config;
  const made = await create({ name: 'older', parameters, actions });
  expect(made).toMatchObject({ status: 201, body: { parameters, actions, config: { parameters, actions } } });
  const on_failure = [{ type: 'log', message: 'oh' }];
  const changed = await ana.call('PATCH', `${tools}/older`, { body: { on_failure } });
  expect(changed).toMatchObject({ status: 200, body: { config: { actions, on_failure } } });
  const twice = await create({ name: 'twice', actions, config: { actions } });
  expect({ status: twice.status, fields: fields(twice) }).toEqual({ status: 422, fields: ['actions'] });
  const wrong = await create({ name: 'wrong', actions: [{ type: 'context.set', key: 'a' }] });
  expect(fields(wrong)).toEqual(['actions.0.value']);
});

test('a list is a page with the names and categories of all', async () => {
  const eve = await api.signUp();
  const before = (await eve.call('GET', tools)).body;
  await create({ name: 'aa_end', config: { actions: [{ type: 'end_call' }] } }, eve);
  await create(
    { name: 'ab_note', description: 'Inks all of it', config: { actions: [{ type: 'flag.set', flag: 'a' }] } },
    eve,
  );
  const nested = [{ type: 'condition', if: 'a', then: [{ type: 'handoff', target: 'x' }] }];
  await create({ name: 'ac_give', config: { on_success: nested } }, eve);
  const { body } = await eve.call('GET', `${tools}?limit=2&search=a`);
  expect(body).toMatchObject({
    limit: 2,
    offset: 0,
    total_tools: Number(before['total_tools']) + 3,
    items: [{ name: 'aa_end', category: 'call', config: { actions: [{ type: 'end_call' }] } }, { name: 'ab_note' }],
    categories: {
      call: expect.arrayContaining(['aa_end']),
      context: expect.arrayContaining(['ab_note']),
      handoff: expect.arrayContaining(['ac_give']),
    },
  });
  expect(body['tool_names']).toEqual(expect.arrayContaining(['aa_end', 'ab_note', 'ac_give']));
  expect((await eve.call('GET', `${tools}?search=INKS%20all`)).body).toMatchObject({
    total: 1,
    items: [{ name: 'ab_note' }],
  });
});

test('a tool that an agent names stays', async () => {
  await create({ name: 'held' });
  const agent = { name: 'holder', config: { prompt: { system: 'Hi' }, tools: ['held'] } };
  expect((await ana.call('POST', '/api/v1/agents', { body: agent })).status).toBe(201);
  const refused = await ana.call('DELETE', `${tools}/held`);
  expect(refused).toMatchObject({ status: 409, body: { error: { code: 'conflict' }, agents: ['holder'] } });
  expect(refused.body.error?.message).toContain('"holder"');
  await ana.call('PATCH', '/api/v1/agents/holder', { body: { config: { tools: [] } } });
  expect((await ana.call('DELETE', `${tools}/held`)).status).toBe(204);
});

test('of a tool that goes and an agent that takes it at once, one is refused', async () => {
  for (const round of [1, 2, 3, 4]) {
    const name = `raced-${round}`;
    await create({ name });
    const agent = { name, config: { prompt: { system: 'Hi' }, tools: [name] } };
    const answers = await Promise.all([
      ana.call('POST', '/api/v1/agents', { body: agent }),
      ana.call('DELETE', `${tools}/${name}`),
    ]);
    expect([
      [201, 409],
      [204, 422],
    ]).toContainEqual(statusesOf(answers));
  }
});

test('of another workspace is not there, and its name is free', async () => {
  await create({ name: 'private' });
  for (const [method, body] of [['GET'], ['PATCH', {}], ['PUT', {}], ['DELETE']] as const) {
    expect((await bob.call(method, `${tools}/private`, body === undefined ? {} : { body })).status).toBe(404);
  }
  expect((await create({ name: 'private' }, bob)).status).toBe(201);
  expect((await create({ name: 'private' }, bob)).status).toBe(409);
  const agent = { name: 'thief', config: { prompt: { system: 'Hi' }, tools: ['older'] } };
  expect(fields(await bob.call('POST', '/api/v1/agents', { body: agent }))).toEqual(['config.tools.0']);
});

const deep = (depth: number): object =>
  depth === 0 ? { type: 'flag.set', flag: 'a' } : { type: 'condition', if: 'flags.a', then: [deep(depth - 1)] };

describe('an action is refused by its place', () => {
  test.each<[string, object, readonly string[]]>([
    ['an unknown type', { type: 'fly' }, ['type']],
    ['no type', { key: 'a' }, ['type']],
    ['an unknown property', { type: 'flag.set', flag: 'a', colour: 'red' }, ['colour']],
    ['a set of nothing', { type: 'context.set' }, ['key', 'value']],
    ['a set of two keys', { type: 'context.set', key: 'a', path: 'b', value: 1 }, ['path']],
    ['a set of two values', { type: 'context.set', key: 'a', value: 1, data: 2 }, ['data']],
    ['a value that cannot be read', { type: 'context.set', key: 'a', value: { b: '{{ x' } }, ['value']],
    ['an expression that is none', { type: 'context.set', key: 'a', value: { $expr: '1 +' } }, ['value']],
    ['a secret in the context', { type: 'context.set', key: 'a', value: '{{secret:KEY}}' }, ['value']],
    ['a get of nothing', { type: 'context.get' }, ['key']],
    ['a delete of nothing', { type: 'context.delete', key: '' }, ['key']],
    ['a flag that is no name', { type: 'flag.clear', flag: 'a b' }, ['flag']],
    ['an answer without words', { type: 'respond' }, ['message']],
    ['an answer twice', { type: 'respond', message: 'a', message_key: 'b' }, ['message_key']],
    ['an answer that cannot be read', { type: 'respond', message: '{% for %}' }, ['message']],
    ['a handoff to nobody', { type: 'handoff' }, ['target']],
    ['a handoff to no name', { type: 'handoff', target: 'The Chef' }, ['target']],
    ['a call of nothing', { type: 'webhook' }, ['url']],
    ['a call of two things', { type: 'api_call', url: 'https://a.example', endpoint: 'orders' }, ['endpoint']],
    ['an unknown endpoint', { type: 'api_call', endpoint: 'payments' }, ['endpoint']],
    ['an inner address', { type: 'webhook', url: 'http://169.254.169.254/{{ params.x }}' }, ['url']],
    ['an inner name', { type: 'webhook', url: 'http://localhost:5432' }, ['url']],
    ['no address', { type: 'webhook', url: 'ftp://example.com' }, ['url']],
    ['a method that is none', { type: 'webhook', url: 'https://a.example', method: 'TRACE' }, ['method']],
    ['two bodies', { type: 'webhook', url: 'https://a.example', body: 1, payload: 2 }, ['payload']],
    ['a misspelt secret', { type: 'webhook', url: 'https://a.example', body: '{{ secret:low }}' }, ['body']],
    ['a header that is none', { type: 'webhook', url: 'https://a.example', headers: { 'a b': 'c' } }, ['headers.a b']],
    ['a wait of ever', { type: 'wait', seconds: 31 }, ['seconds']],
    ['a condition without one', { type: 'condition', then: [] }, ['if']],
    ['a condition that is none', { type: 'condition', if: 'flags. &&' }, ['if']],
    ['a level that is none', { type: 'log', message: 'a', level: 'loud' }, ['level']],
    [
      'what is nested',
      {
        type: 'condition',
        if: 'a',
        then: [
          { type: 'wait', seconds: 1 },
          { type: 'context.set', value: 1 },
        ],
      },
      ['then.1.key'],
    ],
    ['what is nested otherwise', { type: 'condition', if: 'a', else: [{ type: 'fly' }] }, ['else.0.type']],
    ['conditions too deep', deep(6), ['then.0.then.0.then.0.then.0.then.0']],
  ])('%s', async (_, action, expected) => {
    const answer = await create({ name: 'refused', config: { actions: [action] } });
    const places = expected.map((field) => `config.actions.0.${field}`);
    expect({ status: answer.status, fields: fields(answer) }).toEqual({ status: 422, fields: places });
  });

  test('five conditions deep pass, and a hundred end well', async () => {
    expect((await create({ name: 'deep', config: { actions: [deep(5)] } })).status).toBe(201);
    expect((await create({ name: 'deeper', config: { actions: [deep(55)] } })).status).toBe(422);
  });
});

describe('a parameter is refused by its place', () => {
  test.each<[string, object, string]>([
    ['a type that is none', { name: 'a', type: 'text' }, 'type'],
    ['a name that is none', { name: 'a b', type: 'string' }, 'name'],
    ['a default of another type', { name: 'a', type: 'integer', default: 1.5 }, 'default'],
    ['a default that is nothing', { name: 'a', type: 'object', default: null }, 'default'],
    ['a default beside the enum', { name: 'a', type: 'string', enum: ['x'], default: 'y' }, 'default'],
    ['an enum of another type', { name: 'a', type: 'boolean', enum: [true, 'false'] }, 'enum.1'],
    ['an empty enum', { name: 'a', type: 'string', enum: [] }, 'enum'],
  ])('%s', async (_, parameter, field) => {
    const answer = await create({ name: 'refused', config: { parameters: [parameter] } });
    expect({ status: answer.status, fields: fields(answer) }).toEqual({
      status: 422,
      fields: [`config.parameters.0.${field}`],
    });
  });

  test('a name twice', async () => {
    const parameters = [
      { name: 'a', type: 'string' },
      { name: 'a', type: 'number' },
    ];
    expect(fields(await create({ name: 'refused', config: { parameters } }))).toEqual(['config.parameters.1.name']);
  });
});

test.each(['end_call', 'handoff_to_chef', 'Choose'])('the name %s is refused', async (name) => {
  expect(fields(await create({ name }))).toEqual(['name']);
});
