import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { MockActivityEnvironment } from '@temporalio/testing';
import { Fault, NodeFailure, type NodeContext } from '../../activities/nodes/runner.js';
import { writeEnd, writeFlush } from '../../db/run-records.js';
import { loadValue } from '../../db/values.js';
import type { ActivityKind } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import { inline, textOf, type Json } from '../../workflows/definition/values.js';
import { flush, openSegments, type SegmentStage } from './segment-stage.js';
import { quietEnvironment } from './stage.js';

let stage: SegmentStage;

beforeAll(async () => {
  stage = await openSegments();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => stage.fresh());

describe('a step', () => {
  test('is recorded with what it did', async () => {
    const { outputs } = await stage.segment(stage.inputOf(['a', 'b']));
    expect(outputs).toEqual([inline('a done'), inline('b done')]);
    expect(await stage.stepOf('b')).toMatchObject({
      status: 'completed',
      input: inline('a done'),
      output: inline('b done'),
      attempt: 1,
    });
    expect(await stage.row()).toMatchObject({ status: 'running' });
  });

  test('that is done answers from its record and is not done again', async () => {
    await stage.segment(stage.inputOf(['a']));
    stage.behave = () => Promise.resolve('something else');
    const { outputs } = await stage.segment(stage.inputOf(['a', 'b']));
    expect(outputs).toEqual([inline('a done'), inline('something else')]);
    expect(stage.calls).toEqual([`${stage.run.runId}/a/1`, `${stage.run.runId}/b/1`]);
  });

  test('keeps one key over its attempts, and its failures are counted against its policy', async () => {
    stage.behave = () =>
      Promise.reject(new NodeFailure(Fault.httpStatus, 'answered 503', { retryable: true, retryAfterMs: 5_000 }));
    const first = await stage.segment(stage.inputOf(['a'])).catch((error: unknown) => error);
    expect(first).toBeInstanceOf(ApplicationFailure);
    expect(first).toMatchObject({ type: Failure.attemptFailed, nonRetryable: false, nextRetryDelay: 5_000 });
    expect(await stage.stepOf('a')).toMatchObject({
      status: 'running',
      failures: 1,
      error: { message: 'answered 503' },
    });
    const second = await stage.segment(stage.inputOf(['a'])).catch((error: unknown) => error);
    expect(second).toMatchObject({
      type: Failure.nodeFailed,
      nonRetryable: true,
      details: [{ outputs: [], error: { type: 'http_status' } }],
    });
    expect(await stage.stepOf('a')).toMatchObject({ status: 'failed', failures: 2, attempt: 2 });
    expect(new Set(stage.calls).size).toBe(1);
  });

  test('that can never succeed fails at once, with what was done before it', async () => {
    stage.behave = ({ node }) =>
      node.id === 'a'
        ? Promise.resolve('a done')
        : Promise.reject(new NodeFailure(Fault.configInvalid, 'no', { retryable: false }));
    const failed = await stage.segment(stage.inputOf(['a', 'b'])).catch((error: unknown) => error);
    expect(failed).toMatchObject({ type: Failure.nodeFailed, details: [{ outputs: [inline('a done')] }] });
  });

  test('is not blamed for our own infrastructure', async () => {
    stage.behave = () => Promise.reject(new Error('the database is away'));
    await expect(stage.segment(stage.inputOf(['a']))).rejects.toThrow('the database is away');
    expect(await stage.stepOf('a')).toMatchObject({ status: 'running', failures: 0 });
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
    stage.behave = hang(stopping, { workerShutdown: true });
    await expect(stage.segment(stage.inputOf(['a']), stopping)).rejects.toBeInstanceOf(NodeFailure);
    expect(await stage.stepOf('a')).toMatchObject({ status: 'running', failures: 0 });
    const cancelling = quietEnvironment();
    stage.behave = hang(cancelling, { cancelRequested: true });
    await expect(stage.segment(stage.inputOf(['a']), cancelling)).rejects.toBeInstanceOf(CancelledFailure);
    expect(await stage.stepOf('a')).toMatchObject({ status: 'cancelled', failures: 0 });
  });

  test('shows no secret it used, and nothing Postgres cannot keep', async () => {
    stage.behave = async ({ secret: read }) => ({
      echoed: `it is ${await read('KEY')}`,
      nul: 'a\u0000b',
      half: '\ud800',
    });
    const { outputs } = await stage.segment(stage.inputOf(['a']));
    expect(outputs).toEqual([inline({ echoed: 'it is [secret:KEY]', nul: 'a\uFFFDb', half: '\uFFFD' })]);
  });

  test('with a large output passes a reference on', async () => {
    stage.behave = ({ node, input }) =>
      Promise.resolve(node.id === 'a' ? 'x'.repeat(5_000) : `got ${textOf(input).length}`);
    const { outputs } = await stage.segment(stage.inputOf(['a', 'b']));
    expect(outputs[0]).toMatchObject({ bytes: 5_002 });
    expect(outputs[1]).toEqual(inline('got 5000'));
    const [large] = outputs;
    if (large === undefined) throw new Error('no output');
    expect(await loadValue(stage.db, 'ws_1', large)).toHaveLength(5_000);
    await expect(loadValue(stage.db, 'ws_other', large)).rejects.toThrow();
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
    await stage.segment(stage.inputOf(['a'], { finishes: true }));
    expect(await stage.row()).toMatchObject({
      status: 'completed',
      output: inline('a done'),
      ended_at: expect.any(Date),
    });
    await writeFlush(stage.db, stage.run, { ...flush, status: 'waiting', seq: 99 });
    await writeEnd(stage.db, stage.run, { flush, end: { status: 'failed', error: { type: 'late', message: 'late' } } });
    expect(await stage.row()).toMatchObject({ status: 'completed', error: null });
  });

  test('never goes back: an older status does not overwrite a newer one', async () => {
    await writeFlush(stage.db, stage.run, { ...flush, status: 'waiting', seq: 9 });
    await writeFlush(stage.db, stage.run, { ...flush, status: 'running', seq: 3 });
    expect(await stage.row()).toMatchObject({ status: 'waiting', seq: 9 });
  });
});

describe('a turn', () => {
  const opens = {
    ...{ nodeId: 'a.listen', visit: 2, scope: '', key: 'a.listen/2', seq: 12 },
    ...{ token: 'apr_turn', kind: 'listen', label: 'Desk', timeoutSeconds: 60 },
  };
  const own = () => ({ ...opens, token: `apr_${stage.run.runId}` });
  const waitsOf = () => stage.db.selectFrom('waits').selectAll().where('run_id', '=', stage.run.runId).execute();

  test('after which its agent listens opens the next wait with its record, once', async () => {
    stage.behave = () => Promise.resolve({ text: 'hi', outcome: 'stay' });
    const input = stage.inputOf(['a'], { opens: own() });
    const done = await stage.segment(input);
    expect(done).toMatchObject({ hasOpened: true, outputs: [inline({ text: 'hi', outcome: 'stay' })] });
    const [wait, ...more] = await waitsOf();
    expect(more).toEqual([]);
    expect(wait).toMatchObject({ kind: 'message', status: 'pending', key: 'a.listen/2', action: '"Desk" waits.' });
    const seconds = (wait?.expires_at?.getTime() ?? 0) - (wait?.created_at.getTime() ?? 0);
    expect(Math.round(seconds / 1_000)).toBe(60);
    expect(await stage.row()).toMatchObject({ status: 'waiting', seq: 12 });
    expect(await stage.stepOf('a.listen')).toMatchObject({ status: 'waiting', input: done.outputs[0], label: 'Desk' });
    // another attempt, as the answer of the first was lost
    expect(await stage.segment(input)).toEqual(done);
    expect(await waitsOf()).toEqual([wait]);
    expect(stage.calls).toHaveLength(1);
  });

  test('that hands over, or fails, opens nothing', async () => {
    stage.behave = () => Promise.resolve({ text: 'hi', outcome: 'handoff', target: 'b' });
    expect(await stage.segment(stage.inputOf(['a'], { opens: own() }))).not.toHaveProperty('hasOpened');
    stage.behave = () => Promise.reject(new NodeFailure(Fault.configInvalid, 'no', { retryable: false }));
    await expect(stage.segment(stage.inputOf(['b'], { opens: own() }))).rejects.toThrow('no');
    expect(await waitsOf()).toEqual([]);
    expect(await stage.row()).toMatchObject({ status: 'running' });
  });

  test('whose run was ended under it opens nothing', async () => {
    stage.behave = async () => {
      const end = { status: 'cancelled', error: { type: 'cancelled', message: 'stopped' } } as const;
      await writeEnd(stage.db, stage.run, { flush: { ...flush, seq: 20 }, end });
      return { text: 'hi', outcome: 'stay' };
    };
    await stage.segment(stage.inputOf(['a'], { opens: own() }));
    expect(await stage.row()).toMatchObject({ status: 'cancelled' });
    expect((await waitsOf()).filter(({ status }) => status === 'pending')).toEqual([]);
  });
});
