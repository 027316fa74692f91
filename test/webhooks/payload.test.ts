import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { payloadOf } from '../../activities/webhooks/payload.js';
import { insertCall } from '../../db/calls.js';
import type { Database } from '../../db/client.js';
import { appendRunEvent } from '../../db/run-events.js';
import { writeEnd } from '../../db/run-records.js';
import { storeValue } from '../../db/values.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { noFlush, seedRun, seedWorkspaces } from '../support/runs.js';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  await sql`insert into definitions (id, workspace_id, kind, slug, name, status, document, created_by)
    values ('def_1', 'ws_1', 'agent_dag', 'support', 'Support', 'live', '{}', 'usr_ana')`.execute(db);
  await sql`insert into webhook_endpoints (id, tenant_id, workspace_id, url, event_types, secret_sealed, created_by)
    values ('whe_1', 'ten_1', 'ws_1', 'https://example.com', '{*}', 's', 'usr_ana')`.execute(db);
}, 60_000);
afterAll(() => database.close());

async function payload(run: RunRef, type: string) {
  const delivery = await db
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('run_id', '=', run.runId)
    .where('type', '=', type)
    .executeTakeFirstOrThrow();
  const text = await payloadOf(db, delivery, 'https://keelson.example.com');
  return JSON.parse(text) as { readonly data: Readonly<Record<string, unknown>>; readonly livemode: boolean }; // -- reason: our own envelope
}

test('a call is told as its contract says, with what was said until then', async () => {
  const run = await seedRun(db, { trigger: 'call' });
  await insertCall(db, run, {
    ...{ definitionId: 'def_1', workflowSlug: 'support', userId: 'u1', callType: 'voip', phoneNumber: null },
    ...{ direction: 'outbound', roomName: `call-${run.runId}`, userContext: {}, metadata: { order: 7 }, isLive: false },
  });
  const said = { event: 'call.transcript', role: 'user', agent: 'greeter', content: 'Hello' };
  await appendRunEvent(db, run.runId, { type: 'call', data: said });
  await writeEnd(db, run, { flush: { ...noFlush, seq: 1 }, end: { status: 'cancelled', error: null } });
  expect(await payload(run, 'call.disconnected')).toMatchObject({
    object: 'event',
    api_version: '2026-01-19',
    livemode: false,
    tenant_id: 'ten_1',
    data: {
      call_id: run.runId,
      room_name: `call-${run.runId}`,
      workflow_slug: 'support',
      user_id: 'u1',
      status: 'disconnected',
      duration_seconds: 0,
      agent_history: [],
      transcript: [{ role: 'user', content: 'Hello', agent: 'greeter', timestamp: expect.any(String) }],
      metrics: { total_tokens: 0, agent_handoffs: 0, stt_latency_ms: null },
      metadata: { order: 7 },
    },
  });
  // what was said later is not in an event of before
  expect((await payload(run, 'call.started')).data).toMatchObject({ status: 'pending', transcript: [] });
});

test('an output above 64 KiB is not sent but told where it is read', async () => {
  const run = await seedRun(db);
  const output = await storeValue(db, run, { json: 'x'.repeat(70_000) });
  await writeEnd(db, run, { flush: { ...noFlush, seq: 1 }, end: { status: 'completed', output } });
  const { data, livemode } = await payload(run, 'run.completed');
  expect(livemode).toBe(true);
  expect(data).toMatchObject({
    output: null,
    output_note: 'The output is larger than 64 KiB; read it at output_url.',
    output_url: `https://keelson.example.com/v1/values/${'ref' in output ? output.ref : ''}`,
  });
});
