import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { openDatabase } from '../../db/client.js';
import { migrate } from '../../db/migrate.js';
import { findTool } from '../../local/find-tool.js';
import { choosePort, sendSignal, waitUntil, isAlive } from '../../local/processes.js';
import { startPostgres } from '../../local/postgres.js';
import { startTemporal } from '../../local/temporal.js';
import { temporalCli } from '../../local/tools.js';
import { startProgram, type Supervised } from './process.js';

export const killKinds = ['worker', 'api', 'temporal', 'postgres'] as const;
export type KillKind = (typeof killKinds)[number];

export const NAMESPACE = 'keelson';

/** The platform as separate processes, each of which can be killed. */
export interface Platform {
  readonly apiUrls: readonly string[];
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  /** SIGKILL to one process of the kind; it is started again after `downMs`. */
  readonly kill: (kind: KillKind, which: number, downMs: number) => Promise<void>;
  /** Processes of ours that ended without being killed. */
  readonly ownExits: () => number;
  readonly stop: () => Promise<void>;
}

export interface PlatformOptions {
  readonly folder: string;
  /** The first of ten ports it may use, below those that outgoing connections take. */
  readonly basePort: number;
  readonly egressAllow: string;
  readonly say: (text: string) => void;
}

interface Server {
  readonly kill: (downMs: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { folder, basePort } = options;
  const postgres = await startDatabase(folder, await choosePort(basePort));
  const temporal = await startEngine(options, await choosePort(basePort + 1));
  const env = {
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: NAMESPACE,
    KEELSON_MASTER_KEY: randomBytes(32).toString('hex'),
    KEELSON_EGRESS_ALLOW: options.egressAllow,
    LOG_LEVEL: 'warn',
  };
  const apiPorts = [await choosePort(basePort + 2), await choosePort(basePort + 3)];
  const healthPorts = [await choosePort(basePort + 4), await choosePort(basePort + 5)];
  const [apis, workers] = await Promise.all([
    Promise.all(apiPorts.map((port, index) => startApi(folder, env, { port, index }))),
    Promise.all(healthPorts.map((port, index) => startWorker(folder, env, { port, index }))),
  ]);
  const victims: Readonly<Record<KillKind, readonly Server[]>> = {
    worker: workers,
    api: apis,
    temporal: [temporal],
    postgres: [postgres],
  };
  return {
    apiUrls: apiPorts.map((port) => `http://127.0.0.1:${port}`),
    databaseUrl: postgres.url,
    temporalAddress: temporal.address,
    kill: async (kind, which, downMs) => victims[kind][which % victims[kind].length]?.kill(downMs),
    ownExits: () => [...apis, ...workers].reduce((sum, each) => sum + each.ownExits(), 0),
    stop: async () => {
      await Promise.all([...apis, ...workers].map((each) => each.stop()));
      await Promise.all([temporal.stop(), postgres.stop()]);
    },
  };
}

async function startDatabase(folder: string, port: number): Promise<Server & { readonly url: string }> {
  const dataDir = path.join(folder, 'postgres');
  let server = await startPostgres({ dataDir, port });
  const db = openDatabase({ url: server.url, as: 'owner', maxConnections: 1 });
  await migrate(db);
  await db.destroy();
  return {
    url: server.url,
    kill: async (downMs) => {
      await murder(server.pid);
      await pause(downMs);
      server = await startPostgres({ dataDir, port });
    },
    stop: () => server.stop(),
  };
}

async function startEngine(
  { folder, say }: PlatformOptions,
  port: number,
): Promise<Server & { readonly address: string }> {
  const cliPath = await findTool(temporalCli, {
    env: process.env,
    progress: say,
    fallbackCache: path.join(folder, 'cache'),
  });
  const options = {
    ...{ dataDir: path.join(folder, 'temporal'), cliPath, namespace: NAMESPACE, headless: true },
    ports: { port, uiPort: 0 },
  };
  let server = await startTemporal(options);
  return {
    address: server.address,
    kill: async (downMs) => {
      await murder(server.pid);
      await pause(downMs);
      server = await startTemporal(options);
    },
    stop: () => server.stop(),
  };
}

async function murder(pid: number): Promise<void> {
  sendSignal(pid, 'SIGKILL');
  await waitUntil(() => !isAlive(pid), { patienceMs: 10_000 });
}

interface Place {
  readonly port: number;
  readonly index: number;
}

const script = (name: string): string => fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url));

const startApi = (folder: string, env: Readonly<Record<string, string>>, { port, index }: Place): Promise<Supervised> =>
  startProgram({
    name: `api ${index}`,
    script: script('api'),
    env: { ...env, ...limitless, PORT: String(port), HOST: '127.0.0.1', KEELSON_SIGNUP: 'open' },
    logFile: path.join(folder, `api-${index}.log`),
    healthUrl: `http://127.0.0.1:${port}/health`,
  });

const limitless = {
  KEELSON_RATE_LIMIT_AUTH: '1000000',
  KEELSON_RATE_LIMIT_PUBLIC: '1000000',
  KEELSON_RATE_LIMIT_API: '1000000',
  KEELSON_RATE_LIMIT_KEY: '1000000',
};

const startWorker = (
  folder: string,
  env: Readonly<Record<string, string>>,
  { port, index }: Place,
): Promise<Supervised> =>
  startProgram({
    name: `worker ${index}`,
    script: script('workers'),
    env: { ...env, WORKER_HEALTH_PORT: String(port) },
    logFile: path.join(folder, `worker-${index}.log`),
    healthUrl: `http://127.0.0.1:${port}/healthz`,
  });
