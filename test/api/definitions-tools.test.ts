import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  person = await api.signUp();
});
afterAll(() => api.close());

const tools = '/v1/workspace-tools';
const tool = {
  name: 'find_order',
  description: 'Finds an order',
  method: 'POST',
  url: 'https://shop.example.com/orders/{{ input.id }}',
  headers: { authorization: 'Bearer {{secret:SHOP_KEY}}' },
  body: { id: '{{ input.id }}', day: { $expr: 'input.day' } },
  parameters: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
  outputs: { total: '$.order.total', lines: "$.lines[*]['price']" },
};

test('a tool is made, listed, changed and deleted', async () => {
  const made = await person.call('POST', tools, { body: tool });
  expect(made).toMatchObject({ status: 201, body: tool });
  const one = `${tools}/${String(made.body['id'])}`;
  expect((await person.call('GET', one)).body).toEqual(made.body);
  await person.call('POST', tools, { body: { name: 'a_tool', url: 'https://example.com' } });
  expect((await person.call('GET', tools)).body).toMatchObject({
    total: 2,
    items: [{ name: 'a_tool', method: 'GET', headers: {}, body: null, parameters: null, outputs: {} }, tool],
  });
  const changed = await person.call('PATCH', one, { body: { method: 'GET', body: null } });
  expect(changed).toMatchObject({ status: 200, body: { ...tool, method: 'GET', body: null } });
  expect((await person.call('PATCH', one, { body: { name: 'a_tool' } })).status).toBe(409);
  expect((await person.call('POST', tools, { body: tool })).status).toBe(409);
  expect((await person.call('DELETE', one)).status).toBe(204);
  expect((await person.call('DELETE', one)).status).toBe(404);
});

test('the same Idempotency-Key makes it once', async () => {
  const ask = () =>
    person.call('POST', tools, { body: { ...tool, name: 'once' }, headers: { 'idempotency-key': 'tool-once' } });
  const [first, second] = [await ask(), await ask()];
  expect(second).toMatchObject({ status: 201, body: first.body });
});

test.each([
  ['a name with spaces', { name: 'find order' }, 'name'],
  ['an inner address', { url: 'http://169.254.169.254/latest/{{ input.id }}' }, 'url'],
  ['an inner address written out', { url: 'http://localhost:9000' }, 'url'],
  ['a template that does not close', { url: 'https://example.com/{{ input.id' }, 'url'],
  ['a misspelt secret', { headers: { authorization: '{{secret:shop key}}' } }, 'headers.authorization'],
  ['a misspelt secret in the body', { body: { key: '{{ secret:lower }}' } }, 'body'],
  ['an expression that is none', { body: { $expr: 'input. +' } }, 'body'],
  ['a schema that is none', { parameters: { type: 'thing' } }, 'parameters'],
  ['a path that is none', { outputs: { total: 'order.total' } }, 'outputs.total'],
  ['a method that is none', { method: 'TRACE' }, 'method'],
])('%s is refused by its field', async (_, wrong, field) => {
  const refused = await person.call('POST', tools, { body: { ...tool, name: 'refused', ...wrong } });
  expect({ status: refused.status, field: refused.body.error?.details[0]?.field }).toEqual({ status: 422, field });
});
