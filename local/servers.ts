import path from 'node:path';
import { Connection } from '@temporalio/client';
import { temporalConnection, type TemporalSettings } from '../db/settings.js';
import type { Cleanup } from './cleanup.js';
import { messageOf, StartError } from './errors.js';
import { findTool } from './find-tool.js';
import { startPostgres, type LocalPostgres } from './postgres.js';
import type { LocalServer } from './processes.js';
import type { LocalSettings } from './settings.js';
import { supervise } from './supervise.js';
import { ensureForeignNamespace } from './temporal-namespace.js';
import { startTemporal, type LocalTemporal } from './temporal.js';
import { temporalCli } from './tools.js';

export interface ServersInput {
  readonly root: string;
  readonly settings: LocalSettings;
  readonly namespace: string;
  readonly cleanup: Cleanup;
  readonly say: (message: string) => void;
}

export interface Servers {
  readonly url: string;
  readonly address: string;
  /** Undefined: the Temporal server is somebody else's. */
  readonly uiUrl: string | undefined;
}

/** Brings up at once what the environment does not name; a failure of one waits for the other, so that none is lost. */
export async function startServers(input: ServersInput): Promise<Servers> {
  const [database, temporal] = await Promise.allSettled([providePostgres(input), provideTemporal(input)]);
  if (database.status === 'rejected') throw database.reason;
  if (temporal.status === 'rejected') throw temporal.reason;
  return { url: database.value, ...temporal.value };
}

async function providePostgres({ root, settings, cleanup, say }: ServersInput): Promise<string> {
  if (settings.databaseUrl !== undefined) return settings.databaseUrl;
  const dataDir = path.join(root, 'postgres');
  const postgres = await startPostgres({ dataDir });
  say(started('Postgres', postgres));
  const restart = ({ port }: LocalPostgres): Promise<LocalPostgres> => startPostgres({ dataDir, port });
  await cleanup.add('Postgres', supervise(postgres, { name: 'Postgres', restart, report: say }));
  return postgres.url;
}

async function provideTemporal(input: ServersInput): Promise<Omit<Servers, 'url'>> {
  const { root, settings, namespace, cleanup, say } = input;
  if (settings.temporalAddress !== undefined) return { address: settings.temporalAddress, uiUrl: undefined };
  const cliPath = await findTool(temporalCli, {
    env: process.env,
    progress: say,
    fallbackCache: path.join(root, 'cache'),
  });
  const options = { dataDir: path.join(root, 'temporal'), cliPath, namespace };
  const temporal = await startTemporal(options);
  say(started('Temporal', temporal));
  const restart = ({ ports }: LocalTemporal): Promise<LocalTemporal> => startTemporal({ ...options, ports });
  await cleanup.add('Temporal', supervise(temporal, { name: 'Temporal', restart, report: say }));
  return { address: temporal.address, uiUrl: temporal.uiUrl };
}

function started(name: string, { pid, adopted }: LocalServer): string {
  return adopted ? `${name} was still running (process ${pid}); using it.` : `${name} started (process ${pid}).`;
}

/** Prepares the namespace on a server that is not ours, as far as it lets us. */
export async function prepareForeignTemporal(
  settings: TemporalSettings,
  say: (message: string) => void,
): Promise<void> {
  const connection = await Connection.connect({ ...temporalConnection(settings), connectTimeout: 10_000 }).catch(
    (error: unknown) => {
      throw new StartError(
        `Temporal at ${settings.address} does not answer (${messageOf(error)}): check TEMPORAL_ADDRESS and its TLS settings.`,
      );
    },
  );
  try {
    const advice = await ensureForeignNamespace(connection, settings.namespace);
    if (advice !== undefined) say(advice);
  } finally {
    await connection.close();
  }
}
