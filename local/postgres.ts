import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { z } from 'zod';
import { StartError } from './errors.js';
import { openLog, PASSAGE, readPrivateJson, realFolder, sizeOf, tailOf, writePrivateJson } from './files.js';
import { createRunner, takeOwnership, type RunMode, type Runner } from './postgres-binaries.js';
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

const USER = 'keelson';
const DATABASE = 'keelson';
const PATIENCE_MS = 30_000;

export interface PostgresOptions {
  /** Holds the database, its log, and the password (mode 0600). */
  readonly dataDir: string;
  /** Insist on this port: its clients are connected to it. Otherwise the last one used, or any free one. */
  readonly port?: number;
  /** Server settings beside our own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How to run it as root; chosen by what the machine allows when left out. */
  readonly runAs?: RunMode;
}

export interface LocalPostgres extends LocalServer {
  readonly url: string;
  readonly port: number;
}

const State = z.object({ password: z.string(), port: z.number().optional() });
type State = z.output<typeof State>;

interface Place {
  readonly data: string;
  readonly log: string;
  readonly stateFile: string;
}

/** Starts the bundled Postgres, or adopts the one a killed parent left running on the same data. */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  const place = placeIn(realFolder(options.dataDir, PASSAGE));
  const state = readState(place);
  const running = await findRunning(place, state);
  if (running !== undefined) {
    await createDatabase(state, running.port);
    return handle(running, state, true);
  }
  const runner = createRunner(options.runAs);
  initialise(place, runner, state);
  const port = await portFor(options, state);
  writePrivateJson(place.stateFile, { ...state, port });
  const pid = await launch({ place, runner, state, port, settings: options.settings ?? {} });
  await createDatabase(state, port);
  return handle({ pid, port }, state, false);
}

const placeIn = (root: string): Place => ({
  data: path.join(root, 'data'),
  log: path.join(root, 'postgres.log'),
  stateFile: path.join(root, 'postgres.json'),
});

/** Where the database of a folder answers while it runs; undefined where none was ever started. */
export function localPostgresUrl(dataDir: string): string | undefined {
  const kept = State.safeParse(readPrivateJson(placeIn(dataDir).stateFile));
  return kept.success && kept.data.port !== undefined ? urlOf(kept.data, kept.data.port, DATABASE) : undefined;
}

function readState({ stateFile, data }: Place): State {
  const kept = State.safeParse(readPrivateJson(stateFile));
  if (kept.success) return kept.data;
  if (fs.existsSync(data)) {
    throw new StartError(`${stateFile} holds the database's password and is missing: restore it, or remove ${data}.`);
  }
  const fresh = { password: randomBytes(24).toString('hex') };
  writePrivateJson(stateFile, fresh);
  return fresh;
}

function handle({ pid, port }: { pid: number; port: number }, state: State, adopted: boolean): LocalPostgres {
  return {
    pid,
    port,
    adopted,
    url: urlOf(state, port, DATABASE),
    stop: () => endProcess(pid, ['SIGINT', 'SIGQUIT', 'SIGKILL'], 15_000),
    kill: () => sendSignal(pid, 'SIGQUIT'),
  };
}

const urlOf = ({ password }: State, port: number, database: string): string =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;

async function portFor({ port: wished }: PostgresOptions, state: State): Promise<number> {
  if (wished === undefined) return choosePort(state.port);
  const free = await waitUntil(async () => (await portTrouble(wished)) === undefined, { patienceMs: PATIENCE_MS });
  if (!free) throw new StartError(`Port ${wished} of the local Postgres was taken by another program: end that one.`);
  return wished;
}

/**
 * The server named in postmaster.pid, once it answers for this very folder. One that is starting or stopping is waited
 * for. The file of a dead server stays: Postgres itself reads it to make sure that none of its children live.
 */
async function findRunning({ data }: Place, state: State): Promise<{ pid: number; port: number } | undefined> {
  const found = readPostmasterFile(data);
  if (found === undefined) return undefined;
  if (isAlive(found.pid) && !isProcessOf(found.pid, data)) {
    fs.rmSync(path.join(data, 'postmaster.pid'), { force: true });
    return undefined;
  }
  let answered = false;
  const settled = await waitUntil(
    async () => !isAlive(found.pid) || (answered = await answersFor(data, urlOf(state, found.port, 'postgres'))),
    { patienceMs: PATIENCE_MS },
  );
  if (!settled) throw new StartError(`The local Postgres (process ${found.pid}) does not answer: end it, start again.`);
  return answered ? found : undefined;
}

function readPostmasterFile(data: string): { pid: number; port: number } | undefined {
  const file = path.join(data, 'postmaster.pid');
  if (!fs.existsSync(file)) return undefined;
  const [pid = '', , , port = ''] = fs.readFileSync(file, 'utf8').split('\n');
  return Number(pid) > 0 ? { pid: Number(pid), port: Number(port) } : undefined;
}

async function answersFor(data: string, url: string): Promise<boolean> {
  try {
    return await withClient(url, async (client) => {
      const { rows } = await client.query<{ data_directory: string }>('show data_directory');
      return rows[0]?.data_directory === data;
    });
  } catch {
    return false;
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function createDatabase(state: State, port: number): Promise<void> {
  await withClient(urlOf(state, port, 'postgres'), async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  });
}

/** Made beside its place and renamed, so that a half-made one is never taken for a database. */
function initialise({ data }: Place, runner: Runner, state: State): void {
  if (fs.existsSync(data)) return takeOwnership(data, runner);
  const draft = `${data}.new`;
  fs.rmSync(draft, { recursive: true, force: true });
  fs.mkdirSync(draft, { mode: 0o700 });
  takeOwnership(draft, runner);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-'));
  try {
    runInitdb({ draft, scratch, runner, password: state.password });
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
  fs.renameSync(draft, data);
}

function runInitdb({ draft, scratch, runner, password }: InitdbInput): void {
  const passwordFile = path.join(scratch, 'password');
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  if (runner.owner !== undefined) {
    fs.chownSync(scratch, runner.owner.uid, runner.owner.gid);
    fs.chownSync(passwordFile, runner.owner.uid, runner.owner.gid);
  }
  const flags = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions'];
  const { file, args, options } = runner.command('initdb', [
    ...['-D', draft, '-U', USER, `--pwfile=${passwordFile}`],
    ...flags,
  ]);
  const done = spawnSync(file, args, { ...options, encoding: 'utf8', env: bareEnvironment() });
  if (done.status === 0) return;
  throw new StartError(`Postgres could not make its data folder (${runner.mode}): ${reasonIn(done.stderr ?? '')}`);
}

interface InitdbInput {
  readonly draft: string;
  readonly scratch: string;
  readonly runner: Runner;
  readonly password: string;
}

interface LaunchInput {
  readonly place: Place;
  readonly runner: Runner;
  readonly state: State;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** Tried again while children of a killed server still hold its memory. */
async function launch(input: LaunchInput): Promise<number> {
  const { place, runner } = input;
  let refusal = '';
  const end = Date.now() + PATIENCE_MS;
  do {
    const start = sizeOf(place.log);
    const pid = await launchOnce(input);
    if (pid !== undefined) return pid;
    refusal = tailOf(place.log, start);
  } while (/shared memory block|lock file/.test(refusal) && Date.now() < end);
  throw new StartError(`Postgres did not start (${runner.mode}), see ${place.log}: ${reasonIn(refusal)}`);
}

async function launchOnce({ place, runner, state, port, settings }: LaunchInput): Promise<number | undefined> {
  const given = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200', ...settings };
  const flags = Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { file, args, options } = runner.command('postgres', ['-D', place.data, '-p', String(port), ...flags]);
  const log = openLog(place.log);
  const child = spawn(file, args, {
    ...options,
    env: bareEnvironment(),
    stdio: ['ignore', log, log],
    detached: true,
  });
  fs.closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  const url = urlOf(state, port, 'postgres');
  let ready = false;
  await waitUntil(async () => hasEnded(child) || (ready = await answersFor(place.data, url)), {
    patienceMs: PATIENCE_MS,
  });
  return ready ? child.pid : undefined;
}

/** A program that is not there never gets a process number. */
function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** The line that says why, without its time and process. */
function reasonIn(text: string): string {
  const lines = text.trim().split('\n');
  const fatal = lines.findLast((line) => /FATAL|error:/.test(line)) ?? lines.at(-1) ?? '';
  return fatal.replace(/^.*(FATAL|error): +/, '');
}
