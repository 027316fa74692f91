import { Connection } from '@temporalio/client';
import { openDatabase } from '../db/client.js';
import { createLogger } from '../db/log.js';
import { temporalConnection } from '../db/settings.js';
import { collectProcessMetrics } from '../db/telemetry/metrics.js';
import { openTracing } from '../db/telemetry/tracing.js';
import { SettingsError } from '../db/variables.js';
import { readApiConfig } from './config.js';
import { startApi } from './server.js';
import { createTemporalGateway } from './temporal/gateway.js';

/** `npm run api`: the API alone; any number of them may run. */
async function main(): Promise<void> {
  const config = readApiConfig(process.env);
  const log = createLogger({ level: config.logLevel, name: 'api' });
  collectProcessMetrics();
  const tracing = openTracing(config.tracing, 'keelson-api');
  const db = openDatabase({
    url: config.databaseUrl,
    onError: (error) => log.warn({ reason: error.message }, 'a connection to Postgres broke'),
  });
  // Lazy: the API answers, and keeps what it accepts, while Temporal is away.
  const connection = Connection.lazy(temporalConnection(config.temporal));
  const { namespace } = config.temporal;
  const temporal = createTemporalGateway({ connection, namespace, eagerStart: false });
  const api = await startApi({ config, db, temporal, log });
  log.info({ port: api.port }, 'the API answers');
  const stop = async (signal: string): Promise<void> => {
    log.info({ signal }, 'draining');
    await api.close();
    await connection.close();
    await db.destroy();
    await tracing?.stop();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop(signal));
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(error instanceof SettingsError ? `${message}\n` : `The API could not start: ${message}\n`);
  process.exit(1);
});
