import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, isProcessOf } from '../../local/processes.js';

const VARIABLE = 'KEELSON_TEST_RUN';
const PREFIX = 'keelson-test-';
/** Who opens run folders: jest, the recorder of histories and the contract test. */
const OWNERS = ['jest', 'replay/record', 'contract'];
/** What of the run has a process to end; each wrote a file with its `pid`. */
const SERVERS = ['postgres', 'temporal'];

/** One folder a jest run, shared by its workers; named after jest's process, so that a later run can tell it is over. */
export function openRunFolder(): void {
  process.env[VARIABLE] = fs.mkdtempSync(path.join(os.tmpdir(), `${PREFIX}${process.pid}-`));
}

export function runFolder(): string {
  const folder = process.env[VARIABLE];
  if (folder === undefined) throw new Error('run the tests with `npm test` or jest, which opens the run folder');
  return folder;
}

/** Made by whoever asks first, read by the rest; what is made must survive JSON. */
export async function once<T>(name: string, make: () => Promise<T>): Promise<T> {
  const file = path.join(runFolder(), `${name}.json`);
  const claim = path.join(runFolder(), `${name}.making`);
  while (!fs.existsSync(file)) {
    if (!take(claim)) await sleep(30);
    else await makeInto(file, claim, make);
  }
  // -- reason: only `make` of the same name wrote it
  return JSON.parse(fs.readFileSync(file, 'utf8')) as T;
}

async function makeInto<T>(file: string, claim: string, make: () => Promise<T>): Promise<void> {
  try {
    if (fs.existsSync(file)) return;
    fs.writeFileSync(`${file}.new`, JSON.stringify(await make()));
    fs.renameSync(`${file}.new`, file);
  } finally {
    fs.rmSync(claim, { recursive: true, force: true });
  }
}

function take(claim: string): boolean {
  try {
    fs.mkdirSync(claim);
    return true;
  } catch {
    return false;
  }
}

/** Ends the servers of a run and removes what it left. */
export async function closeRunFolder(folder: string = runFolder()): Promise<void> {
  for (const server of SERVERS) await endServer(path.join(folder, `${server}.json`), folder);
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function endServer(file: string, folder: string): Promise<void> {
  if (!fs.existsSync(file)) return;
  // -- reason: written by `once` from a LocalServer
  const { pid } = JSON.parse(fs.readFileSync(file, 'utf8')) as { readonly pid: number };
  if (isProcessOf(pid, path.basename(folder))) await endProcess(pid, ['SIGQUIT', 'SIGKILL'], 5_000);
}

/** A run that was killed could not end its servers: the next one does. */
export async function sweepDeadRuns(): Promise<void> {
  for (const name of fs.readdirSync(os.tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const pid = Number(name.slice(PREFIX.length).split('-')[0]);
    if (!OWNERS.some((owner) => isProcessOf(pid, owner))) await closeRunFolder(path.join(os.tmpdir(), name));
  }
}
