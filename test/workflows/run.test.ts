import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { RunActivities, RunSegmentInput } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import { waitToken } from '../../workflows/contract/ids.js';
import { resolveWait } from '../../workflows/contract/messages.js';
import type { Flush, RunInput } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import type { RunEnd } from '../../workflows/engine/state.js';
import type { run } from '../../workflows/run.js';
import { agent, approval, branch, buildPlan, delay, edge, join, linePlan, logLine, pass } from '../support/plans.js';
import { bundleWorkflows, timeSkippingEnvironment } from '../support/temporal.js';

/** What the run told the outside, as the activities heard it. */
interface Heard {
  readonly segments: string[][];
  readonly flushes: Flush[];
  readonly waits: string[];
  end: RunEnd | null;
}

let environment: TestWorkflowEnvironment;
let bundle: Awaited<ReturnType<typeof bundleWorkflows>>;
let sequence = 0;

beforeAll(async () => {
  environment = await timeSkippingEnvironment();
  bundle = await bundleWorkflows();
}, 60_000);
afterAll(() => environment.teardown());

/** Activities that answer at once; a node whose id begins with `bad` fails for good. */
function listen(heard: Heard): RunActivities {
  const note = (flush: Flush): void => void heard.flushes.push(flush);
  return {
    runSegment: async (input: RunSegmentInput) => {
      note(input.flush);
      heard.segments.push(input.steps.map((step) => `${step.node.id}#${step.visit}`));
      const bad = input.steps.findIndex((step) => step.node.id.startsWith('bad'));
      const outputs = input.steps.map((step) => inline(`${step.node.id} done`));
      if (bad >= 0) {
        const details = { outputs: outputs.slice(0, bad), error: { type: 'http_status', message: 'answered 400' } };
        throw ApplicationFailure.nonRetryable('answered 400', Failure.nodeFailed, details);
      }
      if (input.finishes) heard.end = { status: 'completed', output: outputs.at(-1) ?? inline(null) };
      return { outputs };
    },
    openWait: async ({ wait, flush }) => {
      note(flush);
      heard.waits.push(wait.token);
    },
    recordTransitions: async ({ flush }) => note(flush),
    finishRun: async ({ flush, end }) => {
      note(flush);
      heard.end = end;
    },
    loadPlan: async () => {
      throw new Error('the plan travels inline here');
    },
    matchConditions: async ({ conditions }) => conditions.map(() => true),
    nextCronTime: async ({ after }) => after + 60_000,
  };
}

interface Played {
  readonly heard: Heard;
  readonly handle: WorkflowHandle<typeof run>;
  readonly runId: string;
}

async function play(
  plan: Plan,
  act: (played: Played) => Promise<void>,
  more: Partial<RunInput> & { readonly maxCachedWorkflows?: number } = {},
): Promise<Heard> {
  sequence += 1;
  const runId = `run_${sequence}`;
  const heard: Heard = { segments: [], flushes: [], waits: [], end: null };
  const taskQueue = `queue-${sequence}`;
  const { maxCachedWorkflows, ...input } = more;
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: bundle,
    activities: listen(heard),
    ...(maxCachedWorkflows === undefined ? {} : { maxCachedWorkflows }),
  });
  await worker.runUntil(async () => {
    const handle = await environment.client.workflow.start<typeof run>('run', {
      workflowId: `run/ws/${runId}`,
      taskQueue,
      args: [{ run: { workspaceId: 'ws', runId }, source: { plan }, input: inline('in'), ...input }],
    });
    await act({ heard, handle, runId });
  });
  return heard;
}

const decide = (decision: 'approve' | 'reject', token: string, text: string | null = null) => ({
  args: [{ token, decision, value: text === null ? null : inline(text), note: null, by: 'ana' }] as [
    { token: string; decision: 'approve' | 'reject'; value: ReturnType<typeof inline> | null; note: null; by: string },
  ],
});

const toEnd = async ({ handle }: Played): Promise<void> => {
  await handle.result();
};

const stepsOf = (heard: Heard): readonly string[] =>
  heard.flushes.flatMap((flush) => flush.steps.map((step) => `${step.nodeId}:${step.status}`));

test('a line of durable nodes costs one activity each, and the last one ends the run', async () => {
  const heard = await play(linePlan(pass('in'), agent('a'), agent('b')), toEnd);
  expect(heard.segments).toEqual([['a#1'], ['b#1']]);
  expect(heard.end).toEqual({ status: 'completed', output: inline('b done') });
  expect(heard.flushes.map((flush) => flush.status)).toEqual(['running', null]);
  expect(stepsOf(heard)).toEqual(['in:completed']);
});

test('a line of fast nodes shares one activity', async () => {
  const heard = await play(linePlan(logLine('a'), logLine('b'), logLine('c')), toEnd);
  expect(heard.segments).toEqual([['a#1', 'b#1', 'c#1']]);
});

test('a failure inside a line fails the run at that node', async () => {
  const heard = await play(linePlan(logLine('a'), logLine('bad'), logLine('c')), async ({ handle }) => {
    await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
  });
  expect(heard.end).toEqual({ status: 'failed', error: { type: 'http_status', message: 'answered 400' } });
  expect(stepsOf(heard)).toEqual(['bad:failed']);
});

test('parallel sides join', async () => {
  const plan = buildPlan(
    [pass('s'), agent('a'), agent('b'), join('j'), agent('z')],
    [edge('s', 'a'), edge('s', 'b'), edge('a', 'j'), edge('b', 'j'), edge('j', 'z')],
  );
  const heard = await play(plan, toEnd);
  expect(heard.segments.flat().sort()).toEqual(['a#1', 'b#1', 'z#1']);
  expect(heard.end?.status).toBe('completed');
});

test('the branch taken is told', async () => {
  const plan = buildPlan(
    [branch('d'), agent('a'), agent('b')],
    [edge('d', 'a', { condition: { type: 'contains', text: 'IN' }, label: 'in-branch' }), edge('d', 'b')],
  );
  const heard = await play(plan, toEnd);
  expect(heard.segments).toEqual([['a#1']]);
  expect(heard.flushes[0]).toMatchObject({ taken: 'in-branch' });
});

describe('waits', () => {
  const plan = linePlan(pass('in'), approval('ok'), agent('after'));

  test('an approval waits, then goes on with what the person said', async () => {
    const heard = await play(plan, async ({ handle, runId }) => {
      const { status } = await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok', 1), 'yes'));
      expect(status).toBe('running');
      await handle.result();
    });
    expect(heard.waits).toHaveLength(1);
    expect(heard.flushes[0]?.status).toBe('waiting');
    expect(heard.flushes.flatMap((flush) => flush.settlements)).toMatchObject([{ outcome: 'approved', by: 'ana' }]);
    expect(heard.end).toEqual({ status: 'completed', output: inline('after done') });
  });

  test('a refusal cancels the run', async () => {
    const heard = await play(plan, async ({ handle, runId }) => {
      const { status } = await handle.executeUpdate(resolveWait, decide('reject', waitToken(runId, 'ok', 1)));
      expect(status).toBe('cancelled');
      await handle.result();
    });
    expect(heard.segments).toEqual([]);
    expect(heard.end).toEqual({ status: 'cancelled', error: null });
  });

  test('of many callers exactly one decides, and nothing runs twice', async () => {
    const heard = await play(plan, async ({ handle, runId }) => {
      const token = waitToken(runId, 'ok', 1);
      const calls = Array.from({ length: 8 }, () => handle.executeUpdate(resolveWait, decide('approve', token)));
      const results = await Promise.allSettled(calls);
      expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
      await handle.result();
    });
    expect(heard.segments).toEqual([['after#1']]);
  });

  test('an unknown token is refused by name', async () => {
    await play(plan, async ({ handle, runId }) => {
      const refused = handle.executeUpdate(resolveWait, decide('approve', 'apr_nothing'));
      const error = await refused.catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      expect(error).toMatchObject({ cause: { type: Failure.waitUnknown } });
      await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok', 1)));
      await handle.result();
    });
  });

  test('nobody decides in time: the request expires and the run is cancelled', async () => {
    const heard = await play(linePlan(approval('ok', 86_400), agent('after')), toEnd);
    expect(heard.end).toMatchObject({ status: 'cancelled', error: { type: 'expired' } });
    expect(heard.flushes.flatMap((flush) => flush.settlements)).toMatchObject([
      { outcome: 'expired', by: 'auto-expired' },
    ]);
  });

  test('a delay of a month is only a timer', async () => {
    const heard = await play(linePlan(delay('later', 30 * 86_400), agent('after')), toEnd);
    expect(stepsOf(heard)).toEqual(['later:waiting', 'later:completed']);
    expect(heard.flushes[0]?.status).toBe('running');
  });

  test('two approvals at once are decided apart', async () => {
    const sides = buildPlan(
      [pass('s'), approval('x'), approval('y'), join('j'), agent('z')],
      [
        edge('s', 'x'),
        edge('s', 'y'),
        edge('x', 'j', { port: 'approved' }),
        edge('y', 'j', { port: 'approved' }),
        edge('j', 'z'),
      ],
    );
    const heard = await play(sides, async ({ handle, runId }) => {
      const first = await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'y', 1)));
      expect(first.status).toBe('waiting');
      await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'x', 1)));
      await handle.result();
    });
    expect(heard.segments).toEqual([['z#1']]);
  });

  test('cancelling the run closes its waits', async () => {
    const heard = await play(plan, async ({ handle }) => {
      await handle.cancel();
      await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
    });
    expect(heard.end).toMatchObject({ status: 'cancelled', error: { type: 'cancelled' } });
    expect(heard.flushes.flatMap((flush) => flush.settlements)).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

describe('continue-as-new', () => {
  const loop = buildPlan(
    [agent('a'), approval('ok'), branch('again'), agent('z')],
    [
      edge('a', 'ok'),
      edge('ok', 'again', { port: 'approved' }),
      edge('again', 'a', { condition: { type: 'contains', text: 'more' } }),
      edge('again', 'z'),
    ],
  );

  test.each([{ maxCachedWorkflows: 0 }, { maxCachedWorkflows: 100 }])(
    'keeps waits, visits and decisions: %j',
    async (options) => {
      const heard = await play(
        loop,
        async ({ handle, runId }) => {
          for (const visit of [1, 2, 3, 4]) {
            const update = decide('approve', waitToken(runId, 'ok', visit), visit < 4 ? 'more' : 'enough');
            for (let tries = 0; tries < 200; tries += 1) {
              const result = await handle.executeUpdate(resolveWait, update).catch((error: unknown) => error);
              if (!(result instanceof Error)) break;
            }
          }
          await handle.result();
        },
        { maxHistoryEvents: 20, ...options },
      );
      expect(heard.segments).toEqual([['a#1'], ['a#2'], ['a#3'], ['a#4'], ['z#1']]);
      expect(heard.waits).toHaveLength(4);
      expect(heard.end).toMatchObject({ status: 'completed' });
    },
  );

  test('a timer is re-armed from its absolute time', async () => {
    const plan = linePlan(agent('a'), agent('b'), agent('c'), delay('later', 3_600), agent('z'));
    const heard = await play(plan, toEnd, { maxHistoryEvents: 12 });
    expect(heard.segments).toEqual([['a#1'], ['b#1'], ['c#1'], ['z#1']]);
  });
});
