import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createApp } from '../api/app.js';
import { readApiConfig } from '../api/config.js';
import { defaultRateLimits } from '../api/http/config.js';
import { listen, type Listening } from '../api/http/listen.js';
import type { Route } from '../api/http/route.js';
import { startApi } from '../api/server.js';
import { createServices } from '../api/services/create.js';
import { createTemporalGateway } from '../api/temporal/gateway.js';
import { openDatabase } from '../db/client.js';
import { createRunNews } from '../db/listen.js';
import { createLogger, logFile } from '../db/log.js';
import { migrate } from '../db/migrate.js';
import { openKeys } from '../db/vault/open.js';
import { findTool } from '../local/find-tool.js';
import { choosePort } from '../local/processes.js';
import { startPostgres } from '../local/postgres.js';
import { startTemporal } from '../local/temporal.js';
import { temporalCli } from '../local/tools.js';
import { readWorkerConfig } from '../workers/config.js';
import { createEngineWorker, workerTuning } from '../workers/worker.js';
import { cpuTime, type CpuTime } from './cpu.js';
import { handActivities } from './hand/activities.js';
import { handTalk, leave, say, type HandWorkflow } from './hand/workflow.js';

const NAMESPACE = 'keelson';
const HAND_QUEUE = 'hand';
const BASE_PORT = 4_340;

/** The platform as `npm start` arranges it, and beside it a worker for the hand-written workflow with the same settings. */
export interface Stage {
  readonly apiUrl: string;
  readonly databaseUrl: string;
  /** Runs a hand-written workflow to its end; starts are eager, as the platform's own. */
  readonly runByHand: (workflow: HandWorkflow, id: string) => Promise<void>;
  /** A conversation written by hand: a turn of it is an update and an activity without work or records. */
  readonly talkByHand: (id: string) => Promise<HandTalk>;
  /** Of each run started since the last call: what the API spent in all, and in the call that starts the workflow. */
  readonly takeStartTimes: () => readonly StartTime[];
  /** A second API of the same process that answers these rows alone, with the real services behind them. */
  readonly serve: (rows: readonly Route[]) => Promise<Listening>;
  /** Processor time spent so far in ms: our process, then all three with Temporal and Postgres where the system tells. */
  readonly cpu: () => CpuTime;
  readonly stop: () => Promise<void>;
}

export interface HandTalk {
  readonly say: () => Promise<unknown>;
  readonly leave: () => Promise<unknown>;
}

export interface StartTime {
  readonly requestMs: number;
  readonly temporalMs: number;
}

export async function startStage(say: (text: string) => void): Promise<Stage> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-bench-'));
  // the account Postgres runs as passes through
  fs.chmodSync(folder, 0o711);
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const [postgres, temporal] = await Promise.all([
    startPostgres({ dataDir: path.join(folder, 'postgres'), port: await choosePort(BASE_PORT) }),
    startLocalTemporal(folder, say),
  ]);
  const platform = await startProcess(folder, { databaseUrl: postgres.url, address: temporal.address });
  return {
    ...platform,
    databaseUrl: postgres.url,
    cpu: () => cpuTime([temporal.pid, postgres.pid]),
    stop: async () => {
      await platform.stop();
      await Promise.all([temporal.stop(), postgres.stop()]);
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function startLocalTemporal(folder: string, say: (text: string) => void) {
  const cliPath = await findTool(temporalCli, {
    env: process.env,
    progress: say,
    fallbackCache: path.join(folder, 'cache'),
  });
  const ports = { port: await choosePort(BASE_PORT + 1), uiPort: 0 };
  return startTemporal({
    ...{ dataDir: path.join(folder, 'temporal'), cliPath, namespace: NAMESPACE, headless: true },
    ports,
  });
}

async function startProcess(folder: string, servers: { readonly databaseUrl: string; readonly address: string }) {
  const env = {
    DATABASE_URL: servers.databaseUrl,
    TEMPORAL_ADDRESS: servers.address,
    TEMPORAL_NAMESPACE: NAMESPACE,
    KEELSON_MASTER_KEY: randomBytes(32).toString('hex'),
    KEELSON_SIGNUP: 'open',
    ...{
      KEELSON_RATE_LIMIT_AUTH: '1000000',
      KEELSON_RATE_LIMIT_PUBLIC: '1000000',
      KEELSON_RATE_LIMIT_API: '1000000000',
      KEELSON_RATE_LIMIT_KEY: '1000000000',
    },
    ...{ HOST: '127.0.0.1', PORT: '0' },
  };
  const owner = openDatabase({ url: servers.databaseUrl, as: 'owner', maxConnections: 2 });
  await migrate(owner);
  await owner.destroy();
  const db = openDatabase({ url: servers.databaseUrl });
  const times = createStartTimes();
  const file = logFile(path.join(folder, 'keelson.log'));
  const log = createLogger({
    level: 'info',
    name: 'local',
    destination: { write: (line) => file.write(times.see(line)) },
  });
  const connection = await NativeConnection.connect({ address: servers.address });
  const config = readWorkerConfig(env);
  const workers = [
    await createEngineWorker({ connection, config, db, log }),
    await createHandWorker(connection, config),
  ];
  const running = Promise.all(workers.map((worker) => worker.run()));
  const gateway = createTemporalGateway({ connection, namespace: NAMESPACE, eagerStart: true });
  const apiConfig = readApiConfig(env);
  const api = await startApi({ config: apiConfig, db, temporal: times.around(gateway), log });
  const client = new Client({ connection, namespace: NAMESPACE });
  return {
    apiUrl: `http://127.0.0.1:${api.port}`,
    takeStartTimes: times.take,
    serve: async (routes: readonly Route[]) => {
      const keys = await openKeys({ db, settings: apiConfig, log });
      const news = createRunNews({ url: servers.databaseUrl, onError: () => undefined });
      const services = createServices({
        config: { ...apiConfig, masterKey: keys.masterKey },
        vault: keys.vault,
        db,
        temporal: gateway,
        news,
        log,
      });
      const rateLimits = { ...defaultRateLimits, ...apiConfig.rateLimits };
      const app = createApp({ routes, services, db, log, config: { ...apiConfig, version: 'bench', rateLimits } });
      return listen(app, { port: 0, host: '127.0.0.1' });
    },
    runByHand: async (workflow: HandWorkflow, workflowId: string) => {
      await client.workflow.execute(workflow, {
        ...{ workflowId, taskQueue: HAND_QUEUE, args: [{ text: 'hello' }], requestEagerStart: true },
      });
    },
    talkByHand: async (workflowId: string) => {
      const handle = await client.workflow.start(handTalk, { workflowId, taskQueue: HAND_QUEUE });
      return {
        say: () => handle.executeUpdate(say, { args: [{ text: 'hello' }] }),
        leave: () => handle.executeUpdate(leave),
      };
    },
    stop: async () => {
      await api.close();
      for (const worker of workers) worker.shutdown();
      await running;
      await connection.close();
      await db.destroy();
    },
  };
}

function createHandWorker(connection: NativeConnection, config: ReturnType<typeof readWorkerConfig>): Promise<Worker> {
  return Worker.create({
    connection,
    namespace: NAMESPACE,
    taskQueue: HAND_QUEUE,
    workflowsPath: fileURLToPath(new URL('./hand/workflow.js', import.meta.url)),
    activities: handActivities,
    ...workerTuning(config),
  });
}

type Gateway = ReturnType<typeof createTemporalGateway>;

/** Pairs the API's own access log with the time spent in Temporal; only fair while one run starts at a time. */
function createStartTimes() {
  const temporalMs: number[] = [];
  const requestMs: number[] = [];
  return {
    see: (line: string): string => {
      if (line.includes('"route":"chains.run"')) requestMs.push(Number(/"ms":([\d.]+)/.exec(line)?.[1]));
      return line;
    },
    around: (gateway: Gateway): Gateway => ({
      ...gateway,
      startRun: async (input) => {
        const start = performance.now();
        await gateway.startRun(input);
        temporalMs.push(performance.now() - start);
      },
    }),
    take: (): readonly StartTime[] => {
      const starts = temporalMs.splice(0);
      return requestMs.splice(0).map((ms, index) => ({ requestMs: ms, temporalMs: starts[index] ?? 0 }));
    },
  };
}
