import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
import { msToTs } from '@temporalio/common/lib/time.js';
import { createTemporalGateway, type TemporalGateway } from '../../api/temporal/gateway.js';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { temporalAddress, TEST_NAMESPACE as namespace } from '../support/temporal.js';
import { until } from '../support/until.js';

let connection: Connection;
let client: Client;
let gateway: TemporalGateway;

beforeAll(async () => {
  connection = await Connection.connect({ address: await temporalAddress() });
  client = new Client({ connection, namespace });
  gateway = createTemporalGateway({ connection, namespace, eagerStart: false });
}, 60_000);
afterAll(async () => {
  await connection.close();
  // no worker of this test's own ends with it
  await Runtime.instance().shutdown();
});

const newId = (): string => randomBytes(6).toString('hex');

async function startOn(taskQueue: string): Promise<RunRef> {
  const run = { workspaceId: 'ws_1', runId: `run_${newId()}` };
  const workflowId = runWorkflowId(run.workspaceId, run.runId);
  await client.workflow.start('run', { workflowId, taskQueue, args: [] });
  return run;
}

test('a run nobody takes up is known, one that never was is not, and a queue nobody asks has no pollers', async () => {
  const queue = newId();
  const run = await startOn(queue);
  expect(await gateway.describeRun(run)).toEqual({ status: 'RUNNING', pendingActivities: [], historyLength: 2 });
  expect(await gateway.describeRun({ ...run, runId: 'run_never' })).toBeNull();
  expect(await gateway.pollers(queue)).toBe(0);
});

const polling = <T>(call: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + 20_000, call);

/** What a worker says to the server, without one. */
async function scheduleActivity(queue: string): Promise<void> {
  const { workflowService: service } = client;
  const taskQueue = { name: queue };
  const { taskToken } = await polling(() => service.pollWorkflowTaskQueue({ namespace, taskQueue, identity: 'test' }));
  const command = {
    // SCHEDULE_ACTIVITY_TASK
    commandType: 1,
    scheduleActivityTaskCommandAttributes: {
      activityId: '1',
      activityType: { name: 'runSegment' },
      taskQueue,
      startToCloseTimeout: msToTs(30_000),
      retryPolicy: { initialInterval: msToTs(600_000), backoffCoefficient: 1 },
    },
  };
  await service.respondWorkflowTaskCompleted({ namespace, taskToken, identity: 'test', commands: [command] });
}

test('an attempt that failed is told with its cause and the time of the next', async () => {
  const queue = newId();
  const run = await startOn(queue);
  await scheduleActivity(queue);
  const { workflowService: service } = client;
  const { taskToken } = await polling(() =>
    service.pollActivityTaskQueue({
      namespace,
      taskQueue: { name: queue },
      identity: 'test',
    }),
  );
  const started = await gateway.describeRun(run);
  expect(started?.pendingActivities).toEqual([
    { type: 'runSegment', attempt: 1, lastFailure: null, nextAttemptAt: null, state: 'started' },
  ]);
  const failure = {
    message: 'Activity failed',
    applicationFailureInfo: { type: 'AttemptFailed' },
    cause: { message: 'The shop was away.', applicationFailureInfo: { type: 'http' } },
  };
  await service.respondActivityTaskFailed({ namespace, taskToken, identity: 'test', failure });
  const failed = await until(
    () => gateway.describeRun(run),
    (description) => description?.pendingActivities[0]?.attempt === 2,
  );
  const [pending] = failed?.pendingActivities ?? [];
  expect(pending).toMatchObject({ lastFailure: 'The shop was away.', state: 'scheduled' });
  expect(pending?.nextAttemptAt?.getTime()).toBeGreaterThan(Date.now());
  expect(await gateway.pollers(queue)).toBe(1);
});

test('a server that is away is an error, soon', async () => {
  const away = Connection.lazy({ address: '127.0.0.1:1' });
  const gone = createTemporalGateway({ connection: away, namespace, eagerStart: false });
  await expect(gone.describeRun({ workspaceId: 'ws_1', runId: 'run_1' })).rejects.toThrow();
  await away.close();
});
