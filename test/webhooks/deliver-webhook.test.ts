import { readFile, readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import {
  deliveryWorkflowId,
  type AttemptInput,
  type AttemptOutcome,
  type WebhookActivities,
} from '../../workflows/contract/webhooks.js';
import { REPLAY, record } from '../schedules/setup.js';
import { bundleWorkflows, timeSkippingEnvironment } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let count = 0;

jest.setTimeout(60_000);

beforeEach(async () => {
  env = await timeSkippingEnvironment();
});
afterEach(async () => {
  await env.teardown();
});

interface Delivered {
  readonly outcome: AttemptOutcome;
  readonly asked: readonly AttemptInput[];
  /** Every timer the workflow set, in seconds, in order. */
  readonly pauses: readonly number[];
}

/** Delivers while `answer` says what comes of each asking; keeps the history when asked to record. */
async function deliver(name: string, answer: (asked: number) => AttemptOutcome): Promise<Delivered> {
  count += 1;
  const asked: AttemptInput[] = [];
  const activities: WebhookActivities = {
    attemptDelivery: (input) => {
      asked.push(input);
      return Promise.resolve(answer(asked.length));
    },
  };
  const taskQueue = `hooks-${count}`;
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue,
    workflowBundle: await bundleWorkflows(),
    activities,
  });
  return worker.runUntil(async () => {
    const ref = { workspaceId: 'ws_1', deliveryId: `whd_${name}` };
    const handle = await env.client.workflow.start('deliverWebhook', {
      taskQueue,
      workflowId: deliveryWorkflowId(ref),
      args: [{ ...ref, timeoutSeconds: 30, baseUrl: 'http://localhost' }],
    });
    const outcome: AttemptOutcome = await handle.result();
    const history = await handle.fetchHistory();
    await record(`deliver-webhook-${name}`, history);
    const timers = (history.events ?? []).flatMap(({ timerStartedEventAttributes: timer }) => timer ?? []);
    return { outcome, asked, pauses: timers.map((timer) => Number(timer.startToFireTimeout?.seconds)) };
  });
}

describe('a delivery', () => {
  test('ends with the first attempt that comes through', async () => {
    const { outcome, asked, pauses } = await deliver('delivered', () => 'delivered');
    expect({ outcome, pauses, attempts: asked.length }).toEqual({ outcome: 'delivered', pauses: [], attempts: 1 });
    expect(asked[0]).toMatchObject({ number: 1, pauseMs: 1_000, timeoutSeconds: 30 });
  });

  test('is tried after 1, 2, 4, 8 and 16 seconds, then given up', async () => {
    const { outcome, asked, pauses } = await deliver('dead', (attempt) => (attempt < 6 ? 'failed' : 'dead'));
    expect({ outcome, pauses }).toEqual({ outcome: 'dead', pauses: [1, 2, 4, 8, 16] });
    expect(asked.map(({ number, pauseMs }) => [number, pauseMs])).toEqual([
      [1, 1_000],
      [2, 2_000],
      [3, 4_000],
      [4, 8_000],
      [5, 16_000],
      [6, null],
    ]);
  });

  test('comes through at a later attempt', async () => {
    const { outcome, pauses } = await deliver('later', (attempt) => (attempt < 3 ? 'failed' : 'delivered'));
    expect({ outcome, pauses }).toEqual({ outcome: 'delivered', pauses: [1, 2] });
  });

  test('waits for room without using up an attempt', async () => {
    const { outcome, asked, pauses } = await deliver('busy', (attempt) => (attempt <= 6 ? 'busy' : 'delivered'));
    expect({ outcome, pauses }).toEqual({ outcome: 'delivered', pauses: [1, 2, 4, 8, 15, 15] });
    expect(new Set(asked.map(({ number }) => number))).toEqual(new Set([1]));
  });

  test('stops when it is wanted no more', async () => {
    expect(await deliver('stopped', () => 'stopped')).toMatchObject({ outcome: 'stopped', pauses: [] });
  });
});

test('recorded deliveries replay', async () => {
  const files = (await readdir(REPLAY)).filter((file) => /^deliver-webhook-.*\.json$/.test(file));
  expect(files.length).toBeGreaterThanOrEqual(5);
  const workflowBundle = await bundleWorkflows();
  for (const file of files) {
    const history: unknown = JSON.parse(await readFile(REPLAY + file, 'utf8'));
    await Worker.runReplayHistory({ workflowBundle }, history);
  }
});
