import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createTemporalGateway, type TemporalGateway } from '../../api/temporal/gateway.js';
import { ensureNamespace } from '../../local/temporal-namespace.js';
import type { RunInput, RunRef } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { linePlan, pass } from '../support/plans.js';
import { newRunRef } from '../support/runs.js';
import { temporalAddress } from '../support/temporal.js';
import { until } from '../support/until.js';

/** A real server and no worker: what is said to a run is accepted and not heard. */
let connection: NativeConnection;
let gateway: TemporalGateway;

beforeAll(async () => {
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const address = await temporalAddress();
  const own = await Connection.connect({ address });
  await ensureNamespace(own, namespace);
  await own.close();
  connection = await NativeConnection.connect({ address });
  gateway = createTemporalGateway({ connection, namespace, eagerStart: false });
}, 60_000);
afterAll(() => connection.close());

const inputOf = (run: RunRef): RunInput => ({
  run,
  source: { plan: linePlan(pass('a')) },
  input: inline('x'),
});

async function started(): Promise<RunRef> {
  const run = newRunRef();
  await until(
    () =>
      gateway.startRun(inputOf(run)).then(
        () => true,
        () => false,
      ),
    (isDone) => isDone,
  );
  return run;
}

const pause = (run: RunRef, requestId: string) => gateway.pauseRun(run, { paused: true, by: 'usr_ana', requestId });

test('a run nobody started is closed to every message', async () => {
  const run = newRunRef();
  expect(await pause(run, 'p')).toMatchObject({ outcome: 'closed' });
  expect(await gateway.signalEvent(run, { id: 'e', name: 'n', key: null, payload: inline(1) })).toBe(false);
  expect(await gateway.cancelRun(run)).toBe(false);
  expect(await gateway.terminateRun(run, 'x')).toBe(false);
  expect(await gateway.statusOfRun(run)).toBe('unknown');
});

test('a run is told apart as open and terminated', async () => {
  const run = await started();
  expect(await gateway.statusOfRun(run)).toBe('open');
  expect(await gateway.cancelRun(run)).toBe(true);
  expect(await gateway.cancelRun(run)).toBe(true);
  expect(await gateway.signalEvent(run, { id: 'e', name: 'n', key: null, payload: inline(1) })).toBe(true);
  expect(await gateway.terminateRun(run, 'x')).toBe(true);
  expect(await gateway.statusOfRun(run)).toBe('terminated');
  expect(await gateway.terminateRun(run, 'x')).toBe(false);
  expect(await gateway.cancelRun(run)).toBe(true);
});

test('a run whose place is taken is never started, and one that was started keeps its place', async () => {
  const run = newRunRef();
  const input = inputOf(run);
  expect(await gateway.takePlace(input)).toBe(true);
  await gateway.startRun(input);
  expect(await gateway.statusOfRun(run)).toBe('terminated');
  expect(await gateway.takePlace(inputOf(await started()))).toBe(false);
});

test('an eleventh caller of one run is turned away at once, and those before are answered when it ends', async () => {
  const run = await started();
  const callers = Array.from({ length: 10 }, (_, index) => pause(run, `p${index}`));
  expect(await pause(run, 'p10')).toMatchObject({ outcome: 'busy' });
  expect(await gateway.statusOfRun(run)).toBe('open');
  await gateway.terminateRun(run, 'x');
  const outcomes = (await Promise.all(callers)).map(({ outcome }) => outcome);
  expect(new Set(outcomes)).toEqual(new Set(['closed']));
  expect(await pause(run, 'p11')).toMatchObject({ outcome: 'closed' });
});
