import { setTimeout as pause } from 'node:timers/promises';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { openDatabase } from '../db/client.js';
import { createLogger, type Logger } from '../db/log.js';
import { temporalConnection } from '../db/settings.js';
import { collectProcessMetrics } from '../db/telemetry/metrics.js';
import { openTracing } from '../db/telemetry/tracing.js';
import { SettingsError } from '../db/variables.js';
import { readWorkerConfig, type WorkerConfig } from './config.js';
import { serveHealth } from './health.js';
import { sdkLogger } from './sdk-logger.js';
import { createEngineWorker } from './worker.js';

const RETRY_MS = 1_000;

/** `npm run worker`: workflows and activities alone; any number of them may run. */
async function main(): Promise<void> {
  const config = readWorkerConfig(process.env);
  const log = createLogger({ level: config.logLevel, name: 'worker' });
  Runtime.install({ logger: sdkLogger(log), shutdownSignals: ['SIGINT', 'SIGTERM'] });
  collectProcessMetrics();
  const tracing = openTracing(config.tracing, 'keelson-worker');
  const db = openDatabase({
    url: config.databaseUrl,
    onError: (error) => log.warn({ reason: error.message }, 'a connection to Postgres broke'),
  });
  const connection = await connect(config, log);
  const worker = await createEngineWorker({ connection, config, db, log, tracing });
  const isHealthy = (): boolean => worker.getState() === 'RUNNING';
  const health = config.healthPort === undefined ? null : await serveHealth(config.healthPort, isHealthy);
  log.info({ queues: config.queues }, 'the worker polls');
  await worker.run();
  await health?.close();
  await connection.close();
  await db.destroy();
  await tracing?.stop();
}

/** A worker may start before its server does. */
async function connect(config: WorkerConfig, log: Logger): Promise<NativeConnection> {
  for (;;) {
    try {
      return await NativeConnection.connect(temporalConnection(config.temporal));
    } catch (error) {
      log.warn({ address: config.temporal.address, reason: String(error) }, 'Temporal does not answer yet');
      await pause(RETRY_MS);
    }
  }
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(error instanceof SettingsError ? `${message}\n` : `The worker failed: ${message}\n`);
  process.exit(1);
});
