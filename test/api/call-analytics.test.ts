import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CallStatus } from '../../db/tables/calls.js';
import { insertCall } from '../../db/calls.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { publishLine, someCall } from '../support/calls.js';
import { newRunRef, seedRun } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;
let desk: string;
let night: string;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  person = await api.signUp();
  desk = await publishLine(api.db, person, { slug: 'desk', agents: [{ name: 'ana' }] });
  night = await publishLine(api.db, person, { slug: 'night', agents: [{ name: 'bo' }] });
  const day = '2026-03-02'; // a Monday
  await seed({ at: `${day}T10:05:00Z`, status: 'completed', seconds: 60, turns: 2, llmMs: 300, tokens: 10 });
  await seed({ at: `${day}T10:59:59.999Z`, status: 'completed', seconds: 30.26, turns: 1, llmMs: 100, tokens: 5 });
  await seed({ at: `${day}T12:00:00Z`, status: 'failed', seconds: 3, definitionId: night });
  await seed({ at: `${day}T12:30:00Z`, status: 'timeout', seconds: 9, definitionId: night });
  await seed({ at: `${day}T13:00:00Z`, status: 'active' });
  const stranger = await api.signUp();
  const theirs = await publishLine(api.db, stranger, { slug: 'desk', agents: [{ name: 'ana' }] });
  await seed({ at: `${day}T10:10:00Z`, status: 'completed', seconds: 999, definitionId: theirs, of: stranger });
}, 60_000);
afterAll(() => api.close());

interface Seed {
  readonly at: string;
  readonly status: CallStatus;
  readonly seconds?: number;
  readonly turns?: number;
  readonly llmMs?: number;
  readonly tokens?: number;
  readonly definitionId?: string;
  readonly of?: Person;
}

async function seed(call: Seed): Promise<string> {
  const { at, status, seconds, turns = 0, llmMs = 0, tokens = 0, definitionId = desk, of = person } = call;
  const run = newRunRef(of.workspace.id);
  await seedRun(api.db, { run, trigger: 'call', kind: 'agent_dag' });
  await insertCall(api.db, run, { ...someCall, definitionId, roomName: `call-${run.runId}` });
  const ended_at = seconds === undefined ? null : new Date(Date.parse(at) + seconds * 1_000);
  const metrics = { turns, llm_ms: llmMs, input_tokens: tokens, output_tokens: tokens, handoffs: 0 };
  await api.db
    .updateTable('calls')
    .set({ status, created_at: new Date(at), connected_at: new Date(at), ended_at, duration_seconds: seconds ?? null })
    .set({ metrics: JSON.stringify(metrics), current_agent: 'ana', status_reason: 'why' })
    .where('run_id', '=', run.runId)
    .execute();
  return run.runId;
}

const range = 'started_after=2026-03-02T10:00:00Z&started_before=2026-03-02T14:00:00Z';
const get = async (path: string) => (await person.call('GET', `/api/v1/analytics/${path}`)).body as unknown;

test('the summary', async () => {
  expect(await get(`summary?${range}`)).toEqual({
    ...{ total_calls: 5, completed_calls: 2, failed_calls: 1, active_calls: 1 },
    ...{ success_rate: 50, avg_duration_seconds: 25.6, total_tokens: 30 },
    ...{ avg_stt_latency_ms: null, avg_llm_latency_ms: 133.3, avg_tts_latency_ms: null },
  });
});

test('of a time without calls', async () => {
  expect(await get('summary?period=1h&started_before=2026-03-02T09:00:00Z')).toEqual({
    ...{ total_calls: 0, completed_calls: 0, failed_calls: 0, active_calls: 0 },
    ...{ success_rate: 0, avg_duration_seconds: 0, total_tokens: 0 },
    ...{ avg_stt_latency_ms: null, avg_llm_latency_ms: null, avg_tts_latency_ms: null },
  });
  expect(await get('workflow-stats')).toEqual([]);
});

const point = (timestamp: string, ...[total = 0, completed = 0, failed = 0]: readonly number[]) => ({
  ...{ timestamp, total, completed, failed },
});

test('by the hour, empty hours too', async () => {
  expect(await get(`call-volume?${range}`)).toEqual({
    interval: 'hour',
    data: [
      point('2026-03-02T10:00:00.000Z', 2, 2),
      point('2026-03-02T11:00:00.000Z'),
      point('2026-03-02T12:00:00.000Z', 2, 0, 1),
      point('2026-03-02T13:00:00.000Z', 1),
    ],
  });
});

test('by the day and by the week, which begins on Monday', async () => {
  const edges = 'started_after=2026-03-01&started_before=2026-03-03T12:00:00Z';
  expect(await get(`call-volume?interval=day&${edges}`)).toMatchObject({
    data: [
      point('2026-03-01T00:00:00.000Z'),
      point('2026-03-02T00:00:00.000Z', 5, 2, 1),
      point('2026-03-03T00:00:00.000Z'),
    ],
  });
  expect(await get(`call-volume?interval=week&${edges}`)).toMatchObject({
    data: [point('2026-02-23T00:00:00.000Z'), point('2026-03-02T00:00:00.000Z', 5, 2, 1)],
  });
});

test('by workflow', async () => {
  expect(await get(`workflow-stats?${range}`)).toEqual([
    {
      ...{ workflow_id: desk, workflow_slug: 'desk', workflow_name: 'Line desk', total_calls: 3, completed_calls: 2 },
      ...{ failed_calls: 0, success_rate: 100, avg_duration_seconds: 45.1 },
    },
    {
      ...{
        workflow_id: night,
        workflow_slug: 'night',
        workflow_name: 'Line night',
        total_calls: 2,
        completed_calls: 0,
      },
      ...{ failed_calls: 1, success_rate: 0, avg_duration_seconds: 6 },
    },
  ]);
});

test('errors, the newest first, by level and type', async () => {
  expect(await get('errors')).toMatchObject({
    total: 2,
    items: [
      { level: 'warning', error_type: 'timeout', message: 'The call ended after a silence.', agent: 'ana' },
      { level: 'error', error_type: 'failed', message: 'why', timestamp: '2026-03-02T12:00:03.000Z' },
    ],
  });
  expect(await get('errors?level=error&limit=1')).toMatchObject({ total: 1, limit: 1, offset: 0 });
  expect(await get('errors?type=timeout')).toMatchObject({ items: [{ level: 'warning' }] });
  expect(await get('errors?period=1h')).toMatchObject({ items: [], total: 0 });
});

test.each([
  ['summary?period=2h', 'period'],
  ['summary?started_after=yesterday', 'started_after'],
  [`summary?started_after=2026-03-03&started_before=2026-03-02`, 'started_after'],
  ['call-volume?interval=minute', 'interval'],
  ['call-volume?started_after=2020-01-01&started_before=2026-01-01', 'interval'],
  ['errors?level=loud', 'level'],
  ['errors?limit=0', 'limit'],
])('%s is refused', async (path, field) => {
  const { status, body } = await person.call('GET', `/api/v1/analytics/${path}`);
  expect(status).toBe(422);
  expect(body['error']).toMatchObject({
    details: [expect.objectContaining({ field: expect.stringContaining(field) })],
  });
});
