import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createTokenSigner } from '../../api/services/access-tokens.js';
import { createStreamService } from '../../api/services/streams.js';
import { createCallStreams } from '../../api/services/calls/call-streams.js';
import { anonymous } from '../../api/actor.js';
import { createRunNews } from '../../db/listen.js';
import { MASTER_KEY, startTestApi, type Person, type TestApi } from '../support/api.js';
import { callerOf, publishLine } from '../support/calls.js';
import type { Answered } from '../support/http.js';
import { send } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { listenTo } from '../support/sse.js';

/** Calls that nobody takes up: Temporal does not answer here. */

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
}, 60_000);
afterAll(() => api.close());
beforeEach(async () => {
  person = await api.signUp();
  await publishLine(api.db, person, { slug: 'desk', agents: [{ name: 'ana', greeting: 'Hi.' }] });
});

const start = (body: object, as = person): Promise<Answered> => as.call('POST', '/api/v1/calls', { body });

const keyed = async (environment: 'live' | 'test', scopes: readonly string[]): Promise<Person['call']> => {
  const minted = await person.call('POST', '/api/v1/auth/api-keys', {
    body: { name: environment, environment, scopes },
  });
  const headers = { 'x-api-key': String(minted.body['key']), 'content-type': 'application/json' };
  return (method, path, { body } = {}) =>
    send(`${api.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
};

test('a call is accepted though nobody takes it up, and its token lets into it alone', async () => {
  const { status, body } = await start({ workflow_slug: 'desk', user_data: { name: 'Ada' } });
  expect([status, body['status']]).toEqual([201, 'pending']);
  const call = await person.call('GET', `/api/v1/calls/${String(body['call_id'])}`);
  expect(call.body).toMatchObject({
    ...{ status: 'pending', user_context: { name: 'Ada' }, agent_history: [], current_agent: null },
    ...{ duration_seconds: null, started_at: null, ended_at: null },
  });
  const signer = createTokenSigner(Buffer.from(MASTER_KEY, 'hex'));
  const token = String(body['token']);
  expect(await signer.verifyJoin(token)).toMatchObject({
    ...{ callId: body['call_id'], roomName: body['room_name'], workspaceId: person.workspace.id },
  });
  expect(await signer.verifyAccess(token)).toBeNull();
  expect(await signer.verifyJoin(person.token)).toBeNull();
  const asCaller = await send(`${api.url}/api/v1/calls`, { headers: { authorization: `Bearer ${token}` } });
  expect(asCaller.status).toBe(401);
});

test.each([
  ['phone_number', { call_type: 'sip' }],
  ['phone_number', { call_type: 'sip', phone_number: '0415 550' }],
  ['call_type', { call_type: 'fax' }],
  ['user_context', { user_context: { text: 'x'.repeat(33_000) } }],
  ['metadata', { metadata: { text: 'x'.repeat(17_000) } }],
  ['user_context', { user_context: [] }],
  ['workflow_slug', { workflow_slug: '' }],
  ['colour', { colour: 'red' }],
])('a wrong %s is refused: %o', async (field, more) => {
  const { status, body } = await start({ workflow_slug: 'desk', ...more });
  expect(status).toBe(422);
  expect(body['error']).toMatchObject({
    details: [expect.objectContaining({ field: expect.stringContaining(field) })],
  });
});

test('a workflow that is unknown, of another kind, paused or not published takes no calls', async () => {
  const chain = { name: 'Chain', slug: 'chain', primary_steps: [{ kind: 'trigger', label: 'In' }] };
  await person.call('POST', '/v1/workflow-chains', { body: chain });
  const paused = await publishLine(api.db, person, { slug: 'paused', agents: [{ name: 'bo' }] });
  await api.db.updateTable('definitions').set({ status: 'paused' }).where('id', '=', paused).execute();
  const draft = await publishLine(api.db, person, { slug: 'draft', agents: [{ name: 'cy' }] });
  await api.db.updateTable('definitions').set({ status: 'draft' }).where('id', '=', draft).execute();
  for (const slug of ['nowhere', 'chain', 'paused', 'draft'])
    expect((await start({ workflow_slug: slug })).status).toBe(404);
});

test('a test key starts calls that are not live, a key without the scope none', async () => {
  const test = await keyed('test', ['calls:initiate']);
  const started = await test('POST', '/api/v1/calls', { body: { workflow_slug: 'desk' } });
  expect(started.status).toBe(201);
  const callId = String(started.body['call_id']);
  expect((await test('GET', `/api/v1/calls/${callId}`)).status).toBe(403);
  const reader = await keyed('live', ['calls:read']);
  expect((await reader('GET', `/api/v1/calls/${callId}`)).body).toMatchObject({ livemode: false });
  for (const path of ['/api/v1/calls', `/api/v1/calls/${callId}/end`, `/api/v1/calls/${callId}/turns`])
    expect((await reader('POST', path, { body: {} })).status).toBe(403);
  expect((await reader('GET', '/api/v1/analytics/summary')).status).toBe(403);
});

test('calls are listed by status, workflow, user and time, the newest first, each workspace its own', async () => {
  await publishLine(api.db, person, { slug: 'night', agents: [{ name: 'bo' }] });
  const { start: begin } = callerOf(person);
  const first = await begin('desk', { user_id: 'u1' });
  const second = await begin('night', { user_id: 'u2' });
  const third = await begin('desk', { user_id: 'u2' });
  await api.db
    .updateTable('calls')
    .set({ status: 'failed', created_at: new Date('2026-01-05') })
    .where('run_id', '=', first)
    .execute();
  const ids = async (query: string, as = person): Promise<readonly unknown[]> => {
    const { body } = await as.call('GET', `/api/v1/calls${query}`);
    // -- reason: the shape of a page
    return (body['items'] as unknown as readonly { readonly id: string }[]).map(({ id }) => id);
  };
  expect(await ids('')).toEqual([third, second, first]);
  expect(await ids('?limit=1&offset=1')).toEqual([second]);
  expect(await ids('?status=failed,active')).toEqual([first]);
  expect(await ids('?workflow_slug=desk')).toEqual([third, first]);
  expect(await ids('?user_id=u2')).toEqual([third, second]);
  expect(await ids('?started_before=2026-01-06')).toEqual([first]);
  expect(await ids('?started_after=2026-01-05T00:00:00Z&started_before=2026-01-05T00:00:00.001Z')).toEqual([first]);
  expect((await person.call('GET', '/api/v1/calls?status=lost')).status).toBe(422);
  const stranger = await api.signUp();
  expect(await ids('', stranger)).toEqual([]);
  for (const path of ['', '/transcript']) {
    expect((await stranger.call('GET', `/api/v1/calls/${first}${path}`)).status).toBe(404);
  }
  for (const path of ['end', 'turns']) {
    const refused = await stranger.call('POST', `/api/v1/calls/${second}/${path}`, { body: {} });
    expect(refused.status).toBe(404);
  }
  expect((await stranger.call('GET', `/api/v1/sse/calls/${first}/stream`)).status).toBe(404);
});

test('streams refuse a position that is none', async () => {
  const callId = await callerOf(person).start('desk');
  for (const path of ['stream', `${callId}/stream`]) {
    const headers = { 'last-event-id': 'x' };
    expect((await person.call('GET', `/api/v1/sse/calls/${path}`, { headers })).status).toBe(422);
  }
});

test('a stream of calls begins with those that are open', async () => {
  const callId = await callerOf(person).start('desk');
  const stream = await listenTo(`${api.url}/api/v1/sse/calls/stream`, {
    headers: { authorization: `Bearer ${person.token}` },
  });
  const seen = await stream.until(({ event }) => event === 'calls_update');
  expect(seen.map(({ event }) => event)).toEqual(['connected', 'active_count', 'calls_update']);
  expect(seen[1]?.data).toMatchObject({ count: 1 });
  expect(seen[2]?.data).toMatchObject({ calls: [{ id: callId, status: 'pending', workflow_slug: 'desk' }] });
  stream.cut();
});

test('a quiet stream beats', async () => {
  const callId = await callerOf(person).start('desk');
  const news = createRunNews({ url: api.databaseUrl, rereadMs: 1 });
  const { log } = createStreamService({ db: api.db, news });
  const streams = createCallStreams({ db: api.db, log, heartbeatMs: 1 });
  const actor = { ...anonymous, type: 'api_key', workspaceId: person.workspace.id } as const;
  for (const stream of [await streams.one(actor, callId, 0), await streams.all(actor, null)]) {
    const leave = new AbortController();
    const seen: string[] = [];
    for await (const { event = '' } of stream.messages(leave.signal)) {
      seen.push(event);
      if (event === 'heartbeat') leave.abort();
    }
    expect(seen.at(-1)).toBe('heartbeat');
  }
  await news.close();
});
