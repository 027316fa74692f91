import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import type { RunInput } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { addVersion, publish } from '../support/commands.js';
import { linePlan, pass } from '../support/plans.js';
import { noFlush } from '../support/runs.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';

const temporal = scriptedTemporal();
let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
  person = await api.signUp();
}, 60_000);
afterAll(() => api.close());
beforeEach(() => temporal.play({}));

const start = (body: object, headers: Record<string, string> = {}) =>
  person.call('POST', '/v1/runs', { body, headers });

describe('POST /v1/runs', () => {
  test('runs the live version of a definition, by id and by slug', async () => {
    const { id, versionId } = await publish(api.db, person, { slug: 'live' });
    for (const definition of [id, 'live']) {
      const accepted = await start({ definition, input: { text: 'hi' }, priority: 1, tags: ['a', 'b', 'a'] });
      expect(accepted).toMatchObject({
        status: 202,
        body: { status: 'queued', definition_id: id, definition_kind: 'workflow', version: 1, version_id: versionId },
      });
      const run = await person.call('GET', `/v1/runs/${String(accepted.body['id'])}`);
      expect(run.body).toMatchObject({ priority: 1, tags: ['a', 'b'], trigger: 'api', input: { text: 'hi' } });
    }
    expect(temporal.asked('startRun').map(([input]) => input)).toMatchObject([
      { priority: 1, startedBy: person.userId, definitionId: id },
      { priority: 1 },
    ]);
  });

  test('runs another version by its id, by its number, and as a number in text', async () => {
    const { id } = await publish(api.db, person, { slug: 'versions' });
    const of = { workspaceId: person.workspace.id, definitionId: id };
    const second = await addVersion(api.db, { ...of, plan: linePlan(pass('b')), number: 2 });
    for (const version of [second, 2, '2']) {
      expect((await start({ definition: id, version })).body).toMatchObject({ version: 2, version_id: second });
    }
    const missing = await start({ definition: id, version: 7 });
    expect(missing).toMatchObject({ status: 422, body: { error: { details: [{ field: 'version' }] } } });
  });

  test('runs a chain as it is bound, and the draft of a graph that was never published', async () => {
    const steps = [{ kind: 'trigger', label: 'In' }];
    await person.call('POST', '/v1/workflow-chains', { body: { name: 'C', slug: 'chained', primary_steps: steps } });
    expect((await start({ definition: 'chained' })).body).toMatchObject({ definition_kind: 'chain' });
    expect((await start({ definition: 'chained', version: 'draft' })).status).toBe(202);
    const { id } = await publish(api.db, person, { slug: 'drafted', isLive: false });
    const refused = await start({ definition: id });
    expect(refused.status).toBe(409);
    expect(refused.body.error?.message).toContain(`/v1/definitions/${id}/publish`);
  });

  test('names the kinds when a slug is not enough, and knows no foreign definition', async () => {
    await publish(api.db, person, { slug: 'twin' });
    await publish(api.db, person, { slug: 'twin', kind: 'chain' });
    const refused = await start({ definition: 'twin' });
    expect(refused.status).toBe(409);
    expect(refused.body.error?.message).toMatch(/chain \(def_\w+\) and workflow \(def_\w+\)/);
    const stranger = await api.signUp();
    const { id } = await publish(api.db, person, { slug: 'mine' });
    const foreign = await stranger.call('POST', '/v1/runs', { body: { definition: id } });
    expect(foreign.status).toBe(404);
  });

  test('holds the input to the schema the definition declares', async () => {
    const inputSchema = {
      type: 'object',
      required: ['amount'],
      properties: { amount: { type: 'number' }, lines: { type: 'array', items: { type: 'string' } } },
    };
    await publish(api.db, person, { slug: 'typed', plan: { ...linePlan(pass('a')), inputSchema } });
    const refused = await start({ definition: 'typed', input: { lines: [1] } });
    expect(refused.status).toBe(422);
    expect(refused.body.error?.details.map(({ field }) => field).toSorted()).toEqual(['input.amount', 'input.lines.0']);
    expect((await start({ definition: 'typed', input: { amount: 3, lines: ['x'] } })).status).toBe(202);
  });

  test('with one Idempotency-Key is one run', async () => {
    const { id } = await publish(api.db, person, { slug: 'once' });
    const headers = { 'Idempotency-Key': 'start-once' };
    const [one, two] = [await start({ definition: 'once' }, headers), await start({ definition: 'once' }, headers)];
    expect(two.body['id']).toBe(one.body['id']);
    const runs = await api.db.selectFrom('runs').select('id').where('definition_id', '=', id).execute();
    expect(runs).toEqual([{ id: one.body['id'] }]);
  });
});

describe('POST /v1/runs with wait', () => {
  test('answers the whole run when it ends in time', async () => {
    await publish(api.db, person, { slug: 'quick' });
    const end = { status: 'completed', output: inline({ ok: true }) } as const;
    temporal.play({ startRun: ({ run }: RunInput) => writeEnd(api.db, run, { flush: { ...noFlush, seq: 9 }, end }) });
    const answered = await start({ definition: 'quick', wait: 30 });
    expect(answered).toMatchObject({ status: 200, body: { status: 'completed', output: { ok: true }, steps: [] } });
  });

  test('answers what a respond node said while the run goes on', async () => {
    await publish(api.db, person, { slug: 'responds' });
    const response = inline({ accepted: 7 });
    temporal.play({
      startRun: ({ run }: RunInput) => writeFlush(api.db, run, { ...noFlush, status: 'running', seq: 3, response }),
    });
    const answered = await start({ definition: 'responds', wait: 30 });
    expect(answered).toMatchObject({ status: 200, body: { status: 'running', output: { accepted: 7 } } });
  });

  test('answers 202 with where the run stands when it takes longer', async () => {
    await publish(api.db, person, { slug: 'slow' });
    temporal.play({
      startRun: ({ run }: RunInput) => writeFlush(api.db, run, { ...noFlush, status: 'running', seq: 3 }),
    });
    expect(await start({ definition: 'slow', wait: 0.05 })).toMatchObject({ status: 202, body: { status: 'running' } });
  });

  test('keeps the run of a caller who leaves', async () => {
    const { id } = await publish(api.db, person, { slug: 'left' });
    const leaving = new AbortController();
    temporal.play({ startRun: () => Promise.resolve(leaving.abort()) });
    const headers = { authorization: `Bearer ${person.token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ definition: 'left', wait: 0.2 });
    const request = fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body, signal: leaving.signal });
    await expect(request).rejects.toThrow();
    const runs = await person.call('GET', `/v1/runs?definition=${id}`);
    expect(runs.body['items']).toMatchObject([{ status: 'queued' }]);
  });
});
