import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ResolvedWait, ResolveWait } from '../../workflows/contract/messages.js';
import type { OpenWait, RunRef, WaitSettlement } from '../../workflows/contract/run.js';
import type { Answer } from '../../api/temporal/gateway.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { openWaitOf, runAt } from '../support/commands.js';
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

const answer = ({ runId }: RunRef, token: string, body: object) =>
  person.call('POST', `/v1/runs/${runId}/waits/${token}`, { body });

/** The workflow as it answers: with one vote it is settled, or with `votes` it is not yet. */
const resolved = (request: ResolveWait, more: Partial<ResolvedWait> = {}): Answer<ResolvedWait> => {
  const { token, decision, by, note, value, shownHash = null } = request;
  const vote = { by, decision, note, value, at: 1_000, shownHash };
  const outcome = decision === 'approve' ? 'approved' : 'rejected';
  const settlement: WaitSettlement = { token, outcome, by, note, value, at: 1_000, votes: [vote] };
  const wait: OpenWait = {
    ...{ token, nodeId: 'ask', visit: 1, scope: '', kind: 'decision', deadline: null, openedAt: 1 },
    votes: [vote],
  };
  return { outcome: 'done', value: { settlement, wait, status: 'running', seq: 5, ...more } };
};
const settles = { resolveWait: (_: RunRef, request: ResolveWait) => Promise.resolve(resolved(request)) };
const waitingRun = () => runAt(api.db, person, { status: 'waiting' });

describe('POST /v1/runs/{id}/waits/{token}', () => {
  test('decides, says who decided and reads back at once', async () => {
    const run = await waitingRun();
    const token = await openWaitOf(api.db, run);
    temporal.play(settles);
    const decided = await answer(run, token, { decision: 'approve', note: 'fine', data: { a: 1 } });
    expect(decided).toMatchObject({
      status: 200,
      body: {
        status: 'running',
        wait: { token, kind: 'decision', status: 'approved', quorum: 1, votes: [{ by: person.userId, note: 'fine' }] },
      },
    });
    const row = await api.db.selectFrom('waits').selectAll().where('id', '=', token).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ status: 'approved', decided_by: person.userId, note: 'fine' });
  });

  test('tells the run everything the caller is', async () => {
    const run = await waitingRun();
    const token = await openWaitOf(api.db, run, { audience: ['role:developer'] });
    temporal.play(settles);
    await answer(run, token, { decision: 'approve' });
    const minted = await person.call('POST', `/workspaces/${run.workspaceId}/tokens`, { body: {} });
    const authorization = `Bearer ${String(minted.body['auth_token'])}`;
    const headers = { authorization };
    await person.call('POST', `/v1/runs/${run.runId}/waits/${token}`, { body: { decision: 'approve' }, headers });
    const user = await api.db.selectFrom('users').selectAll().where('id', '=', person.userId).executeTakeFirstOrThrow();
    const roles = ['role:developer', 'role:editor', 'role:viewer'];
    expect(temporal.asked('resolveWait').map(([, request]) => (request as ResolveWait).as)).toEqual([
      [person.userId, user.email, 'role:owner', 'role:admin', ...roles],
      [expect.stringMatching(/^wst_/), ...roles],
    ]);
  });

  test('passes the hash of what was shown, and refuses a caller who was shown something else', async () => {
    const run = await waitingRun();
    const token = await openWaitOf(api.db, run);
    const { shown_hash: shownHash } = await api.db
      .selectFrom('waits')
      .select('shown_hash')
      .where('id', '=', token)
      .executeTakeFirstOrThrow();
    temporal.play(settles);
    expect((await answer(run, token, { decision: 'approve', shown_hash: 'other' })).status).toBe(409);
    expect((await answer(run, token, { decision: 'approve', shown_hash: shownHash })).status).toBe(200);
    expect(temporal.asked('resolveWait')).toMatchObject([[{}, { shownHash }]]);
  });

  test('counts votes: the wait stays open until there are enough', async () => {
    const run = await waitingRun();
    const token = await openWaitOf(api.db, run, { quorum: 2 });
    temporal.play({
      resolveWait: (_, request) => Promise.resolve(resolved(request, { settlement: null, status: 'waiting' })),
    });
    expect(await answer(run, token, { decision: 'approve' })).toMatchObject({
      status: 200,
      body: { status: 'waiting', wait: { status: 'pending', quorum: 2, votes: [{ by: person.userId }] } },
    });
    const votes = await api.db.selectFrom('wait_votes').selectAll().where('wait_id', '=', token).execute();
    expect(votes).toMatchObject([{ by: person.userId, decision: 'approve' }]);
  });

  test('holds data to the form of the wait; who refuses need not fill it in', async () => {
    const run = await waitingRun();
    const form = { type: 'object', required: ['amount'], properties: { amount: { type: 'number' } } };
    const token = await openWaitOf(api.db, run, { form });
    temporal.play(settles);
    for (const data of [{ amount: 'much' }, undefined]) {
      const refused = await answer(run, token, { decision: 'approve', data });
      expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'data.amount' }] } } });
    }
    expect(temporal.asked('resolveWait')).toEqual([]);
    expect((await answer(run, token, { decision: 'reject' })).status).toBe(200);
    expect((await answer(run, token, { decision: 'approve', data: { amount: 3 } })).status).toBe(200);
    expect(temporal.asked('resolveWait')).toMatchObject([
      [{}, { value: null }],
      [{}, { value: { json: { amount: 3 } } }],
    ]);
  });

  test('asks for what the kind of wait needs', async () => {
    const run = await waitingRun();
    temporal.play(settles);
    const decision = await openWaitOf(api.db, run, { nodeId: 'decide' });
    expect(await answer(run, decision, {})).toMatchObject({
      status: 422,
      body: { error: { details: [{ field: 'decision' }] } },
    });
    const message = await openWaitOf(api.db, run, { nodeId: 'listen', kind: 'message' });
    expect(await answer(run, message, {})).toMatchObject({
      status: 422,
      body: { error: { details: [{ field: 'data' }] } },
    });
    expect((await answer(run, message, { data: { text: 'hello' } })).status).toBe(200);
    const event = await openWaitOf(api.db, run, { nodeId: 'event', kind: 'event', event: { name: 'paid', key: null } });
    const refused = await answer(run, event, { data: {} });
    expect(refused.status).toBe(409);
    expect(refused.body.error?.message).toContain(`/v1/runs/${run.runId}/events`);
  });

  test.each([
    ['settled', 409],
    ['closed', 409],
    ['forbidden', 403],
    ['unknown', 503],
    ['busy', 503],
    ['late', 503],
  ] as const)('of a run that answers %s is %i', async (outcome, status) => {
    const run = await waitingRun();
    const token = await openWaitOf(api.db, run);
    temporal.play({ resolveWait: () => Promise.resolve({ outcome, message: 'You have voted on this already.' }) });
    const refused = await answer(run, token, { decision: 'approve' });
    expect(refused.status).toBe(status);
    expect(refused.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
  });

  test('knows no token of another run or workspace', async () => {
    const [run, other] = [await waitingRun(), await waitingRun()];
    const token = await openWaitOf(api.db, other);
    expect((await answer(run, token, { decision: 'approve' })).status).toBe(404);
    const stranger = await api.signUp();
    const path = `/v1/runs/${other.runId}/waits/${token}`;
    expect((await stranger.call('POST', path, { body: { decision: 'approve' } })).status).toBe(404);
  });

  test('starts a run that Temporal has not heard of, and decides then', async () => {
    const run = await runAt(api.db, person, { status: 'queued' });
    const token = await openWaitOf(api.db, run);
    let isStarted = false;
    temporal.play({
      startRun: () => Promise.resolve(void (isStarted = true)),
      resolveWait: (_, request) =>
        Promise.resolve(isStarted ? resolved(request) : { outcome: 'closed', message: 'unknown' }),
    });
    expect((await answer(run, token, { decision: 'approve' })).status).toBe(200);
  });
});

test('on the approvals surface a name of the caller’s choice does not count where people do', async () => {
  const run = await waitingRun();
  const plain = await openWaitOf(api.db, run, { nodeId: 'plain' });
  const counted = await openWaitOf(api.db, run, { nodeId: 'counted', quorum: 2 });
  temporal.play(settles);
  for (const token of [plain, counted]) {
    const path = `/workspaces/${run.workspaceId}/approvals/${token}/decide`;
    await person.call('POST', path, { body: { decision: 'approve', decided_by: 'somebody' } });
  }
  expect(temporal.asked('resolveWait').map(([, request]) => (request as ResolveWait).by)).toEqual([
    'somebody',
    person.userId,
  ]);
});
