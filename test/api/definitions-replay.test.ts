import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { derivedId, newSeed } from '../../db/ids.js';
import { insertRun } from '../../db/runs.js';
import { storeValue } from '../../db/values.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  person = await api.signUp();
});
afterAll(() => api.close());

const call = (id: string): object => ({ id, type: 'http', config: { url: 'https://example.com' } });
const nodes = [{ id: 'start', type: 'start' }, { id: 'choose', type: 'branch' }, call('pay'), call('answer')];
const edges = (condition: string): readonly object[] => [
  { source: 'start', target: 'choose' },
  { source: 'choose', target: 'pay', condition: { expr: condition } },
  { source: 'choose', target: 'answer', condition: { expr: 'default' } },
];

async function published(): Promise<{ readonly id: string; readonly versionId: string }> {
  const body = { name: 'Replayed', engine: 'automation', graph: { nodes, edges: edges('input.amount > 100') } };
  const made = await person.call('POST', '/v1/workflows', { body });
  const id = String(made.body['id']);
  const version = await person.call('POST', `/v1/workflows/${id}/publish`);
  expect(version.status).toBe(200);
  return { id, versionId: String(version.body['version_id']) };
}

/** A run that has ended, as a worker would have left it. */
async function endedRun(
  of: { readonly id: string; readonly versionId: string },
  run: { readonly input: Json; readonly way: string; readonly isTest?: boolean },
): Promise<string> {
  const ref = { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) };
  await insertRun(api.db, {
    run: ref,
    definition: { id: of.id, versionId: of.versionId },
    kind: 'workflow',
    plan: null,
    input: await storeValue(api.db, ref, { json: run.input, limitBytes: 1 }),
    trigger: 'api',
    actor: 'test',
    ...(run.isTest === true ? { test: { pins: {}, live: [] } } : {}),
  });
  for (const [index, node] of ['start', 'choose', run.way].entries()) {
    await api.db
      .insertInto('run_steps')
      .values({
        run_id: ref.runId,
        key: `${node}/1`,
        node_id: node,
        visit: 1,
        seq: index,
        kind: 'x',
        label: node,
        status: 'completed',
        port: 'out',
        output: JSON.stringify(inline({ status: 200 })),
        started_at: new Date(index),
        ended_at: new Date(index),
      })
      .execute();
  }
  await api.db.updateTable('runs').set({ status: 'completed' }).where('id', '=', ref.runId).execute();
  return ref.runId;
}

test('a draft is replayed against what ended, and says which runs it would lead elsewhere', async () => {
  const of = await published();
  await endedRun(of, { input: { amount: 500 }, way: 'pay' });
  const small = await endedRun(of, { input: { amount: 50 }, way: 'answer' });
  await endedRun(of, { input: { amount: 1 }, way: 'pay', isTest: true });
  const validate = (body?: object) => person.call('POST', `/v1/workflows/${of.id}/validate-publish`, { body });
  expect((await validate({ replay: 50 })).body).toMatchObject({
    ok: true,
    replay: { replayed: 2, same: 2, different: [] },
  });
  expect((await validate()).body).not.toHaveProperty('replay');

  await person.call('PUT', `/v1/workflows/${of.id}/graph`, { body: { nodes, edges: edges('input.amount > 10') } });
  const wider = await person.call('POST', `/v1/definitions/${of.id}/validate-publish`, { body: { replay: 50 } });
  expect(wider.body).toMatchObject({
    ok: true,
    replay: {
      replayed: 2,
      same: 1,
      different: [{ run_id: small, at: 'choose', kind: 'other_path', recorded: 'answer', candidate: 'pay' }],
    },
  });
  expect((await validate({ replay: 1 })).body).toMatchObject({ replay: { replayed: 1 } });

  const schema = { type: 'object', required: ['amount', 'currency'] };
  await person.call('PATCH', `/v1/workflows/${of.id}`, { body: { input_schema: schema } });
  expect((await validate({ replay: 50 })).body).toMatchObject({
    replay: { same: 0, different: [{ kind: 'missing_input' }, { kind: 'missing_input' }] },
  });
});

test('a draft that cannot be published replays nothing', async () => {
  const of = await published();
  await endedRun(of, { input: { amount: 500 }, way: 'pay' });
  await person.call('PUT', `/v1/workflows/${of.id}/graph`, { body: { nodes: [], edges: [] } });
  const said = await person.call('POST', `/v1/workflows/${of.id}/validate-publish`, { body: { replay: 5 } });
  expect(said).toMatchObject({ status: 200, body: { ok: false, replay: { replayed: 0 } } });
});
