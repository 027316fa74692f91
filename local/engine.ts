import { setTimeout as sleep } from 'node:timers/promises';
import { Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from '../db/log.js';
import { sdkLogger } from '../workers/sdk-logger.js';
import { messageOf } from './errors.js';

const RETRY_MS = 1_000;

/** Before the first connection of the process: our log, and signals are ours to handle. */
export function installRuntime(log: Logger): void {
  Runtime.install({
    logger: sdkLogger(log),
    shutdownSignals: [],
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });
}

export interface EngineInput {
  readonly create: () => Promise<Worker>;
  readonly report: (message: string) => void;
}

/** Runs a worker, and another one whenever it fails. The first one's failure to start is the caller's to see. */
export async function runWorker({ create, report }: EngineInput): Promise<{ readonly stop: () => Promise<void> }> {
  let worker: Worker | undefined = await create();
  let stopped = false;
  const runOnce = async (): Promise<void> => {
    try {
      worker ??= await create();
      await worker.run();
    } catch (error) {
      if (stopped) return;
      report(`The worker failed; starting another: ${messageOf(error)}`);
      await sleep(RETRY_MS);
    } finally {
      worker = undefined;
    }
  };
  const ended = (async () => {
    while (!stopped) await runOnce();
  })();
  return {
    stop: async () => {
      stopped = true;
      if (worker?.getState() === 'RUNNING') worker.shutdown();
      await ended;
    },
  };
}
