import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createClient, type Client } from './client.js';
import { killAround, type KillCounts } from './killer.js';
import { chainOf, createLedger, decideRuns, startRuns, type Ledger } from './load.js';
import { readOptions, type ChaosOptions } from './options.js';
import { startPlatform, type Platform } from './platform.js';
import { createPulse, type Pulse } from './pulse.js';
import { randomOf } from './random.js';
import { startSink, type Received, type Sink } from './sink.js';
import { violationsOf } from './verify.js';

const BASE_PORT = 4_300;
const startedAt = performance.now();
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const say = (text: string): void =>
  void process.stdout.write(`[${seconds(performance.now() - startedAt).padStart(7)}] ${text}\n`);

/** A stopped test leaves no server behind. */
const stopped = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error('Stopped.')));
});
stopped.catch(() => undefined);

/** The kill test: runs go on while every process of the platform is killed, again and again. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  say(`kill test: ${options.runs} runs, ${options.kills} kills, seed ${options.seed}`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-chaos-'));
  // the account Postgres runs as passes through
  fs.chmodSync(folder, 0o711);
  const pulse = createPulse();
  const secret = randomBytes(16).toString('hex');
  const sink = await startSink({ seed: options.seed, port: BASE_PORT + 9, secret, onEffect: pulse.beat });
  const platform = await startPlatform({ folder, basePort: BASE_PORT, egressAllow: sink.host, say });
  let code = 1;
  try {
    code = await Promise.race([prove({ options, platform, sink, pulse, secret }), stopped]);
  } finally {
    await platform.stop();
    await sink.close();
    if (code === 0 && !options.keep) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    else say(`logs and data are kept in ${folder}`);
  }
  return code;
}

interface Stage {
  readonly options: ChaosOptions;
  readonly platform: Platform;
  readonly sink: Sink;
  readonly pulse: Pulse;
  readonly secret: string;
}

async function prove({ options, platform, sink, pulse, secret }: Stage): Promise<number> {
  const { seed, runs, kills, patienceMs } = options;
  const limit = new AbortController();
  const { signal } = limit;
  const urls = platform.apiUrls;
  const { token, workspaceId } = await signUp(
    createClient({ urls, token: undefined, random: randomOf(seed, 'sign-up'), signal }),
  );
  const client = createClient({ urls, token, random: randomOf(seed, 'client'), signal });
  const made = await client.call({
    method: 'POST',
    path: '/v1/workflow-chains',
    key: 'chain',
    body: chainOf(sink.url, secret),
  });
  if (made.status !== 201) throw new Error(`the chain was not made: ${JSON.stringify(made.body)}`);

  const ledger = createLedger();
  const load = { client, seed, runs, workspaceId, pulse, signal };
  const gap = (kills * MEAN_KILL_MS) / runs;
  const starts = startRuns(load, ledger, gap);
  const decisions = decideRuns(load, ledger);
  const work = Promise.all([starts, decisions]);
  // awaited below, after the kills
  work.catch(() => undefined);
  const counts = await killAround({ platform, seed, kills, signal, say });
  const calmAt = performance.now();
  say('no more kills; waiting for every run to end');
  const timer = setTimeout(() => limit.abort(new Error('some runs did not end')), patienceMs);
  const isSettled = await work
    .then(() => true)
    .catch(() => (signal.aborted ? false : Promise.reject(new Error('the load failed'))));
  clearTimeout(timer);
  pulse.stop();
  const calmMs = performance.now() - calmAt;
  const checker = createClient({ urls, token, random: randomOf(seed, 'checks'), signal: AbortSignal.timeout(60_000) });
  const violations = [
    ...(isSettled ? [] : [`not every run ended within ${seconds(patienceMs)} after the last kill`]),
    ...(await violationsOf({ platform, client: checker, sink, ledger, workspaceId, runs })),
  ];
  report({ options, platform, sink, ledger, client, counts, violations, stallMs: pulse.longestStallMs(), calmMs });
  return violations.length === 0 ? 0 : 1;
}

/** A kill with its pauses takes about so long. */
const MEAN_KILL_MS = 2_000;

async function signUp(client: Client): Promise<{ readonly token: string; readonly workspaceId: string }> {
  const { status, body } = await client.call({
    method: 'POST',
    path: '/v1/auth/signup',
    body: { email: 'chaos@example.com', password: 'a long enough password', workspace_name: 'Chaos' },
  });
  if (status >= 300) throw new Error(`sign-up was answered ${status}: ${JSON.stringify(body)}`);
  // -- reason: the reply of our own route
  const { access_token: token, workspace } = body as {
    readonly access_token: string;
    readonly workspace: { readonly id: string };
  };
  return { token, workspaceId: workspace.id };
}

interface Result {
  readonly options: ChaosOptions;
  readonly platform: Platform;
  readonly sink: Sink;
  readonly ledger: Ledger;
  readonly client: Client;
  readonly counts: KillCounts;
  readonly violations: readonly string[];
  readonly stallMs: number;
  readonly calmMs: number;
}

function report({ options, platform, sink, ledger, client, counts, violations, stallMs, calmMs }: Result): void {
  const received = [...sink.received().values()];
  const sum = (of: (each: Received) => number): number => received.reduce((total, each) => total + of(each), 0);
  const rivals = [...ledger.decisions.values()].filter((each) => each.unclear).length;
  const lines = [
    ['runs', `${options.runs} accepted under ${ledger.accepted.size} keys, ${client.attempts()} requests`],
    [
      'kills',
      Object.entries(counts)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(', '),
    ],
    ['ended by themselves', `${platform.ownExits()} processes`],
    [
      'webhooks',
      `${sum((each) => each.effects)} effects, ${sum((each) => each.deliveries)} deliveries, ` +
        `${sink.refused()} met a fault, ${sum((each) => each.duplicates)} duplicates suppressed by their key`,
    ],
    ['decisions', `${ledger.decisions.size}, of which ${rivals} had an attempt without an answer`],
    ['longest stall', `${seconds(stallMs)} in which no run moved`],
    ['after the last kill', `${seconds(calmMs)} until every run had ended`],
    ['duration', seconds(performance.now() - startedAt)],
    ['seed', String(options.seed)],
  ];
  for (const [name = '', text] of lines) say(`${name.padEnd(20)} ${text}`);
  for (const violation of violations) say(`VIOLATION ${violation}`);
  say(violations.length === 0 ? 'every run ended once, in the right state' : `${violations.length} violations`);
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
});
process.exit();
