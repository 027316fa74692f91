import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { eventNameOf } from '../../api/services/event-names.js';
import { webhookEventTypes } from '../../workflows/contract/webhooks.js';
import { testDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 60_000);
afterAll(() => database.close());

const statuses = ['queued', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'parked'];
const waits = ['pending', 'approved', 'denied', 'resolved', 'expired', 'cancelled'];
const ofCalls = [
  'started',
  'connected',
  'agent_changed',
  'transcript',
  'completed',
  'failed',
  'disconnected',
  'timeout',
];

/** Everything the log may say. */
const said = [
  ...statuses.flatMap((status) =>
    [null, '2026-11-26T00:00:00Z'].map((asked) => ({ type: 'run', data: { status, cancel_requested_at: asked } })),
  ),
  ...statuses.map((status) => ({ type: 'step', data: { status } })),
  ...waits.flatMap((status) => ['decision', 'event'].map((kind) => ({ type: 'wait', data: { kind, status } }))),
  ...ofCalls.map((event) => ({ type: 'call', data: { event: `call.${event}` } })),
  ...['token', 'log', 'vote', 'lifecycle'].map((type) => ({ type, data: {} })),
];

test('the database and the API give an event of the log the same name', async () => {
  const { rows } = await sql<{ name: string | null }>`
    select webhook_event_type(each->>'type', each->'data') as name
    from jsonb_array_elements(${JSON.stringify(said)}::jsonb) with ordinality as given (each, place)
    order by place`.execute(database.db);
  expect(rows.map(({ name }) => name)).toEqual(said.map((event) => eventNameOf(event) ?? null));
  expect(new Set(rows.flatMap(({ name }) => name ?? []))).toEqual(new Set(webhookEventTypes));
});
