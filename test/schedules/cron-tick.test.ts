import { readFile, readdir } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import type { ScheduleActivities, TickDecision, TickInput } from '../../workflows/contract/activities.js';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type { CronTickOutcome } from '../../workflows/cron-tick.js';
import { compilePrompt } from '../../workflows/definition/prompt.js';
import { timeSkippingEnvironment } from '../support/temporal.js';
import { REPLAY, bundleTicks, record } from './setup.js';

const BUSY = { action: 'busy', reason: 'skipped: workspace busy (active_tasks=1)' } as const;

let env: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundle;
let count = 0;

jest.setTimeout(60_000);

beforeAll(async () => {
  workflowBundle = await bundleTicks();
});
// A server each: shared by several ticks and their runs, it was seen to stop skipping time.
beforeEach(async () => {
  env = await timeSkippingEnvironment();
});
afterEach(async () => {
  await env.teardown();
});

const startOf = (runId: string): TickDecision => ({
  action: 'start',
  input: {
    run: { workspaceId: 'ws_1', runId },
    source: { plan: compilePrompt({ agent: 'a', label: 'a' }) },
    input: { json: 'hello' },
  },
});

interface Ticked {
  readonly outcome: CronTickOutcome;
  readonly asked: readonly TickInput[];
  /** How long it took by the server's clock. */
  readonly seconds: number;
  readonly skipped: readonly unknown[];
}

/** Runs one tick whose checks are answered by `answer`, and the run `finishes`; keeps its history when asked to record. */
async function tick(name: string, answer: (check: number) => TickDecision, finishes?: string): Promise<Ticked> {
  count += 1;
  const asked: TickInput[] = [];
  let seconds = 0;
  const skipped: unknown[] = [];
  const activities: ScheduleActivities = {
    beginTick: (input) => {
      asked.push(input);
      return Promise.resolve(answer(asked.length));
    },
    skipTick: (input) => Promise.resolve(void skipped.push(input)),
  };
  const taskQueue = `ticks-${count}`;
  const worker = await Worker.create({ connection: env.nativeConnection, taskQueue, workflowBundle, activities });
  const outcome = await worker.runUntil(async () => {
    const handle = await env.client.workflow.start('cronTick', {
      taskQueue,
      workflowId: `cron-tick/ws_1/${name}`,
      args: [{ workspaceId: 'ws_1', scheduleId: 'sch_1' }],
    });
    const result: CronTickOutcome = await handle.result();
    if (finishes !== undefined) await env.client.workflow.getHandle(runWorkflowId('ws_1', finishes)).result();
    const history = await handle.fetchHistory();
    const [first, last] = [history.events?.at(0), history.events?.at(-1)];
    seconds = Number(last?.eventTime?.seconds) - Number(first?.eventTime?.seconds);
    await record(`cron-tick-${name}`, history);
    return result;
  });
  return { outcome, asked, skipped, seconds };
}

describe('cronTick', () => {
  test('starts the run as a workflow that outlives it', async () => {
    const { outcome, asked, skipped } = await tick('started', () => startOf('run_started'), 'run_started');
    expect({ outcome, skipped, checks: asked.length }).toEqual({ outcome: 'started', skipped: [], checks: 1 });
    expect(asked[0]).toMatchObject({ workspaceId: 'ws_1', scheduleId: 'sch_1' });
  });

  test('a run that is started already is as good', async () => {
    await env.client.workflow.start('run', {
      taskQueue: 'none',
      workflowId: runWorkflowId('ws_1', 'run_known'),
      args: [{}],
    });
    const { outcome } = await tick('already-started', () => startOf('run_known'));
    expect(outcome).toBe('started');
  });

  test('waits ten seconds at a time while busy, then starts', async () => {
    const { outcome, asked, seconds } = await tick('waited', (check) => (check <= 3 ? BUSY : startOf('run_waited')));
    expect({ outcome, checks: asked.length }).toEqual({ outcome: 'started', checks: 4 });
    expect(seconds).toBeGreaterThanOrEqual(30);
    expect(new Set(asked.map(({ scheduledAt }) => scheduledAt)).size).toBe(1);
  });

  test('gives up after two minutes and writes why', async () => {
    const { outcome, asked, skipped, seconds } = await tick('skipped', () => BUSY);
    expect({ outcome, checks: asked.length }).toEqual({ outcome: 'skipped', checks: 13 });
    expect(skipped).toEqual([expect.objectContaining({ scheduleId: 'sch_1', reason: BUSY.reason })]);
    expect(seconds).toBeGreaterThanOrEqual(120);
  });

  test('ends when there is nothing to do', async () => {
    const { outcome, skipped } = await tick('ignored', () => ({ action: 'ignore' }));
    expect({ outcome, skipped }).toEqual({ outcome: 'ignored', skipped: [] });
  });
});

test('recorded ticks replay', async () => {
  const files = (await readdir(REPLAY)).filter((file) => /^cron-tick-.*\.json$/.test(file));
  expect(files.length).toBeGreaterThanOrEqual(5);
  for (const file of files) {
    const history: unknown = JSON.parse(await readFile(REPLAY + file, 'utf8'));
    await Worker.runReplayHistory({ workflowBundle }, history);
  }
});
