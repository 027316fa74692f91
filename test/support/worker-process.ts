import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '../../local/processes.js';

/** A worker in a process of its own, for tests that kill it. */
export interface WorkerProcess {
  /** Once it asks Temporal for work. */
  readonly polls: Promise<void>;
  /** SIGKILL: nothing of it is finished, nothing is handed back. */
  readonly kill: () => Promise<void>;
}

const script = fileURLToPath(new URL('../../workers/main.js', import.meta.url));
const LAST_WORDS = 2_000;

export function startWorkerProcess(env: Readonly<Record<string, string>>): WorkerProcess {
  const child = spawn(process.execPath, [script], {
    env: { ...bareEnvironment(), LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const polls = new Promise<void>((resolve, reject) => {
    const listen = (chunk: Buffer): void => {
      told = `${told}${chunk.toString()}`.slice(-LAST_WORDS);
      if (told.includes('the worker polls')) resolve();
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('exit', () => reject(new Error(`The worker ended: ${told}`)));
  });
  // a worker that is killed before it polls is missed by nobody
  polls.catch(() => undefined);
  return {
    polls,
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
