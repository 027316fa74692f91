import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import { z } from 'zod';
import { StartError } from './errors.js';
import { openLog, readPrivateJson, realFolder, sizeOf, tailOf, writePrivateJson } from './files.js';
import {
  bareEnvironment,
  choosePort,
  endProcess,
  isAlive,
  isProcessOf,
  portTrouble,
  sendSignal,
  waitUntil,
  type LocalServer,
} from './processes.js';
import { ensureNamespace } from './temporal-namespace.js';

const PATIENCE_MS = 30_000;

export interface TemporalOptions {
  /** Holds the server's database, its log and the ports it uses. */
  readonly dataDir: string;
  readonly cliPath: string;
  readonly namespace: string;
  /** Insist on these ports: its clients are connected to them. Otherwise the last used, 7233 and 8233, or free ones. */
  readonly ports?: TemporalPorts;
  /** Without its web pages. */
  readonly headless?: boolean;
}

export interface TemporalPorts {
  readonly port: number;
  readonly uiPort: number;
}

export interface LocalTemporal extends LocalServer {
  readonly address: string;
  /** Undefined when headless. */
  readonly uiUrl: string | undefined;
  readonly ports: TemporalPorts;
}

const State = z.object({ port: z.number(), uiPort: z.number(), pid: z.number().optional() });
type State = z.output<typeof State>;

interface Place {
  readonly database: string;
  readonly log: string;
  readonly stateFile: string;
}

/** Starts the local Temporal server, or adopts the one a killed parent left running on the same data. */
export async function startTemporal(options: TemporalOptions): Promise<LocalTemporal> {
  const root = realFolder(options.dataDir);
  const place = {
    database: path.join(root, 'temporal.db'),
    log: path.join(root, 'temporal.log'),
    stateFile: path.join(root, 'temporal.json'),
  };
  const kept = State.safeParse(readPrivateJson(place.stateFile)).data;
  const pid = await findRunning(place, kept);
  if (kept !== undefined && pid !== undefined) {
    await prepare(kept.port, options.namespace);
    return handle({ pid, ports: kept, adopted: true }, options);
  }
  const ports = await portsFor(options, kept);
  const started = await launch(place, ports, options);
  await prepare(ports.port, options.namespace);
  return handle({ pid: started, ports, adopted: false }, options);
}

function handle({ pid, ports, adopted }: Found, { headless = false }: TemporalOptions): LocalTemporal {
  const { port, uiPort } = ports;
  return {
    pid,
    adopted,
    ports: { port, uiPort },
    address: addressOf(port),
    uiUrl: headless ? undefined : `http://localhost:${uiPort}`,
    stop: () => endProcess(pid, ['SIGTERM', 'SIGKILL'], 10_000),
    kill: () => sendSignal(pid, 'SIGKILL'),
  };
}

interface Found {
  readonly pid: number;
  readonly ports: TemporalPorts;
  readonly adopted: boolean;
}

const addressOf = (port: number): string => `127.0.0.1:${port}`;

async function portsFor({ ports }: TemporalOptions, kept: State | undefined): Promise<TemporalPorts> {
  if (ports === undefined) {
    const port = await choosePort(kept?.port, 7233);
    return { port, uiPort: await choosePort(kept?.uiPort, 8233) };
  }
  const free = await waitUntil(async () => (await portTrouble(ports.port)) === undefined, { patienceMs: PATIENCE_MS });
  if (!free)
    throw new StartError(`Port ${ports.port} of the local Temporal was taken by another program: end that one.`);
  return ports;
}

/** Two servers must never share the file, so one that lives without answering is ended before another starts. */
async function findRunning({ database }: Place, kept: State | undefined): Promise<number | undefined> {
  const pid = kept?.pid;
  if (kept === undefined || pid === undefined || !isProcessOf(pid, database)) return undefined;
  let answered = false;
  await waitUntil(async () => !isAlive(pid) || (answered = await isServing(kept.port)), { patienceMs: 10_000 });
  if (answered) return pid;
  await endProcess(pid, ['SIGTERM', 'SIGKILL'], 5_000);
  return undefined;
}

async function launch(place: Place, ports: TemporalPorts, options: TemporalOptions): Promise<number> {
  const start = sizeOf(place.log);
  const log = openLog(place.log);
  const child = spawn(options.cliPath, flags(place, ports, options), {
    env: bareEnvironment(),
    stdio: ['ignore', log, log],
    detached: true,
  });
  fs.closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  writePrivateJson(place.stateFile, { ...ports, pid: child.pid });
  let ready = false;
  await waitUntil(async () => hasEnded(child) || (ready = await isServing(ports.port)), { patienceMs: PATIENCE_MS });
  if (ready && child.pid !== undefined) return child.pid;
  if (child.pid !== undefined) await endProcess(child.pid, ['SIGKILL'], 5_000);
  const reason = tailOf(place.log, start).trim().split('\n').at(-1);
  throw new StartError(`The local Temporal server did not start, see ${place.log}: ${reason ?? 'it said nothing'}`);
}

/** A program that is not there never gets a process number. */
const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

/** Its defaults let a burst wait 50 ms a task, stretch every short timer to a second and sync each write twice. */
const DYNAMIC = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=500',
  'history.timerProcessorMaxTimeShift="10ms"',
  'matching.enableFairness=true',
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  'frontend.WorkflowPauseEnabled=true',
];

function flags({ database }: Place, { port, uiPort }: TemporalPorts, options: TemporalOptions): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--log-level', 'warn'],
    ...(options.headless === true ? ['--headless'] : ['--ui-port', String(uiPort)]),
    ...['--db-filename', database, '--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=1'],
    ...DYNAMIC.flatMap((value) => ['--dynamic-config-value', value]),
  ];
}

async function isServing(port: number): Promise<boolean> {
  try {
    const status = await withConnection(port, (connection) =>
      connection.healthService.check({ service: 'temporal.api.workflowservice.v1.WorkflowService' }),
    );
    return Number(status.status) === 1;
  } catch {
    return false;
  }
}

async function prepare(port: number, namespace: string): Promise<void> {
  await withConnection(port, (connection) => ensureNamespace(connection, namespace));
}

async function withConnection<T>(port: number, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: addressOf(port), connectTimeout: 2_000 });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
