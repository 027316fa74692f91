import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import {
  Fault,
  NodeFailure,
  type NodeAnswer,
  type NodeContext,
  type NodeRunners,
} from '../../activities/nodes/runner.js';
import { createSegmentActivities } from '../../activities/segment.js';
import type { Database } from '../../db/client.js';
import { derivedId, newSeed } from '../../db/ids.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { insertRun } from '../../db/runs.js';
import { loadValue } from '../../db/values.js';
import type { ActivityKind, RunSegmentInput, SegmentResult } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import type { Flush, RunRef } from '../../workflows/contract/run.js';
import type { Condition, NodeOf, NodePolicy } from '../../workflows/definition/plan.js';
import { inline, textOf, type Json } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { agent, linePlan } from '../support/plans.js';

const plan = linePlan(agent('a'), agent('b'));
const flush: Flush = { steps: [], settlements: [], status: 'running', seq: 1, taken: null };

let database: TestDatabase;
let db: Database;
let run: RunRef;
let calls: string[];
let behave: (context: NodeContext<ActivityKind>) => Promise<Json>;
let adds: Omit<NodeAnswer, 'output'>;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await db.insertInto('tenants').values({ id: 'ten_1', name: 'T' }).execute();
  const workspace = {
    id: 'ws_1',
    tenant_id: 'ten_1',
    parent_id: null,
    slug: 'w',
    name: 'W',
    settings: '{}',
    deleted_at: null,
  };
  await db.insertInto('workspaces').values(workspace).execute();
}, 60_000);
afterAll(() => database.close());

beforeEach(async () => {
  calls = [];
  behave = ({ node }) => Promise.resolve(`${node.id} done`);
  adds = {};
  run = { workspaceId: 'ws_1', runId: derivedId('run', newSeed()) };
  await insertRun(db, {
    run,
    definition: null,
    kind: 'test',
    plan,
    input: inline('in'),
    trigger: 'test',
    actor: 'test',
  });
});

const note = async (context: NodeContext<ActivityKind>): Promise<NodeAnswer> => {
  calls.push(context.idempotencyKey);
  return { output: await behave(context), ...adds };
};
const runners: NodeRunners = {
  agent: note,
  assistant: note,
  webhook: note,
  notify: note,
  instruction_agent: note,
  llm: note,
  knowledge: note,
  http: note,
  tool: note,
  code: note,
  email: note,
  channel_send: note,
};
const secret = (_workspace: string, name: string): Promise<string> => Promise.resolve(`value-of-${name}`);

const inputOf = (ids: readonly string[], more: Partial<RunSegmentInput> = {}): RunSegmentInput => ({
  run,
  steps: ids.map((id, index) => ({
    // -- reason: `agent` makes nodes of an activity's kind
    node: agent(id, { action: 'fail' }, { maxAttempts: 2, backoffMs: 10 }) as NodeOf<ActivityKind>,
    nodeId: id,
    key: `${id}/1`,
    scope: '',
    visit: 1,
    round: 0,
    isUndone: false,
    seq: 10 + index,
  })),
  input: inline('in'),
  scope: { run: { id: run.runId, input: null }, vars: {}, steps: {}, item: null, index: null, message: null },
  flush,
  inlineLimitBytes: 1_000,
  finishes: false,
  ...more,
});

const quietEnvironment = (): MockActivityEnvironment =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

const segment = (input: RunSegmentInput, environment = quietEnvironment()): Promise<SegmentResult> =>
  environment.run(createSegmentActivities({ db, runners, secret, warn: () => undefined }).runSegment, input);

const stepOf = (id: string) =>
  db.selectFrom('run_steps').selectAll().where('run_id', '=', run.runId).where('node_id', '=', id).executeTakeFirst();
const row = () => db.selectFrom('runs').selectAll().where('id', '=', run.runId).executeTakeFirstOrThrow();

describe('a step', () => {
  test('is recorded with what it did', async () => {
    const { outputs } = await segment(inputOf(['a', 'b']));
    expect(outputs).toEqual([inline('a done'), inline('b done')]);
    expect(await stepOf('b')).toMatchObject({
      status: 'completed',
      input: inline('a done'),
      output: inline('b done'),
      attempt: 1,
    });
    expect(await row()).toMatchObject({ status: 'running' });
  });

  test('that is done answers from its record and is not done again', async () => {
    await segment(inputOf(['a']));
    behave = () => Promise.resolve('something else');
    const { outputs } = await segment(inputOf(['a', 'b']));
    expect(outputs).toEqual([inline('a done'), inline('something else')]);
    expect(calls).toEqual([`${run.runId}/a/1`, `${run.runId}/b/1`]);
  });

  test('keeps one key over its attempts, and its failures are counted against its policy', async () => {
    behave = () =>
      Promise.reject(new NodeFailure(Fault.httpStatus, 'answered 503', { retryable: true, retryAfterMs: 5_000 }));
    const first = await segment(inputOf(['a'])).catch((error: unknown) => error);
    expect(first).toBeInstanceOf(ApplicationFailure);
    expect(first).toMatchObject({ type: Failure.attemptFailed, nonRetryable: false, nextRetryDelay: 5_000 });
    expect(await stepOf('a')).toMatchObject({ status: 'running', failures: 1, error: { message: 'answered 503' } });
    const second = await segment(inputOf(['a'])).catch((error: unknown) => error);
    expect(second).toMatchObject({
      type: Failure.nodeFailed,
      nonRetryable: true,
      details: [{ outputs: [], error: { type: 'http_status' } }],
    });
    expect(await stepOf('a')).toMatchObject({ status: 'failed', failures: 2, attempt: 2 });
    expect(new Set(calls).size).toBe(1);
  });

  test('that can never succeed fails at once, with what was done before it', async () => {
    behave = ({ node }) =>
      node.id === 'a'
        ? Promise.resolve('a done')
        : Promise.reject(new NodeFailure(Fault.configInvalid, 'no', { retryable: false }));
    const failed = await segment(inputOf(['a', 'b'])).catch((error: unknown) => error);
    expect(failed).toMatchObject({ type: Failure.nodeFailed, details: [{ outputs: [inline('a done')] }] });
  });

  test('is not blamed for our own infrastructure', async () => {
    behave = () => Promise.reject(new Error('the database is away'));
    await expect(segment(inputOf(['a']))).rejects.toThrow('the database is away');
    expect(await stepOf('a')).toMatchObject({ status: 'running', failures: 0 });
  });

  test('is marked cancelled with the run, and gives itself back when only its worker stops', async () => {
    const hang = (environment: MockActivityEnvironment, details: object) => (context: NodeContext<ActivityKind>) =>
      new Promise<Json>((_, reject) => {
        context.signal.addEventListener('abort', () =>
          reject(new NodeFailure(Fault.timeout, 'cut off', { retryable: true })),
        );
        environment.cancel('CANCELLED', { ...noDetails, ...details });
      });
    const stopping = quietEnvironment();
    behave = hang(stopping, { workerShutdown: true });
    await expect(segment(inputOf(['a']), stopping)).rejects.toBeInstanceOf(NodeFailure);
    expect(await stepOf('a')).toMatchObject({ status: 'running', failures: 0 });
    const cancelling = quietEnvironment();
    behave = hang(cancelling, { cancelRequested: true });
    await expect(segment(inputOf(['a']), cancelling)).rejects.toBeInstanceOf(CancelledFailure);
    expect(await stepOf('a')).toMatchObject({ status: 'cancelled', failures: 0 });
  });

  test('shows no secret it used, and nothing Postgres cannot keep', async () => {
    behave = async ({ secret: read }) => ({ echoed: `it is ${await read('KEY')}`, nul: 'a\u0000b', half: '\ud800' });
    const { outputs } = await segment(inputOf(['a']));
    expect(outputs).toEqual([inline({ echoed: 'it is [secret:KEY]', nul: 'a\uFFFDb', half: '\uFFFD' })]);
  });

  test('with a large output passes a reference on', async () => {
    behave = ({ node, input }) => Promise.resolve(node.id === 'a' ? 'x'.repeat(5_000) : `got ${textOf(input).length}`);
    const { outputs } = await segment(inputOf(['a', 'b']));
    expect(outputs[0]).toMatchObject({ bytes: 5_002 });
    expect(outputs[1]).toEqual(inline('got 5000'));
    const [large] = outputs;
    if (large === undefined) throw new Error('no output');
    expect(await loadValue(db, 'ws_1', large)).toHaveLength(5_000);
    await expect(loadValue(db, 'ws_other', large)).rejects.toThrow();
  });
});

const first = (steps: RunSegmentInput['steps'], more: object): RunSegmentInput['steps'] =>
  steps.map((step, index) => (index === 0 ? { ...step, ...more } : step));
const withPolicy = (input: RunSegmentInput, policy: Partial<NodePolicy>): RunSegmentInput => ({
  ...input,
  steps: input.steps.map((step) => ({
    ...step,
    node: { ...step.node, policy: { ...step.node.policy, ...policy } } as NodeOf<ActivityKind>, // -- its kind stays
  })),
});
const failing = (retryable = true): Promise<Json> =>
  Promise.reject(
    new NodeFailure(Fault.httpStatus, 'no', { retryable, cost: { usd: 1, input_tokens: 2, output_tokens: 3 } }),
  );

describe('a visit', () => {
  test('in a map or loop has a key of its own', async () => {
    const place = { key: 'each/1/3/a/1', scope: 'each/1/3' };
    await segment({ ...inputOf(['a']), steps: first(inputOf(['a']).steps, place) });
    await segment(inputOf(['a']));
    expect(calls).toEqual([`${run.runId}/each/1/3/a/1`, `${run.runId}/a/1`]);
    expect(await stepOf('a')).toMatchObject({ key: expect.any(String), visit: 1 });
    expect(
      await db.selectFrom('run_steps').select('scope').where('run_id', '=', run.runId).orderBy('scope').execute(),
    ).toEqual([{ scope: '' }, { scope: 'each/1/3' }]);
  });

  test('with a pinned result executes nothing', async () => {
    for (const pinned of [{ from: 'a pin' }, null]) {
      const { outputs } = await segment({ ...inputOf(['a']), steps: first(inputOf(['a']).steps, { pinned }) });
      expect(outputs[0]).toEqual(inline({ from: 'a pin' }));
    }
    expect(calls).toEqual([]);
    expect(await stepOf('a')).toMatchObject({
      status: 'completed',
      decided_by: 'pinned',
      output: inline({ from: 'a pin' }),
    });
  });

  test('started anew by a person counts its failures from the start', async () => {
    behave = () => failing();
    for (const round of [0, 1]) {
      const input = { ...inputOf(['a']), steps: first(inputOf(['a']).steps, { round }) };
      expect(await segment(input).catch((error: unknown) => error)).toMatchObject({ type: Failure.attemptFailed });
      expect(await stepOf('a')).toMatchObject({ status: 'running', failures: 1, round });
      expect(await segment(input).catch((error: unknown) => error)).toMatchObject({ type: Failure.nodeFailed });
      expect(await stepOf('a')).toMatchObject({ status: 'failed', failures: 2 });
    }
    expect(await stepOf('a')).toMatchObject({ cost: { usd: 4, input_tokens: 8, output_tokens: 12 } });
  });

  test('pauses as its policy says', async () => {
    behave = () => failing();
    const input = withPolicy(inputOf(['a']), { backoffFactor: 5, backoffMs: 100, maxBackoffMs: 2_000, maxAttempts: 9 });
    const pauses: unknown[] = [];
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const error: unknown = await segment(input).catch((reason: unknown) => reason);
      pauses.push(error instanceof ApplicationFailure ? error.nextRetryDelay : error);
    }
    expect(pauses).toEqual([100, 500, 2_000, 2_000]);
  });

  test('is not tried again for an error its policy names', async () => {
    behave = () => failing();
    const input = withPolicy(inputOf(['a']), { nonRetryable: ['http_status'], maxAttempts: 9 });
    expect(await segment(input).catch((error: unknown) => error)).toMatchObject({
      type: Failure.nodeFailed,
      details: [{ error: { type: 'http_status', node_id: 'a' } }],
    });
  });

  test('sets variables, answers them again, and stores large ones apart', async () => {
    adds = { vars: { small: 1, large: 'x'.repeat(2_000) }, cost: { usd: 0.5, input_tokens: 1, output_tokens: 2 } };
    const { vars } = await segment(inputOf(['a']));
    expect(vars).toEqual({ small: inline(1), large: { ref: expect.any(String), bytes: 2_002 } });
    expect((await segment(inputOf(['a']))).vars).toEqual(vars);
    expect(calls).toHaveLength(1);
    expect(await stepOf('a')).toMatchObject({ vars, cost: { usd: 0.5 } });
  });

  test('sees its scope, and what the steps of its line left before it', async () => {
    const seen: Json[] = [];
    behave = ({ node, names }) => {
      seen.push(names as Json);
      return Promise.resolve(`${node.id} out`);
    };
    adds = { vars: { b: 'set' } };
    const input = inputOf(['a', 'b']);
    const scope = {
      ...input.scope,
      vars: { v: inline([1]) },
      steps: { before: inline('B') },
      item: inline(5),
      index: 2,
      message: 'hi',
    };
    const steps = input.steps.map((step) => ({ ...step, node: { ...step.node, saveAs: 'saved' } }));
    await segment({ ...input, steps, scope });
    expect(seen[0]).toEqual({
      input: 'in',
      text: 'in',
      run: { id: run.runId, input: null },
      vars: { v: [1] },
      steps: { before: 'B' },
      item: 5,
      index: 2,
      message: 'hi',
    });
    expect(seen[1]).toMatchObject({
      input: 'a out',
      vars: { v: [1], b: 'set', saved: 'a out' },
      steps: { before: 'B', a: 'a out' },
      item: 5,
    });
  });

  test('that came from another workflow names the others there as it did there', async () => {
    let steps: Json = null;
    behave = ({ names }) => {
      steps = names['steps'] ?? null;
      return Promise.resolve(null);
    };
    const input = inputOf(['a']);
    const node = { ...input.steps[0]?.node, reads: { steps: ['sub.fetch'], prefix: 'sub.' } };
    const scope = { ...input.scope, steps: { 'sub.fetch': inline(1) } };
    await segment({ ...input, scope, steps: first(input.steps, { node }) });
    expect(steps).toMatchObject({ fetch: 1 });
  });
});

test('conditions over large values are judged with all the names', async () => {
  const { matchConditions } = createSegmentActivities({ db, runners, secret, warn: () => undefined });
  const scope = { ...inputOf(['a']).scope, vars: { tier: inline('gold') }, message: 'Refund please' };
  const conditions: readonly Condition[] = [
    { type: 'always' },
    { type: 'contains', text: 'LARGE' },
    { type: 'contains', text: 'refund', of: 'message' },
    { type: 'equals', path: 'tier', value: 'gold' },
    { type: 'cel', expr: 'input.n > 3 && vars.tier == "gold"' },
    { type: 'cel', expr: 'input.n > 5' },
  ];
  const value = inline({ n: 5, text: 'a large one' });
  expect(await quietEnvironment().run(matchConditions, { run, value, scope, conditions })).toEqual([
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
});

const noDetails = {
  notFound: false,
  timedOut: false,
  paused: false,
  reset: false,
  cancelRequested: false,
  workerShutdown: false,
};

describe('the run', () => {
  test('ends with its last step, and stays ended', async () => {
    await segment(inputOf(['a'], { finishes: true }));
    expect(await row()).toMatchObject({ status: 'completed', output: inline('a done'), ended_at: expect.any(Date) });
    await writeFlush(db, run, { ...flush, status: 'waiting', seq: 99 });
    await writeEnd(db, run, { flush, end: { status: 'failed', error: { type: 'late', message: 'late' } } });
    expect(await row()).toMatchObject({ status: 'completed', error: null });
  });

  test('never goes back: an older status does not overwrite a newer one', async () => {
    await writeFlush(db, run, { ...flush, status: 'waiting', seq: 9 });
    await writeFlush(db, run, { ...flush, status: 'running', seq: 3 });
    expect(await row()).toMatchObject({ status: 'waiting', seq: 9 });
  });
});
