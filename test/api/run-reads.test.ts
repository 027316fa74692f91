import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { beginStep, endStep, writeEnd, writeFlush } from '../../db/run-records.js';
import { insertWait, recordVotes } from '../../db/waits.js';
import { storeValue } from '../../db/values.js';
import type { NewRun } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { read, runOf } from '../support/run-reader.js';
import { noFlush, stepRecord } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let db: Database;
let ana: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ({ db } = api);
  ana = await api.signUp();
}, 60_000);
afterAll(() => api.close());

const newRun = (person: Person, more: Partial<NewRun> = {}): Promise<RunRef> => runOf(db, person, more);

test('a run shows what it was given, what it waits for, what it costs and its children', async () => {
  const run = await newRun(ana);
  await writeFlush(db, run, {
    ...noFlush,
    status: 'waiting',
    seq: 3,
    steps: [
      stepRecord('first', 1, { output: inline({ ok: true }), port: 'out', decidedBy: 'rule:e1' }),
      stepRecord('ok', 2, { status: 'waiting', endedAt: null }),
    ],
    response: inline('hello'),
  });
  const step = {
    key: 'ask/1',
    nodeId: 'ask',
    visit: 1,
    scope: '',
    seq: 3,
    kind: 'llm',
    label: 'Ask',
    input: inline('q'),
    round: 0,
  };
  await beginStep(db, run, { step, flush: noFlush });
  const cost = { usd: 0.25, input_tokens: 10, output_tokens: 5 };
  const done = {
    key: 'ask/1',
    status: 'completed',
    output: inline('a'),
    error: null,
    failed: false,
    finished: null,
  } as const;
  await endStep(db, run, { ...done, vars: null, cost, decidedBy: null });
  const wait = {
    token: `${run.runId}~ok`,
    key: 'ok/1',
    nodeId: 'ok',
    visit: 1,
    scope: '',
    run,
    kind: 'decision',
  } as const;
  const form = { type: 'object' };
  await insertWait(db, {
    ...wait,
    prompt: 'Go?',
    context: { total: 3 },
    form,
    audience: ['role:admin'],
    quorum: 2,
    expiresAt: 4_000_000_000_000,
  });
  const vote = { by: 'bob', decision: 'approve', note: 'fine', value: null, at: 1_000, shownHash: 'h' } as const;
  await recordVotes(db, { run, token: wait.token, votes: [vote] });
  const child = await newRun(ana, { parentRunId: run.runId, parentKey: 'each/1/3/call.it/2' });

  const shown = await read(ana, `/v1/runs/${run.runId}`);
  expect(shown).toMatchObject({
    id: run.runId,
    status: 'waiting',
    input: 'in',
    output: null,
    response: 'hello',
    error: null,
    duration_ms: null,
    cost,
    cancel_requested_at: null,
    stopping: [],
    children: [{ run_id: child.runId, node_id: 'call.it', status: 'queued' }],
    steps_total: 3,
    waits: [
      {
        token: wait.token,
        kind: 'decision',
        node_id: 'ok',
        prompt: 'Go?',
        form,
        audience: ['role:admin'],
        expires_at: '2096-10-02T07:06:40.000Z',
        context: { total: 3 },
        shown_hash: expect.stringMatching(/^[\da-f]{64}$/),
        quorum: 2,
        votes: [{ by: 'bob', decision: 'approve', note: 'fine', at: '1970-01-01T00:00:01.000Z' }],
      },
    ],
  });
  const steps = shown['steps'] as readonly Record<string, unknown>[];
  expect(steps.map(({ key }) => key)).toEqual(['first/1', 'ok/1', 'ask/1']);
  expect(steps[0]).toEqual({
    key: 'first/1',
    node_id: 'first',
    kind: 'test',
    label: 'first',
    scope: '',
    visit: 1,
    seq: 1,
    attempt: 1,
    status: 'completed',
    input: 'in',
    output: { ok: true },
    error: null,
    started_at: '1970-01-01T00:00:01.000Z',
    ended_at: '1970-01-01T00:00:02.000Z',
    duration_ms: 1_000,
    cost: null,
    decided_by: 'rule:e1',
    port: 'out',
    taken: null,
  });
  expect(steps[2]).toMatchObject({ status: 'completed', cost, input: 'q', output: 'a' });

  await db.updateTable('runs').set({ cancel_requested_at: new Date() }).where('id', '=', run.runId).execute();
  const stopping = await read(ana, `/v1/runs/${run.runId}`);
  expect((stopping['stopping'] as readonly { key: string }[]).map(({ key }) => key)).toEqual(['ok/1']);
  await writeEnd(db, run, { flush: noFlush, end: { status: 'cancelled', error: null } });
  expect(await read(ana, `/v1/runs/${run.runId}`)).toMatchObject({ status: 'cancelled', stopping: [], waits: [] });
});

test('a run with very many steps is shown with the newest, and the others are read in windows', async () => {
  const run = await newRun(ana);
  const steps = Array.from({ length: 250 }, (_, index) =>
    stepRecord(index % 2 === 0 ? 'even' : 'odd', index, {
      visit: index + 1,
      scope: `each/1/${index}`,
      status: index === 249 ? 'failed' : 'completed',
    }),
  );
  await writeFlush(db, run, { ...noFlush, steps });
  const shown = await read(ana, `/v1/runs/${run.runId}`);
  expect(shown['steps_total']).toBe(250);
  const newest = shown['steps'] as readonly { readonly seq: number }[];
  expect(newest.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, index) => index + 50));

  const seqs: number[] = [];
  let after: string | null = '';
  while (after !== null) {
    const window = await read(
      ana,
      `/v1/runs/${run.runId}/steps?limit=60${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
    );
    seqs.push(...window.items.map(({ seq }) => Number(seq)));
    expect(window.items[0]).not.toHaveProperty('input');
    after = window['next_after'] as string | null;
  }
  expect(seqs).toEqual(Array.from({ length: 250 }, (_, index) => index));
  const odd = await read(ana, `/v1/runs/${run.runId}/steps?node_id=odd&after=240`);
  expect(odd.items.map(({ seq }) => seq)).toEqual([241, 243, 245, 247, 249]);
  expect((await read(ana, `/v1/runs/${run.runId}/steps?status=failed,parked`)).items).toHaveLength(1);
  expect((await ana.call('GET', `/v1/runs/${run.runId}/steps?after=x`)).status).toBe(422);

  const key = 'each/1/249/odd/250';
  const one = await read(ana, `/v1/runs/${run.runId}/steps/${encodeURIComponent(key)}`);
  expect(one).toMatchObject({ key, scope: 'each/1/249', status: 'failed', input: 'in' });
  expect((await ana.call('GET', `/v1/runs/${run.runId}/steps/nothing%2F1`)).status).toBe(404);

  const summary = await read(ana, `/v1/runs/${run.runId}/steps/summary`);
  expect(summary.items).toEqual([
    expect.objectContaining({
      node_id: 'even',
      visits: 125,
      by_status: { completed: 125 },
      total_ms: 125_000,
      avg_ms: 1_000,
    }),
    {
      node_id: 'odd',
      kind: 'test',
      label: 'odd',
      visits: 125,
      by_status: { completed: 124, failed: 1 },
      attempts: 125,
      total_ms: 125_000,
      avg_ms: 1_000,
      cost: { usd: 0, input_tokens: 0, output_tokens: 0 },
      first_at: '1970-01-01T00:00:01.000Z',
      last_at: '1970-01-01T00:00:02.000Z',
    },
  ]);
});

test('large values are shown by reference, wherever they stand, and read by range', async () => {
  const run = await newRun(ana);
  const json = { text: 'ä€😀'.repeat(1_000) };
  const text = Buffer.from(JSON.stringify(json));
  const large = await storeValue(db, run, { json, limitBytes: 10 });
  const ref = 'ref' in large ? large.ref : '';
  const output = { parts: { a: inline(1), b: large, c: { list: [large, inline(2)] } } };
  await writeFlush(db, run, { ...noFlush, steps: [stepRecord('a', 1, { input: large, output })] });
  const shown = await read(ana, `/v1/runs/${run.runId}/steps/a%2F1`);
  const link = { $ref: ref, bytes: text.length, preview: JSON.stringify(json).slice(0, 1_000) };
  expect(shown).toMatchObject({ input: { $ref: ref, bytes: text.length }, output: { a: 1, c: [{ $ref: ref }, 2] } });
  expect((shown['input'] as { preview: string }).preview.slice(0, 200)).toBe(link.preview.slice(0, 200));

  const part = async (query: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${api.url}/v1/values/${ref}${query}`, {
      headers: { authorization: `Bearer ${ana.token}`, ...headers },
    });
    return {
      status: response.status,
      range: response.headers.get('content-range'),
      bytes: Buffer.from(await response.arrayBuffer()),
    };
  };
  const total = text.length;
  expect(await part('')).toEqual({ status: 200, range: null, bytes: text });
  expect(await part('?offset=9&length=4')).toEqual({ status: 200, range: null, bytes: text.subarray(9, 13) });
  expect(await part(`?offset=${total - 3}`)).toEqual({ status: 200, range: null, bytes: text.subarray(-3) });
  const piece = (from: number, to: number) => ({
    status: 206,
    range: `bytes ${from}-${to - 1}/${total}`,
    bytes: text.subarray(from, to),
  });
  expect(await part('', { range: 'bytes=0-9' })).toEqual(piece(0, 10));
  expect(await part('', { range: 'bytes=11-20' })).toEqual(piece(11, 21));
  expect(await part('', { range: `bytes=${total - 5}-` })).toEqual(piece(total - 5, total));
  expect(await part('', { range: 'bytes=-7' })).toEqual(piece(total - 7, total));
  expect(await part('', { range: `bytes=5-${total * 2}` })).toEqual(piece(5, total));
  expect(await part('', { range: 'bytes=-999999' })).toEqual(piece(0, total));
  // several ranges, or another unit: the whole, as the standard has it
  expect((await part('', { range: 'bytes=0-1,5-6' })).status).toBe(200);
  expect(await part('', { range: `bytes=${total}-` })).toMatchObject({ status: 416, range: `bytes */${total}` });
  expect((await ana.call('GET', `/v1/values/${ref}?length=0`)).status).toBe(422);
});

test('nothing of a run is there for another workspace', async () => {
  const run = await newRun(ana);
  await writeFlush(db, run, { ...noFlush, steps: [stepRecord('a', 1)] });
  const large = await storeValue(db, run, { json: 'x'.repeat(50), limitBytes: 1 });
  const stranger = await api.signUp();
  const at = `/v1/runs/${run.runId}`;
  const paths = [at, `${at}/steps`, `${at}/steps/summary`, `${at}/steps/a%2F1`, `${at}/explain`];
  for (const path of [...paths, `/v1/values/${'ref' in large ? large.ref : ''}`]) {
    expect({ path, status: (await stranger.call('GET', path)).status }).toEqual({ path, status: 404 });
    expect({ path, status: (await ana.call('GET', path)).status }).toEqual({ path, status: 200 });
  }
  expect((await read(stranger, `/v1/runs?parent=${run.runId}&q=run_`)).items).toEqual([]);
});
