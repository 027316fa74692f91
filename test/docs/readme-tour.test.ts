import { spawn, type ChildProcess } from 'node:child_process';
import { once as onceEmitted } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findTool } from '../../local/find-tool.js';
import { temporalCli } from '../../local/tools.js';
import { runFolder } from '../support/run-folder.js';
import { scratchFolder } from '../support/scratch.js';

const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
const readme = fs.readFileSync(path.join(projectRoot, 'README.md'), 'utf8');
const graphs = fs.readFileSync(path.join(projectRoot, 'docs/GRAPHS.md'), 'utf8');

/** The tour's blocks in order, each with what the text behind it says it prints. */
interface Stop {
  readonly commands: string;
  readonly prints: readonly string[];
}

function tourOf(text: string): readonly Stop[] {
  const tour = /<!-- tour -->(.*)<!-- \/tour -->/s.exec(text)?.[1] ?? '';
  return tour
    .split('```sh\n')
    .slice(1)
    .map((part) => {
      const [commands = '', after = ''] = part.split('\n```\n');
      const promise = /^\s*Prints ([\s\S]*?[^.`]?`)\./.exec(after)?.[1] ?? '';
      return { commands, prints: [...promise.matchAll(/`([^`]+)`/g)].map(([, said = '']) => said) };
    });
}

interface Started {
  readonly process: ChildProcess;
  readonly apiUrl: string;
  readonly output: () => string;
}

/** The built `npm start`, in a folder of its own as a fresh clone is. */
async function startKeelson(folder: string): Promise<Started> {
  const cli = await findTool(temporalCli, {
    env: process.env,
    progress: (message) => void process.stderr.write(`${message}\n`),
    fallbackCache: path.join(runFolder(), 'cache'),
  });
  const child = spawn(process.execPath, [path.join(projectRoot, 'dist/local/main.js')], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PORT: '0', TEMPORAL_CLI_PATH: cli },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const apiUrl = await new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      const url = /API +(http\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', () => reject(new Error(`It did not start: ${said}`)));
  });
  return { process: child, apiUrl, output: () => said };
}

async function stop({ process: child }: Started): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const ended = onceEmitted(child, 'exit');
  child.kill('SIGINT');
  await ended;
  return child.exitCode;
}

/** One shell for all blocks, as a person has one terminal; the first failing command ends it. */
async function runTour(
  stops: readonly Stop[],
  { folder, apiUrl }: { folder: string; apiUrl: string },
): Promise<readonly string[]> {
  const script = stops.map(({ commands }) => `${commands}\necho ${MARK}`).join('\n');
  const file = path.join(folder, 'tour.sh');
  fs.writeFileSync(file, script.replace(/^API=.*$/m, `API=${apiUrl}`));
  const shell = spawn('bash', ['-eu', '-o', 'pipefail', file], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const [code] = (await onceEmitted(shell, 'close')) as [number | null];
  expect({ code, printed: code === 0 ? '' : printed }).toEqual({ code: 0, printed: '' });
  return printed.split(`${MARK}\n`);
}

const MARK = '-- next block --';
const stops = tourOf(readme);
let folder: string;
let keelson: Started;

beforeAll(async () => {
  folder = scratchFolder();
  keelson = await startKeelson(folder);
}, 120_000);

afterAll(() => stop(keelson));

test('the README is short, and its tour has every block with what it prints', () => {
  expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(150);
  expect(stops[0]?.commands).toMatch(/^API=http:\/\/localhost:4000\n/);
  expect(stops.slice(1).map(({ prints }) => prints.length)).toEqual([4, 2, 2, 3, 4]);
});

test.each([
  ['README.md', stops],
  ['GRAPHS.md', tourOf(graphs)],
] as const)(
  'the tour of %s works as printed',
  async (_, tour) => {
    expect(tour.length).toBeGreaterThan(4);
    const printed = await runTour(tour, { folder, apiUrl: keelson.apiUrl });
    for (const [index, { prints }] of tour.entries()) {
      for (const said of prints) expect(printed[index]).toContain(said);
    }
  },
  120_000,
);

test('what it started ends with it', async () => {
  expect(await stop(keelson)).toBe(0);
  expect(keelson.output()).toContain('Stopped. Everything is kept for the next start.');
});
