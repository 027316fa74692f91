import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createTemporalGateway } from '../../api/temporal/gateway.js';
import { openDatabase } from '../../db/client.js';
import { createLogger } from '../../db/log.js';
import { openTracing } from '../../db/telemetry/tracing.js';
import { ensureNamespace } from '../../local/temporal-namespace.js';
import { readWorkerConfig } from '../../workers/config.js';
import { createEngineWorker } from '../../workers/worker.js';
import { MASTER_KEY, startTestApi, type TestApi } from './api.js';
import { temporalAddress } from './temporal.js';

export interface TestPlatform extends TestApi {
  readonly client: Client;
  readonly namespace: string;
  /** Ends the worker and starts another: nothing it knew by heart is left. */
  readonly restartWorker: () => Promise<void>;
}

/** API and worker as `npm start` runs them, on a database and a namespace of their own. */
export async function startTestPlatform(env: Readonly<Record<string, string>> = {}): Promise<TestPlatform> {
  const address = await temporalAddress();
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const own = await Connection.connect({ address });
  await ensureNamespace(own, namespace);
  await own.close();
  const connection = await NativeConnection.connect({ address });
  const temporal = createTemporalGateway({ connection, namespace, eagerStart: true });
  const workerEnv = { ...env, TEMPORAL_NAMESPACE: namespace };
  let stopWorker = (): Promise<void> => Promise.resolve();
  const api = await startTestApi({
    env,
    temporal: async (databaseUrl) => {
      stopWorker = await startWorker({ connection, databaseUrl, env: workerEnv });
      return temporal;
    },
  });
  return {
    ...api,
    namespace,
    client: new Client({ connection, namespace }),
    restartWorker: async () => {
      await stopWorker();
      stopWorker = await startWorker({ connection, databaseUrl: api.databaseUrl, env: workerEnv });
    },
    close: async () => {
      await stopWorker();
      await api.close();
      await connection.close();
    },
  };
}

interface WorkerInput {
  readonly connection: NativeConnection;
  readonly databaseUrl: string;
  readonly env: Readonly<Record<string, string>>;
}

async function startWorker({ connection, databaseUrl, env }: WorkerInput): Promise<() => Promise<void>> {
  const db = openDatabase({ url: databaseUrl, maxConnections: 10 });
  const config = readWorkerConfig({
    DATABASE_URL: databaseUrl,
    KEELSON_MASTER_KEY: MASTER_KEY,
    WORKER_SHUTDOWN_GRACE_SECONDS: '1',
    ...env,
  });
  const tracing = openTracing(config.tracing, 'keelson-test');
  const worker = await createEngineWorker({
    connection,
    config,
    db,
    tracing,
    log: createLogger({ level: 'silent', name: 'test' }),
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
    await tracing?.stop();
    await db.destroy();
  };
}
