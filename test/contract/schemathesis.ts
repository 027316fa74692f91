import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const VERSION = '4.32.5';

/** Where Schemathesis is kept from run to run; Python's own installer fetches it. */
export function installSchemathesis(say: (text: string) => void): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  const folder = path.join(cache, 'keelson', `schemathesis-${VERSION}`);
  if (fs.existsSync(path.join(folder, 'done'))) return folder;
  say(`fetching schemathesis ${VERSION}`);
  const done = spawnSync('python3', [
    ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--root-user-action=ignore'],
    ...['--target', folder, `schemathesis==${VERSION}`],
  ]);
  if (done.status !== 0) {
    throw new Error(
      `schemathesis could not be installed (Python 3.10 or newer with pip is needed): ${String(done.stderr)}`,
    );
  }
  fs.writeFileSync(path.join(folder, 'done'), '');
  return folder;
}

export interface FuzzInput {
  readonly folder: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly phases: readonly string[];
  readonly examples: number;
  readonly seed: number;
  /** Operations that would end the credential itself. */
  readonly leaveOut: readonly string[];
}

export interface FuzzResult {
  readonly isClean: boolean;
  /** What it printed: the failures with the calls that show them. */
  readonly text: string;
}

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
];

/** Sends what the document allows, and what it does not, and holds every answer against the document. */
export async function fuzz(input: FuzzInput): Promise<FuzzResult> {
  const { folder, url, headers, phases, examples, seed, leaveOut } = input;
  const child = spawn(
    'python3',
    [
      ...['-m', 'schemathesis.cli', 'run', `${url}/openapi.json`],
      ...['--phases', phases.join(','), '--max-examples', String(examples), '--seed', String(seed)],
      ...['--checks', CHECKS.join(','), '--mode', 'all', '--continue-on-failure', '--no-shrink', '--workers', '1'],
      ...['--request-timeout', '20', '--suppress-health-check', 'all', '--warnings', 'off', '--no-color'],
      ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}:${value}`]),
      ...leaveOut.flatMap((id) => ['--exclude-operation-id', id]),
    ],
    { env: { ...process.env, PYTHONPATH: folder, PYTHONWARNINGS: 'ignore' }, cwd: os.tmpdir() },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? 1)));
  return { isClean: code === 0, text: Buffer.concat(chunks).toString('utf8') };
}
