import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeEnd } from '../../db/run-records.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { NewRun } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { read, runOf } from '../support/run-reader.js';
import { noFlush } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let db: Database;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ({ db } = api);
}, 60_000);
afterAll(() => api.close());

const newRun = (person: Person, more: Partial<NewRun> = {}): Promise<RunRef> => runOf(db, person, more);

const idsOf = (items: readonly Record<string, unknown>[]): readonly string[] => items.map(({ id }) => String(id));

async function newDefinition(person: Person, slug: string, name: string): Promise<string> {
  const id = derivedId('def', newSeed());
  const of = { workspace_id: person.workspace.id, document: '{}' };
  const row = { ...of, kind: 'workflow', slug, name, status: 'live', version_id: null, created_by: 'ana' };
  await db
    .insertInto('definitions')
    .values({ id, ...row, deleted_at: null, published_at: null })
    .execute();
  const version = { id: `${id}_v`, definition_id: id, number: 7, hash: id, plan: '{}' };
  await db
    .insertInto('versions')
    .values({ ...of, ...version, published_at: null, published_by: null, note: null })
    .execute();
  return id;
}

const failure = { type: 'http_status', message: 'The shop answered 50% of the time.', node_id: 'charge' };
const fail = (run: RunRef): Promise<void> =>
  writeEnd(db, run, { flush: noFlush, end: { status: 'failed', error: failure } });

test('the list is newest first, in pages that stay the same whatever is added', async () => {
  const bob = await api.signUp();
  const runs: RunRef[] = [];
  for (let i = 0; i < 5; i += 1) runs.push(await newRun(bob));
  const newest = runs
    .map(({ runId }) => runId)
    .toSorted()
    .toReversed();
  const first = await read(bob, '/v1/runs?limit=2');
  await newRun(bob);
  const second = await read(bob, `/v1/runs?limit=2&cursor=${String(first['next_cursor'])}`);
  const third = await read(bob, `/v1/runs?limit=2&cursor=${String(second['next_cursor'])}`);
  expect([...idsOf(first.items), ...idsOf(second.items), ...idsOf(third.items)]).toEqual(newest);
  expect(third['next_cursor']).toBeNull();
  expect(first.items[0]).toEqual({
    id: newest[0],
    definition_id: null,
    definition_kind: 'test',
    definition_name: null,
    version: null,
    version_id: null,
    status: 'queued',
    trigger: 'test',
    tags: [],
    priority: 3,
    error: null,
    created_at: expect.any(String),
    started_at: null,
    ended_at: null,
    duration_ms: null,
    cost: { usd: 0, input_tokens: 0, output_tokens: 0 },
    parent_run_id: null,
    origin: null,
    event_seq: 1,
  });
});

test('every filter finds what is meant and nothing else', async () => {
  const bob = await api.signUp();
  const id = await newDefinition(bob, 'refunds', 'Refund_s 100%');
  const ofDefinition = await newRun(bob, { definition: { id, versionId: `${id}_v` }, kind: 'workflow', plan: null });
  const failed = await newRun(bob, { tags: ['vip', 'eu'] });
  await fail(failed);
  const child = await newRun(bob, { parentRunId: failed.runId, parentKey: 'sub/1' });
  await db
    .updateTable('runs')
    .set({ created_at: new Date('2020-05-05T05:00:00Z') })
    .where('id', '=', child.runId)
    .execute();
  await db
    .updateTable('runs')
    .set({ tags: ['vip', 'eu'] })
    .where('id', '=', failed.runId)
    .execute();
  const found: Readonly<Record<string, readonly RunRef[]>> = {
    'status=failed': [failed],
    'status=failed,%20completed': [failed],
    'status=queued': [ofDefinition, child],
    [`definition=${id}`]: [ofDefinition],
    'definition=refunds': [ofDefinition],
    'definition=nothing': [],
    'tag=vip': [failed],
    'tag=vi': [],
    [`parent=${failed.runId}`]: [child],
    'until=2020-06-01': [child],
    'since=2020-05-05T07:00:00%2B02:00&until=2020-05-05T05:00:01Z': [child],
    'since=2020-06-01': [ofDefinition, failed],
    [`q=${child.runId.slice(0, 22)}`]: [child],
    'q=refund_': [ofDefinition],
    'q=100%25': [ofDefinition],
    'q=refundx': [],
    'q=50%25%20of': [failed],
    'status=queued&until=2020-06-01': [child],
  };
  for (const [query, runs] of Object.entries(found)) {
    const { items } = await read(bob, `/v1/runs?${query}`);
    expect({ query, ids: idsOf(items).toSorted() }).toEqual({ query, ids: runs.map(({ runId }) => runId).toSorted() });
  }
  const { items } = await read(bob, '/v1/runs?definition=refunds');
  expect(items[0]).toMatchObject({
    definition_id: id,
    definition_kind: 'workflow',
    definition_name: 'Refund_s 100%',
    version: 7,
  });
  for (const query of ['status=done', 'cursor=!!', 'limit=0', 'since=yesterday', 'q=']) {
    expect((await bob.call('GET', `/v1/runs?${query}`)).status).toBe(422);
  }
});
