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
import type { NodeOf } from '../../workflows/definition/plan.js';
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
