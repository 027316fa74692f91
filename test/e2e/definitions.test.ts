import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Person } from '../support/api.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { until } from '../support/until.js';

let platform: TestPlatform;
let person: Person;

beforeAll(async () => {
  platform = await startTestPlatform();
  person = await platform.signUp();
}, 60_000);
afterAll(() => platform.close());

async function workflow(name: string, nodes: readonly object[], edges: readonly object[]): Promise<string> {
  const body = { name, engine: 'automation', graph: { nodes, edges } };
  const made = await person.call('POST', '/v1/workflows', { body });
  expect({ status: made.status, text: made.status === 201 ? '' : made.text }).toEqual({ status: 201, text: '' });
  return String(made.body['id']);
}

const runIs = (id: string, statuses: readonly string[]) =>
  until(
    () => person.call('GET', `/v1/runs/${id}`),
    ({ body }) => statuses.includes(String(body['status'])),
  );

describe('one node of a draft', () => {
  const send = { id: 'send', type: 'http', config: { method: 'POST', url: 'https://example.com/{{ vars.path }}' } };
  const sum = { id: 'sum', type: 'code', config: { source: 'return input.a + steps.look.b + vars.c' } };
  const look = { id: 'look', type: 'tool', config: {} };
  let id: string;
  beforeAll(async () => {
    id = await workflow('Nodes', [send, sum, look], []);
  });
  const run = (body: object) => person.call('POST', `/v1/definitions/${id}/test-node`, { body });

  test('is given its input, variables and results of others, and answers what it puts out', async () => {
    const tested = await run({ node_id: 'sum', input: { a: 1 }, steps: { look: { b: 2 } }, vars: { c: 3 } });
    expect(tested.body).toMatchObject({ status: 'completed', output: 6, error: null, stubbed: false });
  });

  test('says why it fails', async () => {
    const tested = await run({ node_id: 'sum', input: {} });
    expect(tested.body).toMatchObject({ status: 'failed', output: null, error: { message: expect.any(String) } });
  });

  test('only shows what it would do', async () => {
    const tested = await run({ node_id: 'send', vars: { path: 'orders' } });
    expect(tested.body).toMatchObject({ status: 'completed', error: null, stubbed: true });
    expect(JSON.stringify(tested.body['output'])).toContain('https://example.com/orders');
  });
});

test('a draft runs with its pins', async () => {
  const nodes = [
    { id: 'start', type: 'start' },
    { id: 'ask', type: 'approval', config: { prompt: 'Pay?' } },
    { id: 'done', type: 'end', config: { output: { ok: '{{ steps.ask.decision }}' } } },
  ];
  const id = await workflow('Pinned', nodes, [
    { source: 'start', target: 'ask' },
    { source: 'ask', target: 'done' },
  ]);
  await person.call('PUT', `/v1/definitions/${id}/pins`, { body: { ask: { decision: 'approved' } } });
  const { run_id: runId } = (await person.call('POST', `/v1/definitions/${id}/test-run`)).body;
  const end = await runIs(String(runId), ['completed', 'failed']);
  expect(end.body).toMatchObject({ status: 'completed', output: { ok: 'approved' } });
});

test('a waiting run is moved to what is published, and ended runs are replayed by it', async () => {
  const ask = (prompt: string) => ({ id: 'ask', type: 'approval', config: { prompt } });
  const note = (text: string) => ({ id: 'note', type: 'set', config: { values: { text } } });
  const graph = (text: string) => ({
    nodes: [{ id: 'start', type: 'start' }, ask('Go on?'), note(text), { id: 'end', type: 'end' }],
    edges: [
      { source: 'start', target: 'ask' },
      { source: 'ask', target: 'note' },
      { source: 'note', target: 'end' },
    ],
  });
  const first = graph('old');
  const id = await workflow('Moved', first.nodes, first.edges);
  await person.call('POST', `/v1/definitions/${id}/publish`);
  const start = async () => String((await person.call('POST', '/v1/runs', { body: { definition: id } })).body['id']);
  const [moved, ended] = [await start(), await start()];
  await runIs(moved, ['waiting']);
  const waiting = await runIs(ended, ['waiting']);
  const [wait] = waiting.body['waits'] as { token: string }[];
  await person.call('POST', `/v1/runs/${ended}/waits/${wait?.token}`, { body: { decision: 'approve' } });
  expect((await runIs(ended, ['completed'])).body['output']).toEqual({ text: 'old' });

  await person.call('PUT', `/v1/workflows/${id}/graph`, { body: graph('new') });
  const said = await person.call('POST', `/v1/definitions/${id}/validate-publish`, { body: { replay: 5 } });
  expect(said.body).toMatchObject({ replay: { replayed: 1, same: 1, different: [] } });
  const preview = await person.call('POST', `/v1/definitions/${id}/publish-preview`);
  expect(preview.body).toMatchObject({ effects: [{ run_id: moved, at: ['ask'], outcome: 'can_move' }] });
  const published = await person.call('POST', `/v1/definitions/${id}/publish`, {
    body: { move: { run_ids: [moved] } },
  });
  expect(published.body).toMatchObject({ version: 2, moves: [{ run_id: moved, outcome: 'moved' }] });
  const still = (await runIs(moved, ['waiting'])).body['waits'] as { token: string }[];
  await person.call('POST', `/v1/runs/${moved}/waits/${still[0]?.token}`, { body: { decision: 'approve' } });
  expect((await runIs(moved, ['completed'])).body).toMatchObject({ output: { text: 'new' }, version: 2 });
});
