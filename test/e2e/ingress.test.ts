import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Person } from '../support/api.js';
import { ingressUser } from '../support/ingress.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { until } from '../support/until.js';

let platform: TestPlatform;
let person: Person;

beforeAll(async () => {
  platform = await startTestPlatform();
  person = await platform.signUp();
}, 60_000);
afterAll(() => platform.close());

const runIs = (id: unknown, status: string) =>
  until(
    () => person.call('GET', `/v1/runs/${String(id)}`),
    ({ body }) => body['status'] === status,
  );

test('one webhook starts a workflow and another wakes it, whatever process dies in between', async () => {
  const nodes = [
    { id: 'start', type: 'start' },
    { id: 'paid', type: 'wait_event', config: { name: 'order.paid', key: '{{ input.order }}' } },
    { id: 'note', type: 'set', config: { values: { amount: '{{ input.amount }}' } } },
    { id: 'end', type: 'end' },
  ];
  const edges = [
    { source: 'start', target: 'paid' },
    { source: 'paid', target: 'note' },
    { source: 'note', target: 'end' },
  ];
  const made = await person.call('POST', '/v1/workflows', {
    body: { name: 'Orders', engine: 'automation', graph: { nodes, edges } },
  });
  const id = String(made.body['id']);
  const published = await person.call('POST', `/v1/definitions/${id}/publish`, { body: {} });
  expect({ status: published.status, text: published.status === 200 ? '' : published.text }).toMatchObject({
    text: '',
  });
  const user = ingressUser(person, platform.url);
  const shop = await user.create('standard', { target: { definition: id }, input: { order: '{{ body.order }}' } });
  const bank = await user.create('stripe', {
    target: { event: { name: 'order.paid', key: '{{ body.order }}' } },
    input: { amount: '{{ body.amount }}' },
  });
  const ordered = await user.post(shop, { id: 'o-1', body: '{"order":"1042"}' });
  const { run_id: runId } = ordered.body;
  await runIs(runId, 'waiting');
  await platform.restartWorker();
  const paid = { id: 'p-1', body: '{"id":"evt_1","order":"1042","amount":12}' };
  for (const duplicate of [false, true]) expect((await user.post(bank, paid)).body).toMatchObject({ duplicate });
  const end = await runIs(runId, 'completed');
  expect(end.body).toMatchObject({ trigger: 'ingress', input: { order: '1042' } });
  expect(JSON.stringify(end.body['output'])).toContain('12');
});
