import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import { Failure } from '../../workflows/contract/failures.js';
import { waitToken } from '../../workflows/contract/ids.js';
import { resolveWait } from '../../workflows/contract/messages.js';
import { inline } from '../../workflows/definition/values.js';
import { agent, approval, delay, linePlan, logLine, pass } from '../support/plans.js';
import { decide, openStage, toEnd, type Heard, type Scene, type Stage } from '../support/play.js';
import { branching, goRound, loop, parallel, scenes, twoAsked } from '../support/scenes.js';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close());

const play = (plan: Scene['plan'], act: Scene['act'] = toEnd, more: Partial<Scene> = {}): Promise<Heard> =>
  stage.play({ plan, act, ...more });

const stepsOf = (heard: Heard): readonly string[] =>
  heard.flushes.flatMap((flush) => flush.steps.map((step) => `${step.nodeId}:${step.status}`));

const settlementsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.settlements);

test('a line of durable nodes costs one activity each, and the last one ends the run', async () => {
  const heard = await play(linePlan(pass('in'), agent('a'), agent('b')));
  expect(heard.segments).toEqual([['a/1'], ['b/1']]);
  expect(heard.end).toEqual({ status: 'completed', output: inline('b done') });
  expect(heard.flushes.map((flush) => flush.status)).toEqual(['running', null]);
  expect(stepsOf(heard)).toEqual(['in:completed']);
});

test('a line of fast nodes shares one activity', async () => {
  const heard = await play(linePlan(logLine('a'), logLine('b'), logLine('c')));
  expect(heard.segments).toEqual([['a/1', 'b/1', 'c/1']]);
});

test('a failure inside a line fails the run at that node', async () => {
  const heard = await play(linePlan(logLine('a'), logLine('bad'), logLine('c')), async ({ handle }) => {
    await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
  });
  expect(heard.end).toEqual({
    status: 'failed',
    error: { type: 'http_status', message: 'answered 400', node_id: 'bad' },
  });
  expect(stepsOf(heard)).toEqual(['bad:failed']);
});

test('parallel sides join', async () => {
  const heard = await play(parallel);
  expect(heard.segments.flat().sort()).toEqual(['a/1', 'b/1', 'z/1']);
  expect(heard.end?.status).toBe('completed');
});

test('the branch taken is told', async () => {
  const heard = await play(branching);
  expect(heard.segments).toEqual([['a/1']]);
  expect(heard.flushes[0]).toMatchObject({ taken: 'in-branch' });
});

describe('waits', () => {
  const plan = linePlan(pass('in'), approval('ok'), agent('after'));

  test('an approval waits, then goes on with what the person said', async () => {
    const heard = await play(plan, async ({ handle, runId }) => {
      const { status } = await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok/1'), 'yes'));
      expect(status).toBe('running');
      await handle.result();
    });
    expect(heard.waits).toHaveLength(1);
    expect(heard.flushes[0]?.status).toBe('waiting');
    expect(settlementsOf(heard)).toMatchObject([{ outcome: 'approved', by: 'ana' }]);
    expect(heard.end).toEqual({ status: 'completed', output: inline('after done') });
  });

  test('a refusal cancels the run', async () => {
    const heard = await play(plan, async ({ handle, runId }) => {
      const { status } = await handle.executeUpdate(resolveWait, decide('reject', waitToken(runId, 'ok/1')));
      expect(status).toBe('cancelled');
      await handle.result();
    });
    expect(heard.segments).toEqual([]);
    expect(heard.end).toEqual({ status: 'cancelled', error: null });
  });

  test('of many callers exactly one decides, and nothing runs twice', async () => {
    const heard = await play(plan, async ({ handle, runId }) => {
      const token = waitToken(runId, 'ok/1');
      const calls = Array.from({ length: 8 }, () => handle.executeUpdate(resolveWait, decide('approve', token)));
      const results = await Promise.allSettled(calls);
      expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
      await handle.result();
    });
    expect(heard.segments).toEqual([['after/1']]);
  });

  test('an unknown token is refused by name', async () => {
    await play(plan, async ({ handle, runId }) => {
      const refused = handle.executeUpdate(resolveWait, decide('approve', 'apr_nothing'));
      const error = await refused.catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      expect(error).toMatchObject({ cause: { type: Failure.waitUnknown } });
      await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok/1')));
      await handle.result();
    });
  });

  test('nobody decides in time: the request expires and the run is cancelled', async () => {
    const heard = await play(linePlan(approval('ok', 86_400), agent('after')));
    expect(heard.end).toMatchObject({ status: 'cancelled', error: { type: 'expired' } });
    expect(settlementsOf(heard)).toMatchObject([{ outcome: 'expired', by: 'auto-expired' }]);
  });

  test('a delay of a month is only a timer', async () => {
    const heard = await play(linePlan(delay('later', 30 * 86_400), agent('after')));
    expect(stepsOf(heard)).toEqual(['later:waiting', 'later:completed']);
    expect(heard.flushes[0]?.status).toBe('running');
  });

  test('two approvals at once are decided apart', async () => {
    const heard = await play(twoAsked, async ({ handle, runId }) => {
      const first = await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'y/1')));
      expect(first.status).toBe('waiting');
      await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'x/1')));
      await handle.result();
    });
    expect(heard.segments).toEqual([['z/1']]);
  });

  test('cancelling the run closes its waits', async () => {
    const heard = await play(plan, scenes['cancelled']?.act);
    expect(heard.end).toMatchObject({ status: 'cancelled', error: { type: 'cancelled' } });
    expect(settlementsOf(heard)).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

describe('continue-as-new', () => {
  test.each([0, 100])('keeps waits, visits and decisions with %d runs in the cache', async (maxCachedWorkflows) => {
    const heard = await play(loop, goRound, { input: { maxHistoryEvents: 20 }, maxCachedWorkflows });
    expect(heard.segments).toEqual([['a/1'], ['a/2'], ['a/3'], ['a/4'], ['z/1']]);
    expect(heard.waits).toHaveLength(4);
    expect(heard.end).toMatchObject({ status: 'completed' });
  });

  test('a timer is re-armed from its absolute time', async () => {
    const plan = linePlan(agent('a'), agent('b'), agent('c'), delay('later', 3_600), agent('z'));
    const heard = await play(plan, toEnd, { input: { maxHistoryEvents: 12 } });
    expect(heard.segments).toEqual([['a/1'], ['b/1'], ['c/1'], ['z/1']]);
  });
});
