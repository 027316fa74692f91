import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Database } from '../../db/client.js';
import type { RunInput } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;
const started: RunInput[] = [];
const known: { db?: Database } = {};

/** Ends each run as soon as it is started, as a worker would some time later. */
async function startRun(input: RunInput): Promise<void> {
  started.push(input);
  const end = { status: 'completed' as const, output: JSON.stringify({ json: { done: true } }), ended_at: new Date() };
  await known.db?.updateTable('runs').set(end).where('id', '=', input.run.runId).execute();
}

beforeAll(async () => {
  api = await startTestApi({ temporal: () => ({ ...silentTemporal(), startRun }) });
  known.db = api.db;
  person = await api.signUp();
});
afterAll(() => api.close());

async function workflow(nodes: readonly object[]): Promise<string> {
  const body = { name: 'Tested', engine: 'automation', graph: { nodes, edges: [] } };
  const made = await person.call('POST', '/v1/workflows', { body });
  expect({ status: made.status, text: made.status === 201 ? '' : made.text }).toEqual({ status: 201, text: '' });
  return String(made.body['id']);
}

const call = { id: 'call', type: 'http', config: { url: 'https://example.com/{{ vars.path }}' } };
const broken = { id: 'broken', type: 'tool', config: {} };

test('a node is run alone, its effects only shown, while the rest of the draft is unfinished', async () => {
  const id = await workflow([call, broken]);
  await person.call('PUT', `/v1/definitions/${id}/pins`, { body: { call: 'never', broken: 1 } });
  const body = { node_id: 'call', input: { a: 1 }, vars: { path: 'x' }, steps: { broken: { b: 2 } } };
  const tested = await person.call('POST', `/v1/definitions/${id}/test-node`, { body });
  expect(tested).toMatchObject({
    status: 200,
    body: { status: 'completed', output: { done: true }, error: null, stubbed: true },
  });
  const run = started.at(-1);
  expect(run).toMatchObject({
    test: { live: [], pins: { broken: { b: 2 }, 'test.input': { a: 1 }, 'test.vars.path': 'x' } },
    source: { plan: { nodes: { call: { kind: 'http' } } } },
  });
  expect(run?.test?.pins).not.toHaveProperty('call');
  const live = await person.call('POST', `/v1/definitions/${id}/test-node`, { body: { ...body, live: ['call'] } });
  expect(live.body).toMatchObject({ stubbed: false });
});

test('a node that is not right itself is refused with what is wrong', async () => {
  const id = await workflow([call, broken]);
  const refused = await person.call('POST', `/v1/definitions/${id}/test-node`, { body: { node_id: 'broken' } });
  expect(refused).toMatchObject({ status: 422, body: { blockers: [{ node_id: 'broken' }] } });
  const unknown = await person.call('POST', `/v1/definitions/${id}/test-node`, { body: { node_id: 'nobody' } });
  expect(unknown.status).toBe(404);
});

test('a step of a chain is a node as well', async () => {
  const primary_steps = [
    { kind: 'trigger', label: 'In' },
    { kind: 'notify', label: 'Out' },
  ];
  const made = await person.call('POST', '/v1/workflow-chains', { body: { name: 'Chain', primary_steps } });
  const path = `/v1/definitions/${String(made.body['id'])}/test-node`;
  expect((await person.call('POST', path, { body: { node_id: 'p1' } })).body).toMatchObject({ stubbed: true });
});

test('a draft is run with its pins, as a version that is not published', async () => {
  const id = await workflow([call]);
  await person.call('PUT', `/v1/definitions/${id}/pins`, { body: { call: { answer: 42 } } });
  const tested = await person.call('POST', `/v1/definitions/${id}/test-run`, { body: { input: 'x', live: ['call'] } });
  expect(tested).toMatchObject({ status: 202, body: { run_id: expect.any(String) } });
  expect(started.at(-1)).toMatchObject({ definitionId: id, test: { pins: { call: { answer: 42 } }, live: ['call'] } });
  const row = await api.db.selectFrom('versions').selectAll().where('definition_id', '=', id).executeTakeFirstOrThrow();
  expect(row).toMatchObject({ id: tested.body['version_id'], number: null, published_at: null });
  const unfinished = await workflow([broken]);
  expect((await person.call('POST', `/v1/definitions/${unfinished}/test-run`)).status).toBe(422);
});
