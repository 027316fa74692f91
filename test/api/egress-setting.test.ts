import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({
    temporal: silentTemporal,
    env: { KEELSON_EGRESS_ALLOW: '127.0.0.1:9, crm.internal' },
  });
  person = await api.signUp();
});

afterAll(() => api.close());

test.each([
  ['http://127.0.0.1:9/hook', 201],
  ['http://crm.internal/hook', 201],
  ['http://127.0.0.1:10/hook', 422],
])('KEELSON_EGRESS_ALLOW decides whether a live chain may call %s', async (url, status) => {
  const primary_steps = [{ kind: 'webhook', label: 'Tell the CRM', config: { url } }];
  const body = { name: `Calls ${url}`, status: 'live', primary_steps };
  const created = await person.call('POST', '/v1/workflow-chains', { body });
  expect(created.status).toBe(status);
});
