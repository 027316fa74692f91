import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { claimEffect, failEffect, reclaimEffect, settleEffect } from '../../db/effects.js';
import { inline } from '../../workflows/definition/values.js';
import { Failure } from '../../workflows/contract/failures.js';
import { startHttpPeer, type HttpPeer, type RecordedRequest } from './peers.js';
import { keyOf, openStage, type NodeConfigOf, type Stage } from './stage.js';

let stage: Stage;
let peer: HttpPeer;
/** How the peer answers a request; what it was sent is in `peer.requests`. */
let answer: (response: ServerResponse, request: RecordedRequest, count: number) => void;

beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.fresh();
  answer = (response) => void response.setHeader('content-type', 'application/json').end('{"charged":true}');
  peer = await startHttpPeer((response, request, count) => answer(response, request, count));
});
afterEach(() => peer.close());

const breakOff = (response: ServerResponse): void => void response.socket?.destroy();
const charge = (config: NodeConfigOf<'http'> = {}): NodeConfigOf<'http'> => ({
  method: 'POST',
  url: `${peer.url}/charges?api_key={{secret:KEY}}`,
  body: { amount: 5, order: '{{ input.id }}' },
  ...config,
});
const reconcile = (): NodeConfigOf<'http'> => ({
  on_unknown: {
    action: 'reconcile',
    url: `${peer.url}/charges/find?key={{ idempotency_key | url_encode }}`,
    done_when: 'status == 200 && body.found',
  },
});
const ask: NodeConfigOf<'http'> = { on_unknown: { action: 'ask' } };
const posts = (): readonly RecordedRequest[] => peer.requests.filter(({ method }) => method === 'POST');

/** What a worker leaves behind that died between its claim and its receipt. */
async function crashAfterClaim(requestHash?: string): Promise<void> {
  const claim = { key: keyOf(stage.run()), run: stage.run(), nodeId: 'n', kind: 'http', round: 0 };
  await claimEffect(stage.db, { ...claim, requestHash: requestHash ?? (await hashOfCharge()) });
}

/** Sends once elsewhere to learn the hash of these bytes. */
async function hashOfCharge(): Promise<string> {
  const here = stage.run();
  await stage.fresh();
  await stage.attempt({ kind: 'http', config: charge() });
  const [effect] = await stage.effects();
  stage.back(here);
  peer.requests.length = 0;
  return effect?.request_hash ?? '';
}

describe('an effect', () => {
  test('is claimed before and has its receipt after, without secrets', async () => {
    let during: unknown;
    answer = (response, { path }) =>
      void stage.effects().then((effects) => {
        during = effects.map(({ status }) => status);
        response.end(`echo ${path}`);
      });
    const { outputs } = await stage.attempt({ kind: 'http', config: charge() });
    expect(during).toEqual(['claimed']);
    expect(outputs).toMatchObject([{ json: { status: 200, body: 'echo /charges?api_key=[secret:KEY]' } }]);
    expect(await stage.effects()).toMatchObject([
      { key: keyOf(stage.run()), kind: 'http', status: 'done', claims: 1, receipt: { status: 200 } },
    ]);
    expect(JSON.stringify(await stage.effects())).not.toContain('secret-value-1');
    expect(peer.requests[0]).toMatchObject({ path: '/charges?api_key=secret-value-1', body: '{"amount":5,"order":7}' });
    expect(peer.requests[0]?.headers['idempotency-key']).toBe(keyOf(stage.run()));
  });

  test('whose receipt is there is not sent again: the receipt is the answer', async () => {
    await stage.attempt({ kind: 'http', config: charge() });
    // the worker died before the step's own record was written
    await stage.db.updateTable('run_steps').set({ status: 'running', output: null }).execute();
    answer = breakOff;
    const { outputs } = await stage.attempt({ kind: 'http', config: charge() });
    expect(outputs).toMatchObject([{ json: { status: 200, body: { charged: true } } }]);
    expect(peer.requests).toHaveLength(1);
  });

  test('that was refused is known not to have happened, and is tried again', async () => {
    answer = (response, _request, count) => void response.writeHead(count === 1 ? 503 : 200).end('"busy"');
    expect(await stage.failure({ kind: 'http', config: charge(ask) })).toMatchObject({ type: Failure.attemptFailed });
    expect(await stage.effects()).toMatchObject([{ status: 'failed', error: { type: 'http_status' }, claims: 1 }]);
    await stage.attempt({ kind: 'http', config: charge(ask) });
    expect(await stage.effects()).toMatchObject([{ status: 'done', error: null, claims: 2 }]);
    expect(posts().map(({ headers }) => headers['idempotency-key'])).toEqual(Array(2).fill(keyOf(stage.run())));
  });

  test('that could not be sent at all is known not to have happened', async () => {
    const { url } = peer;
    await peer.close();
    const failure = await stage.failure({ kind: 'http', config: charge({ ...ask, url }) });
    expect(failure).toMatchObject({ type: Failure.attemptFailed, message: expect.stringContaining('Could not reach') });
    expect(await stage.effects()).toMatchObject([{ status: 'failed', error: { type: 'network_error' } }]);
  });

  test('of a GET needs no ledger, unless its author says what to do when the outcome is unknown', async () => {
    const url = peer.url;
    await stage.attempt({ kind: 'http', config: { method: 'GET', url } });
    expect(await stage.effects()).toEqual([]);
    await stage.fresh();
    await stage.attempt({ kind: 'http', config: { method: 'GET', url, ...ask } });
    expect(await stage.effects()).toMatchObject([{ status: 'done' }]);
  });
});

describe('an unknown outcome', () => {
  test.each([
    ['the connection breaks after the request was read', breakOff],
    ['a gateway has lost the provider', (response: ServerResponse) => void response.writeHead(504).end()],
    [
      'the answer breaks off',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 1_000 });
        response.write('half', () => breakOff(response));
      },
    ],
  ])('repeat: when %s, the same bytes go again under the same key', async (_when, lose) => {
    answer = (response, request, count) => (count === 1 ? lose(response) : void response.end('"ok"'));
    const config = charge({ on_unknown: { action: 'repeat' } });
    expect(await stage.failure({ kind: 'http', config })).toMatchObject({ type: Failure.attemptFailed });
    expect(await stage.effects()).toMatchObject([{ status: 'claimed' }]);
    await stage.attempt({ kind: 'http', config });
    const [first, second] = posts();
    expect(second).toEqual({ ...first, headers: second?.headers });
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
    expect(await stage.effects()).toMatchObject([{ status: 'done', claims: 2 }]);
  });

  test('repeat: a time limit that ends the wait for the answer leaves it claimed', async () => {
    answer = () => undefined;
    const slow = { kind: 'http', config: charge(), policy: { timeoutMs: 1_500 } } as const;
    expect(await stage.failure(slow)).toMatchObject({ type: Failure.attemptFailed });
    expect(await stage.effects()).toMatchObject([{ status: 'claimed' }]);
  });

  test('reconcile: what the provider knows is taken as the receipt, and nothing is sent', async () => {
    await crashAfterClaim();
    answer = (response) =>
      void response.setHeader('content-type', 'application/json').end('{"found":true,"id":"ch_1"}');
    const { outputs } = await stage.attempt({
      kind: 'http',
      config: charge({ ...reconcile(), outputs: { charge: '$.id' } }),
    });
    expect(outputs).toEqual([inline({ status: 200, body: { found: true, id: 'ch_1' } })]);
    expect(await stage.step()).toMatchObject({ vars: { charge: inline('ch_1') } });
    expect(posts()).toEqual([]);
    expect(peer.requests[0]?.path).toBe(`/charges/find?key=${encodeURIComponent(keyOf(stage.run()))}`);
    expect(await stage.effects()).toMatchObject([{ status: 'done', receipt: { body: { id: 'ch_1' } } }]);
  });

  test('reconcile: what the provider does not know is done', async () => {
    await crashAfterClaim();
    answer = (response, { method }) =>
      method === 'GET' ? void response.writeHead(404).end() : void response.end('"charged"');
    await stage.attempt({ kind: 'http', config: charge(reconcile()) });
    expect(posts()).toHaveLength(1);
    expect(await stage.effects()).toMatchObject([{ status: 'done', claims: 2 }]);
  });

  test.each([
    ['answers 503', (response: ServerResponse) => void response.writeHead(503).end()],
    ['does not answer', breakOff],
  ])('reconcile: a provider that %s is asked again, and nothing is sent', async (_how, silence) => {
    await crashAfterClaim();
    answer = silence;
    const failure = await stage.failure({ kind: 'http', config: charge(reconcile()) });
    expect(failure).toMatchObject({
      type: Failure.attemptFailed,
      message: expect.stringContaining('could not be asked'),
    });
    expect(await stage.step()).toMatchObject({ error: { type: 'reconcile_failed' } });
    expect(posts()).toEqual([]);
    expect(await stage.effects()).toMatchObject([{ status: 'claimed', claims: 1 }]);
  });

  test('reconcile: a condition that gives no yes or no fails the step and sends nothing', async () => {
    await crashAfterClaim();
    const config = charge({ on_unknown: { action: 'reconcile', url: peer.url, done_when: 'status' } });
    expect(await stage.failure({ kind: 'http', config })).toMatchObject({ type: Failure.nodeFailed });
    expect(posts()).toEqual([]);
  });

  test('ask: at once after a lost answer, saying what was sent to where, without the secret', async () => {
    answer = breakOff;
    const failure = await stage.failure({ kind: 'http', config: charge(ask) });
    expect(failure).toMatchObject({
      type: Failure.nodeFailed,
      nonRetryable: true,
      details: [{ error: { type: 'outcome_unknown', node_id: 'n' } }],
    });
    expect(String(failure)).toContain(`POST ${peer.url}/charges was begun at 20`);
    expect(String(failure)).not.toContain('api_key');
    expect(await stage.effects()).toMatchObject([{ status: 'claimed' }]);
    expect(posts()).toHaveLength(1);
  });

  test('ask: also after a crash, and again however often the step is repeated', async () => {
    await crashAfterClaim();
    for (const round of [0, 0, 1]) {
      const failure = await stage.failure({ kind: 'http', config: charge(ask), step: { round } });
      expect(failure).toMatchObject({ details: [{ error: { type: 'outcome_unknown' } }] });
    }
    expect(peer.requests).toEqual([]);
  });

  test('that a person made sure has not happened is done, but a crash in that round asks again', async () => {
    await crashAfterClaim();
    const undone = { kind: 'http', config: charge(ask), step: { round: 1, isUndone: true } } as const;
    answer = breakOff;
    expect(await stage.failure(undone)).toMatchObject({ details: [{ error: { type: 'outcome_unknown' } }] });
    expect(posts()).toHaveLength(1);
    expect(await stage.failure(undone)).toMatchObject({ details: [{ error: { type: 'outcome_unknown' } }] });
    expect(posts()).toHaveLength(1);
    answer = (response) => void response.end('"ok"');
    await stage.attempt({ ...undone, step: { round: 2, isUndone: true } });
    expect(posts()).toHaveLength(2);
    expect(await stage.effects()).toMatchObject([{ status: 'done', round: 2 }]);
  });

  test('is never answered by other bytes under the same key, except where a person changed them', async () => {
    await crashAfterClaim('other bytes');
    const changed = await stage.failure({ kind: 'http', config: charge() });
    expect(changed).toMatchObject({ details: [{ error: { type: 'outcome_unknown' } }] });
    expect(peer.requests).toEqual([]);
    await stage.attempt({ kind: 'http', config: charge(), step: { round: 1 } });
    expect(posts()).toHaveLength(1);
  });
});

describe('two attempts at once', () => {
  const claim = () => ({
    key: keyOf(stage.run()),
    run: stage.run(),
    nodeId: 'n',
    kind: 'http',
    round: 0,
    requestHash: 'h',
  });
  const statuses = async (): Promise<readonly string[]> => (await stage.effects()).map(({ status }) => status);

  test('one claims, the other learns of it', async () => {
    const states = await Promise.all(Array.from({ length: 8 }, () => claimEffect(stage.db, claim())));
    expect(states.filter(({ state }) => state === 'claimed')).toHaveLength(1);
    expect(states.filter(({ state }) => state === 'unknown')).toHaveLength(7);
  });

  test('a late refusal does not call off a newer claim, a late receipt counts', async () => {
    await claimEffect(stage.db, claim());
    expect(await reclaimEffect(stage.db, claim(), { status: 'claimed', claims: 1 })).toBe(2);
    expect(await reclaimEffect(stage.db, claim(), { status: 'claimed', claims: 1 })).toBeNull();
    await failEffect(stage.db, claim(), { claims: 1, error: { type: 'late', message: 'late' } });
    expect(await statuses()).toEqual(['claimed']);
    await settleEffect(stage.db, claim(), { first: true });
    await settleEffect(stage.db, claim(), { second: true });
    expect(await stage.effects()).toMatchObject([{ status: 'done', receipt: { first: true } }]);
  });

  test("another workspace's run does not see the row", async () => {
    await claimEffect(stage.db, claim());
    const foreign = { ...claim(), run: { ...stage.run(), workspaceId: 'ws_2' } };
    await settleEffect(stage.db, foreign, {});
    expect(await reclaimEffect(stage.db, foreign, { status: 'claimed', claims: 1 })).toBeNull();
    expect(await statuses()).toEqual(['claimed']);
  });
});

test('a test run shows what would be sent, and sends nothing', async () => {
  const { outputs } = await stage.attempt({ kind: 'http', config: charge(), step: { isStubbed: true } });
  expect(outputs).toEqual([
    inline({
      stubbed: true,
      would: { method: 'POST', url: `${peer.url}/charges?api_key=[secret:KEY]`, body: '{"amount":5,"order":7}' },
    }),
  ]);
  expect(peer.requests).toEqual([]);
  expect(await stage.effects()).toEqual([]);
});
