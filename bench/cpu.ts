import fs from 'node:fs';

export interface CpuTime {
  readonly ownMs: number;
  /** With the servers and their children; the same as `ownMs` where there is no /proc. */
  readonly allMs: number;
}

/** Linux counts in hundredths of a second. */
const TICK_MS = 10;

export function cpuTime(servers: readonly number[]): CpuTime {
  const { user, system } = process.cpuUsage();
  const ownMs = (user + system) / 1_000;
  return { ownMs, allMs: ownMs + serversMs(servers) };
}

function serversMs(servers: readonly number[]): number {
  if (!fs.existsSync('/proc/self/stat')) return 0;
  const stats = fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(statOf);
  return stats
    .filter(({ pid, parent }) => servers.includes(pid) || servers.includes(parent))
    .reduce((sum, { ticks }) => sum + ticks * TICK_MS, 0);
}

function statOf(name: string): { readonly pid: number; readonly parent: number; readonly ticks: number }[] {
  try {
    // pid (command) state parent ...; the command may hold spaces
    const text = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return [{ pid: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }];
  } catch {
    return [];
  }
}
