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

interface Shown {
  readonly type: string;
  readonly dialects: readonly string[];
  readonly config_schema: { readonly type?: string };
  readonly ports: readonly string[];
  readonly examples: readonly unknown[];
}

const typesOf = async (query: string): Promise<readonly Shown[]> =>
  (await person.call('GET', `/v1/node-types${query}`)).body['items'] as Shown[];

test('every type says what it takes, where it leads and what it costs', async () => {
  const types = await typesOf('');
  expect(types.length).toBeGreaterThan(30);
  expect(types.filter(({ ports, examples }) => ports.length === 0 || examples.length === 0)).toEqual([]);
  expect(types.find(({ type }) => type === 'approval')).toMatchObject({
    execution_class: 'wait',
    config_schema: { type: 'object', properties: { prompt: {} } },
    ports: ['approved', 'rejected', 'expired', 'error'],
  });
});

test('a dialect has its own', async () => {
  const studio = (await typesOf('?dialect=studio')).map(({ type }) => type);
  expect(studio).toEqual(expect.arrayContaining(['instruction_agent', 'router', 'tool', 'end']));
  expect(studio).not.toContain('http');
  const workflow = (await typesOf('?dialect=workflow')).map(({ type }) => type);
  expect(workflow).toEqual(expect.arrayContaining(['http', 'router']));
  expect((await typesOf('?dialect=chain')).map(({ type }) => type)).toContain('human');
  expect((await person.call('GET', '/v1/node-types?dialect=poem')).status).toBe(422);
});
