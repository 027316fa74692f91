import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTokenSigner } from '../../api/services/access-tokens.js';
import { insertCall } from '../../db/calls.js';
import { appendRunEvent } from '../../db/run-events.js';
import { insertDefinition } from '../../db/definitions.js';
import { writeEnd } from '../../db/run-records.js';
import { derivedId, newSeed } from '../../db/ids.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { MASTER_KEY, startTestApi, type Person, type TestApi } from '../support/api.js';
import { noFlush, seedRun } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { openSocket, type Frame, type TestSocket } from '../support/socket.js';

let api: TestApi;
let db: Database;
let ana: Person;
const definitions = new Map<Person, string>();

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ({ db } = api);
  ana = await api.signUp();
}, 60_000);
afterAll(() => api.close());

async function definitionOf(person: Person): Promise<string> {
  const known = definitions.get(person);
  if (known !== undefined) return known;
  const definitionId = derivedId('def', newSeed());
  await insertDefinition(db, {
    ...{ workspaceId: person.workspace.id, definitionId, kind: 'agent_dag', slug: 'desk', name: 'Desk' },
    ...{ status: 'draft', createdBy: person.userId, document: {} },
  });
  definitions.set(person, definitionId);
  return definitionId;
}

/** A call that has just begun. */
async function newCall(person: Person = ana): Promise<RunRef> {
  const definitionId = await definitionOf(person);
  const ref = { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) };
  const run = await seedRun(db, { run: ref, trigger: 'call', kind: 'agent_dag', isConversation: true });
  await insertCall(db, run, {
    ...{ definitionId, workflowSlug: 'desk', userId: 'cust-7', callType: 'voip', phoneNumber: null },
    ...{ direction: 'outbound', roomName: `call-${run.runId}`, userContext: {}, metadata: {}, isLive: true },
  });
  return run;
}

/** As the triggers log it. */
const log = ({ runId: call_id }: RunRef, event: string, more: Readonly<Record<string, string>> = {}): Promise<void> =>
  appendRunEvent(db, call_id, { type: 'call', data: { event, call_id, status: 'active', agent: 'greeter', ...more } });

const say = (call: RunRef, content: string): Promise<void> =>
  log(call, 'call.transcript', { role: 'user', content, key: content });

const end = (call: RunRef, output: object): Promise<void> =>
  writeEnd(db, call, { flush: noFlush, end: { status: 'completed', output: inline({ ...output }) } });

async function open(query = '', token = ana.token): Promise<TestSocket> {
  const socket = await openSocket(`${api.url}/ws/calls${query}`, { headers: { authorization: `Bearer ${token}` } });
  expect(await socket.next()).toMatchObject({
    type: 'connected',
    timestamp: expect.stringMatching(/Z$/),
    data: { workspace_id: expect.any(String) },
  });
  return socket;
}

const take = async (socket: TestSocket, count: number): Promise<readonly Frame[]> => {
  let seen = 0;
  return socket.until(() => (seen += 1) === count);
};

const said = (frames: readonly Frame[]) => frames.map(({ data }) => (data as { readonly content?: string }).content);

test('every call of the workspace is told, with the words of the contract', async () => {
  const socket = await open();
  const bob = await api.signUp();
  const foreign = await newCall(bob);
  const call = await newCall();
  await log(call, 'call.connected');
  await log(call, 'call.agent_changed', { agent: 'billing', previous_agent: 'greeter' });
  await say(call, 'hello');
  await say(foreign, 'not yours');
  await end(call, { status: 'timeout', reason: 'silence' });
  const failed = await newCall();
  await writeEnd(db, failed, { flush: noFlush, end: { status: 'failed', error: { type: 'X', message: 'No.' } } });
  const seen = await take(socket, 6);
  socket.close();
  const about = { call_id: call.runId, id: expect.any(String), timestamp: expect.stringMatching(/Z$/) };
  expect(seen).toEqual([
    {
      ...about,
      type: 'call.started',
      data: { workflow_id: await definitionOf(ana), workflow_slug: 'desk', agent_name: null, user_id: 'cust-7' },
    },
    { ...about, type: 'call.agent_changed', data: { agent: 'billing', previous_agent: 'greeter' } },
    { ...about, type: 'call.transcript', data: { role: 'user', content: 'hello', agent: 'greeter' } },
    {
      ...about,
      type: 'call.ended',
      data: expect.objectContaining({ status: 'timeout', status_reason: 'silence', duration_seconds: 0 }),
    },
    expect.objectContaining({ type: 'call.started', call_id: failed.runId }),
    expect.objectContaining({
      type: 'call.failed',
      call_id: failed.runId,
      data: expect.objectContaining({ status: 'failed' }),
    }),
  ]);
});

test('of calls that are named those alone are told, and of none again all', async () => {
  const [one, two] = [await newCall(), await newCall()];
  const socket = await open();
  socket.send({ type: 'subscribe', call_id: one.runId });
  expect(await socket.next()).toMatchObject({ type: 'subscribed', call_id: one.runId });
  await say(two, 'a');
  await say(one, 'b');
  expect(said([(await socket.next()) as Frame])).toEqual(['b']);
  socket.send({ type: 'unsubscribe', call_id: one.runId });
  expect(await socket.next()).toMatchObject({ type: 'unsubscribed', call_id: one.runId });
  await say(two, 'c');
  expect(said([(await socket.next()) as Frame])).toEqual(['c']);
  socket.send({ type: 'ping' });
  expect(await socket.next()).toMatchObject({ type: 'pong' });
  const foreign = await newCall(await api.signUp());
  for (const call_id of [foreign.runId, 'run_nobody', 'a:b']) {
    socket.send({ type: 'subscribe', call_id });
    expect(await socket.next()).toMatchObject({ type: 'error', code: 'not_found' });
  }
  socket.close();
});

test('it goes on behind the last id, and what was told is not told again when more of the past is asked for', async () => {
  const call = await newCall();
  const first = await open();
  await say(call, '1');
  const begun = await first.next();
  await say(call, '2');
  await first.next();
  first.cut();
  await say(call, '3');
  const again = await open(`?last_event_id=${first.lastId()}`);
  expect(said([(await again.next()) as Frame])).toEqual(['3']);
  again.close();
  const third = await open();
  await say(call, '4');
  expect(said([(await third.next()) as Frame])).toEqual(['4']);
  third.send({ type: 'subscribe', call_id: call.runId, after: begun?.['id'] });
  expect(await third.next()).toMatchObject({ type: 'subscribed' });
  await say(call, '5');
  expect(said(await take(third, 3))).toEqual(['2', '3', '5']);
  third.send({ type: 'subscribe', call_id: call.runId, after: begun?.['id'] });
  expect(await third.next()).toMatchObject({ type: 'error', code: 'validation_error' });
  third.close();
});

test('the token of a call lets into that call, until it is over', async () => {
  const [call, other] = [await newCall(), await newCall()];
  const signer = createTokenSigner(Buffer.from(MASTER_KEY, 'hex'));
  const of = { workspaceId: ana.workspace.id, tenantId: 'ten_any', roomName: `call-${call.runId}` };
  const token = await signer.signJoin({ ...of, callId: call.runId });
  const socket = await openSocket(`${api.url}/ws/calls?token=${token}`);
  expect(await socket.next()).toMatchObject({ type: 'connected' });
  socket.send({ type: 'subscribe', call_id: other.runId });
  expect(await socket.next()).toMatchObject({ type: 'error', code: 'not_found' });
  socket.send({ type: 'unsubscribe' });
  await socket.next();
  await say(other, 'secret');
  await say(call, 'mine');
  expect(said([(await socket.next()) as Frame])).toEqual(['mine']);
  await end(call, { status: 'completed' });
  expect(await socket.next()).toMatchObject({ type: 'call.ended' });
  expect((await socket.over).code).toBe(1000);
  const onRuns = await openSocket(`${api.url}/ws/runs?token=${token}`);
  expect((await onRuns.over).code).toBe(4401);
});

test('a bad token is told by 4401, a key without the scope by 4403', async () => {
  const key = await ana.call('POST', '/api/v1/auth/api-keys', {
    body: { name: 'w', environment: 'live', scopes: ['runs:read'] },
  });
  for (const [token, code] of [
    ['nonsense', 4401],
    ['a.b.c', 4401],
    [String(key.body['key']), 4403],
  ] as const) {
    expect((await (await openSocket(`${api.url}/ws/calls?token=${token}`)).over).code).toBe(code);
  }
});
