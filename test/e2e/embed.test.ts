import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import type { Person } from '../support/api.js';
import { send, type Answered } from '../support/http.js';
import { agent, sessionUser, to } from '../support/sessions.js';

let platform: TestPlatform;
let person: Person;

beforeAll(async () => {
  platform = await startTestPlatform();
  person = await platform.signUp();
}, 60_000);
afterAll(() => platform.close());

const origin = 'https://shop.example.com';

test('a page talks to what is published until it ends, whatever the draft has become', async () => {
  const user = sessionUser(person);
  const graph = (greeting: string) => ({
    nodes: [agent('root_agent', { greeting }), { id: 'bye', type: 'end', config: { final_message: 'Goodbye.' } }],
    edges: [to('root_agent', 'bye', 'contains:bye')],
  });
  const id = await user.draw(graph('Welcome.'));
  const made = await person.call('POST', `/v1/agents/${id}/deployments`, {
    body: { channel: 'web', allowed_origins: [origin] },
  });
  const page = (method: string, path: string, body?: object): Promise<Answered> =>
    send(`${platform.url}/v1/public/runtime/sessions${path}`, {
      method,
      headers: { authorization: `Bearer ${String(made.body['token'])}`, 'content-type': 'application/json', origin },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  expect((await page('POST', '', {})).status).toBe(409);
  await user.publish(id);
  await person.call('PUT', `/v1/workflows/${id}/graph`, { body: graph('A new welcome.') });

  const begun = await page('POST', '', {});
  expect(begun).toMatchObject({
    status: 201,
    body: { state: 'awaiting_input', messages: [{ role: 'assistant', text: 'Welcome.' }] },
  });
  const at = `/${String(begun.body['session_id'])}`;
  const turn = await page('POST', `${at}/turns`, { message: 'Where is my order?' });
  expect(turn).toMatchObject({
    status: 200,
    body: { state: 'awaiting_input', messages: [{ text: expect.stringContaining('Where is my order?') }] },
  });
  const last = await page('POST', `${at}/turns`, { message: 'bye' });
  expect(last.body).toMatchObject({ state: 'ended' });
  expect(last.body).not.toHaveProperty('trace');
  expect((await page('POST', `${at}/turns`, { message: 'still there?' })).status).toBe(409);
  const whole = await page('GET', at);
  expect(whole.body['messages']).toHaveLength(6);
  expect(whole.body['messages']).toContainEqual(expect.objectContaining({ role: 'assistant', text: 'Goodbye.' }));
  expect(whole.text).not.toMatch(/node_id|trace|variables/);
});
