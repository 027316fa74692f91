import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { waitUntil } from '../../local/processes.js';

const START_PATIENCE_MS = 60_000;
const RESTART_PAUSE_MS = 500;

export interface Program {
  readonly name: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Answers 200 once it does its work. */
  readonly healthUrl: string;
}

/** One of our own processes, kept running as any supervisor would: one that ends by itself is started again. */
export interface Supervised {
  readonly kill: (downMs: number) => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly ownExits: () => number;
}

export async function startProgram(program: Program): Promise<Supervised> {
  let ownExits = 0;
  let isHeldDown = false;
  let child = launch(program, onExit);

  function onExit(ended: ChildProcess): void {
    if (isHeldDown || ended !== child) return;
    ownExits += 1;
    setTimeout(() => {
      if (!isHeldDown && ended === child) child = launch(program, onExit);
    }, RESTART_PAUSE_MS);
  }

  const end = async (): Promise<void> => {
    isHeldDown = true;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await gone;
  };

  await isUp(program);
  return {
    kill: async (downMs) => {
      await end();
      await pause(downMs);
      isHeldDown = false;
      child = launch(program, onExit);
    },
    stop: end,
    ownExits: () => ownExits,
  };
}

function launch({ script, env, logFile }: Program, onExit: (ended: ChildProcess) => void): ChildProcess {
  const log = fs.openSync(logFile, 'a');
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [script], { env: { PATH, HOME, ...env }, stdio: ['ignore', log, log] });
  fs.closeSync(log);
  child.once('exit', () => onExit(child));
  return child;
}

export async function isUp({ name, healthUrl, logFile }: Program): Promise<void> {
  const ready = await waitUntil(() => answers(healthUrl), { patienceMs: START_PATIENCE_MS, everyMs: 100 });
  if (!ready) throw new Error(`${name} did not come up, see ${logFile}`);
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
