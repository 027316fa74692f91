import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import type { RunRef, StepRecord } from '../../workflows/contract/run.js';
import { HttpConfig } from '../../workflows/definition/nodes/effects.js';
import { defaultPolicy, type PlanNode } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { addVersion, publish, runAt } from '../support/commands.js';
import { agent, linePlan } from '../support/plans.js';
import { noFlush, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  person = await api.signUp();
}, 60_000);
afterAll(() => api.close());

const http = (id: string): PlanNode => ({
  ...{ id, label: id, dialectKind: 'http', policy: defaultPolicy },
  kind: 'http',
  config: HttpConfig.parse({ url: 'https://example.com' }),
});
const plan = linePlan(agent('draft'), agent('check'), http('charge'));

const done = (id: string, seq: number): StepRecord =>
  stepRecord(id, seq, { output: inline(`${id} done`), port: 'out' });
const error = { type: 'http_500', message: 'The provider failed.', node_id: 'charge' };

/** `draft` and `check` are done, `charge` has failed. */
async function failedRun(definition: { readonly id: string; readonly versionId: string } | null): Promise<RunRef> {
  const run = await runAt(api.db, person, { status: 'running', definition, kind: 'workflow', plan });
  const steps = [done('draft', 1), done('check', 2), stepRecord('charge', 3, { status: 'failed', error })];
  await writeEnd(api.db, run, { flush: { ...noFlush, steps, seq: 3 }, end: { status: 'failed', error } });
  return run;
}

const goOn = ({ runId }: RunRef, body?: object) =>
  person.call('POST', `/v1/runs/${runId}/continue`, body === undefined ? {} : { body });
const rowOf = (runId: unknown) =>
  api.db.selectFrom('runs').selectAll().where('id', '=', String(runId)).executeTakeFirstOrThrow();
const reusedBy = async (runId: unknown) => {
  const rows = api.db.selectFrom('run_reuse').selectAll().where('run_id', '=', String(runId)).orderBy('key');
  return (await rows.execute()).map(({ key }) => key);
};

test('a failed run goes on from its failed step with the results before it', async () => {
  const definition = await publish(api.db, person, { slug: 'goes-on', plan });
  const run = await failedRun(definition);
  const accepted = await goOn(run);
  expect(accepted).toMatchObject({ status: 202, body: { status: 'queued', reused: 2 } });
  expect(await reusedBy(accepted.body['id'])).toEqual(['check/1', 'draft/1']);
  expect(await rowOf(accepted.body['id'])).toMatchObject({
    trigger: 'continue',
    origin: { kind: 'continue', run_id: run.runId, from: 'charge/1' },
    definition_id: definition.id,
    version_id: definition.versionId,
    plan: null,
    input: inline('in'),
  });
});

test('any finished step will do, by its key or its node', async () => {
  const run = await failedRun(null);
  for (const from of ['check', 'check/1']) {
    const accepted = await goOn(run, { from });
    expect(accepted).toMatchObject({ status: 202, body: { reused: 1 } });
    expect(await reusedBy(accepted.body['id'])).toEqual(['draft/1']);
  }
  const refused = await goOn(run, { from: 'chek' });
  expect(refused.status).toBe(422);
  expect(refused.body.error?.message).toContain('the nearest is "check"');
});

test('a newer version takes it over where it still has the step', async () => {
  const definition = await publish(api.db, person, { slug: 'newer', plan });
  const of = { workspaceId: person.workspace.id, definitionId: definition.id };
  const fixed = linePlan(agent('draft'), agent('check'), http('charge'), agent('tell'));
  const second = await addVersion(api.db, { ...of, plan: fixed, number: 2 });
  await addVersion(api.db, { ...of, plan: linePlan(agent('draft'), http('charge_all')), number: 3 });
  const run = await failedRun(definition);
  const accepted = await goOn(run, { version: 2 });
  expect(accepted).toMatchObject({ status: 202, body: { reused: 2 } });
  expect(await rowOf(accepted.body['id'])).toMatchObject({ version_id: second });
  const refused = await goOn(run, { version: 3 });
  expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'from' }] } } });
  expect(refused.body.error?.message).toContain('the nearest is "charge_all"');
});

test('nodes may be changed for this one run, which then has a plan of its own', async () => {
  const definition = await publish(api.db, person, { slug: 'patched', plan });
  const run = await failedRun(definition);
  const nodes = { charge: { url: 'https://example.com/mended/{{ steps.draft.id }}' } };
  const accepted = await goOn(run, { patch: { nodes, input: { other: true } } });
  expect(accepted.status).toBe(202);
  const row = await rowOf(accepted.body['id']);
  expect(row).toMatchObject({ version_id: definition.versionId, input: inline({ other: true }) });
  expect(row.plan?.nodes['charge']).toMatchObject({
    config: { url: 'https://example.com/mended/{{ steps.draft.id }}', method: 'GET' },
    reads: { steps: ['draft'] },
  });
  for (const [patch, field] of [
    [{ nodes: { chargee: {} } }, 'patch.nodes.chargee'],
    [{ nodes: { charge: { method: 'FETCH' } } }, 'patch.nodes.charge.method'],
    [{ nodes: { charge: { url: '{{ steps.' } } }, 'patch.nodes.charge.url'],
  ] as const) {
    expect(await goOn(run, { patch })).toMatchObject({ status: 422, body: { error: { details: [{ field }] } } });
  }
});

test('a run that has not ended, or has no failed step to mean, says what to do', async () => {
  const open = await runAt(api.db, person, { status: 'waiting' });
  expect((await goOn(open)).status).toBe(409);
  const run = await runAt(api.db, person, { status: 'running', plan });
  await writeFlush(api.db, run, { ...noFlush, steps: [done('draft', 1)] });
  await writeEnd(api.db, run, { flush: { ...noFlush, seq: 2 }, end: { status: 'completed', output: inline(1) } });
  expect(await goOn(run)).toMatchObject({ status: 422, body: { error: { details: [{ field: 'from' }] } } });
  expect((await goOn(run, { from: 'draft' })).status).toBe(202);
});

test('the same Idempotency-Key continues once', async () => {
  const run = await failedRun(null);
  const headers = { 'Idempotency-Key': 'continue-once' };
  const path = `/v1/runs/${run.runId}/continue`;
  const [one, two] = [await person.call('POST', path, { headers }), await person.call('POST', path, { headers })];
  expect(two.body['id']).toBe(one.body['id']);
});
