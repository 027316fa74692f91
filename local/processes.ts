import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from './errors.js';

/** A server this machine runs for us; it outlives a killed parent and is adopted by the next one. */
export interface LocalServer {
  readonly pid: number;
  /** It was running already, left by a parent that was killed. */
  readonly adopted: boolean;
  /** In good order; answers when it is gone. */
  readonly stop: () => Promise<void>;
  /** At once, without waiting; its data survives. */
  readonly kill: () => void;
}

/** Children get no secrets of ours and no settings that would change them. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, SystemRoot } = process.env;
  return { PATH, HOME, TMPDIR, SystemRoot, LC_ALL: 'C' };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Process numbers are used again, so a number alone proves nothing: does the process's command line hold `mark`?
 * A system that cannot tell is believed.
 */
export function isProcessOf(pid: number, mark: string): boolean {
  if (!isAlive(pid)) return false;
  const command = commandLine(pid);
  return command === undefined || command.includes(mark);
}

export function commandLine(pid: number): string | undefined {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    const ps = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
    return ps.status === 0 ? ps.stdout : undefined;
  }
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (isAlive(pid)) throw error;
  }
}

/** Sends each signal in turn until the process is gone, waiting `patienceMs` after each. */
export async function endProcess(pid: number, signals: readonly NodeJS.Signals[], patienceMs: number): Promise<void> {
  for (const signal of signals) {
    sendSignal(pid, signal);
    if (await waitUntil(() => !isAlive(pid), { patienceMs })) return;
  }
}

/** Asks again and again until the answer is yes; false when patience ends. */
export async function waitUntil(
  ask: () => boolean | Promise<boolean>,
  { patienceMs, everyMs = 40 }: { readonly patienceMs: number; readonly everyMs?: number },
): Promise<boolean> {
  const end = Date.now() + patienceMs;
  while (!(await ask())) {
    if (Date.now() > end) return false;
    await sleep(everyMs);
  }
  return true;
}

/** Undefined when the port can be listened on, else the system's code (`EADDRINUSE`, `EACCES`). */
export function portTrouble(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** The first of the wished ports that is free, else any free one. */
export async function choosePort(...wished: readonly (number | undefined)[]): Promise<number> {
  for (const port of wished) {
    if (port !== undefined && (await portTrouble(port)) === undefined) return port;
  }
  return freePort();
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
