import path from 'node:path';
import { NativeConnection } from '@temporalio/worker';
import { startApi } from '../api/server.js';
import { createTemporalGateway } from '../api/temporal/gateway.js';
import { openDatabase, type Database } from '../db/client.js';
import { createLogger, logFile, type Logger } from '../db/log.js';
import { migrate } from '../db/migrate.js';
import { temporalConnection } from '../db/settings.js';
import { collectProcessMetrics } from '../db/telemetry/metrics.js';
import { openTracing } from '../db/telemetry/tracing.js';
import { createEngineWorker } from '../workers/worker.js';
import type { Cleanup } from './cleanup.js';
import { installRuntime, runWorker } from './engine.js';
import { codeOf, messageOf, StartError } from './errors.js';
import { PASSAGE, realFolder } from './files.js';
import { lockFolder } from './lock.js';
import { portTrouble } from './processes.js';
import { createSample } from './sample.js';
import { keepSecrets, secretsFile } from './secrets.js';
import { prepareForeignTemporal, startServers, type Servers } from './servers.js';
import { readConfigs, readLocalSettings, type Configs, type LocalSettings } from './settings.js';

export interface PlatformInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cleanup: Cleanup;
  readonly say: (message: string) => void;
}

/** What a person needs to use it. */
export interface Platform {
  readonly apiUrl: string;
  readonly uiUrl: string | undefined;
  readonly temporalAddress: string;
  readonly adminEmail: string;
  /** Where the generated password is; undefined: it was given by KEELSON_ADMIN_PASSWORD. */
  readonly passwordFile: string | undefined;
  /** Where the generated ADMIN_TOKEN is; undefined: it was given. */
  readonly tokenFile: string | undefined;
  readonly logFile: string;
  /** Where mails are shown that are not sent; undefined: a mail server is configured. */
  readonly outboxUrl: string | undefined;
}

interface Context extends PlatformInput {
  readonly configs: Configs;
  readonly log: Logger;
}

/** Everything in one process tree: the servers it needs, then worker and API on one connection, then the sample. */
export async function startPlatform(input: PlatformInput): Promise<Platform> {
  const { env, cleanup, say } = input;
  const settings = readLocalSettings(env);
  const root = realFolder(settings.dataDir, PASSAGE);
  await cleanup.add('lock', { stop: lockFolder(root) });
  const secrets = keepSecrets(root);
  const early = readConfigs(env, secrets, { url: 'postgres://not-yet', address: 'not-yet:1' }).api;
  await requirePort(early.port, early.host);
  const { namespace } = early.temporal;
  const servers = await startServers({ root, settings, namespace, cleanup, say });
  const configs = readConfigs(env, secrets, servers);
  const file = path.join(root, 'keelson.log');
  const log = createLogger({ level: configs.api.logLevel, name: 'local', destination: logFile(file) });
  const port = await startProcess({ ...input, configs, log });
  const apiUrl = `http://localhost:${port}`;
  await createSample({ apiUrl, config: configs.api, root });
  const outboxUrl = configs.api.smtp === undefined ? `${apiUrl}/dev/outbox` : undefined;
  return describe({ settings, servers, apiUrl, root, file, outboxUrl });
}

async function startProcess(context: Context): Promise<number> {
  const { configs, cleanup, log, say } = context;
  collectProcessMetrics();
  const tracing = openTracing(configs.api.tracing, 'keelson');
  if (tracing !== undefined) await cleanup.add('traces', { stop: tracing.stop });
  const db = await prepareDatabase(context);
  if (context.env.TEMPORAL_ADDRESS !== undefined) await prepareForeignTemporal(configs.api.temporal, say);
  installRuntime(log);
  const connection = await NativeConnection.connect(temporalConnection(configs.api.temporal));
  await cleanup.add('connection to Temporal', { stop: () => connection.close() });
  const worker = await runWorker({
    create: () => createEngineWorker({ connection, config: configs.worker, db, log, tracing }),
    report: say,
  });
  await cleanup.add('worker', worker);
  const { namespace } = configs.api.temporal;
  const temporal = createTemporalGateway({ connection, namespace, eagerStart: true });
  const api = await startApi({ config: configs.api, db, temporal, log }).catch((error: unknown) => {
    throw portError(error, configs.api.port) ?? error;
  });
  await cleanup.add('API', { stop: () => api.close() });
  return api.port;
}

async function prepareDatabase({ configs, cleanup, log }: Context): Promise<Database> {
  const url = configs.api.databaseUrl;
  const owner = openDatabase({ url, as: 'owner', maxConnections: 2 });
  try {
    await migrate(owner);
  } catch (error) {
    throw new StartError(`The database could not be brought up to date, check DATABASE_URL: ${messageOf(error)}`);
  } finally {
    await owner.destroy();
  }
  const db = openDatabase({
    url,
    onError: (error) => log.warn({ reason: error.message }, 'a connection to Postgres broke'),
  });
  await cleanup.add('database connections', { stop: () => db.destroy() });
  return db;
}

async function requirePort(port: number, host: string): Promise<void> {
  const code = port === 0 ? undefined : await portTrouble(port, host);
  if (code !== undefined)
    throw portError({ code }, port, host) ?? new StartError(`HOST ${host} cannot be used: ${code}`);
}

function portError(error: unknown, port: number, host = ''): StartError | undefined {
  const code = codeOf(error);
  if (code === 'EADDRINUSE') {
    return new StartError(`Port ${port} is in use: stop the program that holds it, or choose another with PORT.`);
  }
  if (code === 'EACCES')
    return new StartError(`Port ${port} may not be opened by this account: choose one above 1023.`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new StartError(`HOST ${host} is no address of this machine: give one of its own, or 127.0.0.1.`);
  }
  return undefined;
}

interface DescribeInput {
  readonly settings: LocalSettings;
  readonly servers: Servers;
  readonly apiUrl: string;
  readonly root: string;
  readonly file: string;
  readonly outboxUrl: string | undefined;
}

function describe({ settings, servers, apiUrl, root, file, outboxUrl }: DescribeInput): Platform {
  return {
    apiUrl,
    uiUrl: servers.uiUrl,
    temporalAddress: servers.address,
    adminEmail: settings.adminEmail,
    passwordFile: settings.hasOwnPassword ? undefined : secretsFile(root),
    tokenFile: settings.hasOwnToken ? undefined : secretsFile(root),
    logFile: file,
    outboxUrl,
  };
}
