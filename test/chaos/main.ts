import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { waitUntil } from '../../local/processes.js';
import { createClient, type Client } from './client.js';
import { readRows, type Evidence, type RunRow, type Rows } from './evidence.js';
import { createGraphLedger, followSome, startOrders, watchOrders } from './graph-load.js';
import { INBOUND, makeHooks, sendMessages, startReceiver, type ProviderOf, type Receiver, type Sent } from './hooks.js';
import { killAround } from './killer.js';
import { createLedger, decideRuns, startRuns } from './load.js';
import { createMilestones, type Milestones } from './milestones.js';
import { readOptions, type ChaosOptions } from './options.js';
import { startPlatform, type Platform } from './platform.js';
import { createPulse, type Pulse } from './pulse.js';
import { randomOf } from './random.js';
import { linesOf, type Result } from './report.js';
import { startSink, type Sink } from './sink.js';
import { makeDefinitions, mintToken, signUp, type Account } from './stage.js';
import { inLimbo } from './verify-graphs.js';
import { isTopic } from './verify-log.js';
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
  say(
    `kill test: ${options.runs} runs of a chain, ${options.graphs} of a graph, ${options.kills} kills, seed ${options.seed}`,
  );
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-chaos-'));
  // the account Postgres runs as passes through
  fs.chmodSync(folder, 0o711);
  const pulse = createPulse();
  const secret = randomBytes(16).toString('hex');
  const milestones = createMilestones();
  const onEffect = (runId: string): void => {
    pulse.beat();
    milestones.effect(runId);
  };
  const sink = await startSink({ seed: options.seed, port: BASE_PORT + 9, secret, onEffect });
  const receiver = await startReceiver({ seed: options.seed, port: BASE_PORT + 8 });
  const signal = new AbortController();
  setMaxListeners(0, signal.signal);
  const egressAllow = `${sink.host},${receiver.host}`;
  const platform = await startPlatform({ folder, basePort: BASE_PORT, egressAllow, say });
  let code = 1;
  try {
    code = await Promise.race([
      prove({ options, platform, sink, receiver, pulse, secret, milestones, signal }),
      stopped,
    ]);
  } finally {
    await platform.stop();
    await Promise.all([sink.close(), receiver.close()]);
    if (code === 0 && !options.keep) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    else say(`logs and data are kept in ${folder}`);
  }
  return code;
}

interface Stage {
  readonly options: ChaosOptions;
  readonly platform: Platform;
  readonly sink: Sink;
  readonly receiver: Receiver;
  readonly pulse: Pulse;
  readonly secret: string;
  readonly milestones: Milestones;
  /** Ends the load. */
  readonly signal: AbortController;
}

async function prove(stage: Stage): Promise<number> {
  const { options, platform, sink, receiver, pulse, signal } = stage;
  const { seed, patienceMs } = options;
  const urls = platform.apiUrls;
  const load = await openAccount(stage);
  const work = await startLoad(stage, load);
  // awaited below, after the kills
  work.settled.catch(() => undefined);
  const counts = await killAround({ platform, seed, kills: options.kills, signal: signal.signal, say });
  const calmAt = performance.now();
  say('no more kills; waiting for every run to end');
  const timer = setTimeout(() => signal.abort(new Error('some runs did not end')), patienceMs);
  const isSettled = await work.settled
    .then(() => true)
    .catch((error: unknown) => (signal.signal.aborted ? false : Promise.reject(error)));
  clearTimeout(timer);
  pulse.stop();
  const calmMs = performance.now() - calmAt;
  const { token } = load.account;
  const client = createClient({ urls, token, random: randomOf(seed, 'checks'), signal: AbortSignal.timeout(60_000) });
  const evidence = { ...work.evidence, followers: await work.followers, platform, client, sink, receiver };
  await inboundEnded(platform.databaseUrl);
  const rows = await readRows(platform.databaseUrl);
  await heardAll(evidence, rows);
  await toldAll(evidence, rows);
  signal.abort(new Error('it is over'));
  const violations = [
    ...(isSettled ? [] : [`not every run ended within ${patienceMs / 1_000} s after the last kill`]),
    ...(await violationsOf(evidence)),
  ];
  const result = { options, evidence, client: load.client, counts, calmMs, stallMs: pulse.longestStallMs() };
  report({ ...result, ownExits: platform.ownExits(), limbo: inLimbo(rows.runs, sink) }, violations);
  return violations.length === 0 ? 0 : 1;
}

/** A kill with its pauses takes about so long. */
const MEAN_KILL_MS = 3_000;

interface Load {
  readonly account: Account;
  readonly client: Client;
  readonly second: Client;
  readonly provider: ProviderOf;
}

async function openAccount(stage: Stage): Promise<Load> {
  const { options, platform, sink, receiver, secret } = stage;
  const { seed } = options;
  const { signal } = stage.signal;
  const clientOf = (purpose: string, token?: string): Client =>
    createClient({ urls: platform.apiUrls, token, random: randomOf(seed, purpose), signal });
  const signedUp = await signUp(clientOf('sign-up'));
  const client = clientOf('client', signedUp.token);
  const secondToken = await mintToken(client, signedUp.workspaceId);
  await makeDefinitions(client, sink, secret);
  const provider = await makeHooks(client, receiver);
  return { account: { ...signedUp, secondToken }, client, second: clientOf('second', secondToken), provider };
}

async function startLoad(stage: Stage, { account: { token, workspaceId }, client, second, provider }: Load) {
  const { options, platform, sink, pulse, milestones, signal } = stage;
  const { seed, runs, graphs: count, messages, kills } = options;
  const common = { seed, pulse, signal: signal.signal };
  const chains = { ...common, client, runs, workspaceId };
  const ledger = createLedger();
  const sent: Sent = { accepted: new Map(), attempts: 0 };
  const callers = [client, second] as const;
  const orders = { ...common, urls: platform.apiUrls, token, callers, sink, count, milestones };
  const graphs = createGraphLedger(seed, count);
  const follower = watchOrders(orders, graphs);
  // so that it hears of every run from its start
  await waitUntil(() => follower.heard.length > 0, { patienceMs: 20_000, everyMs: 20 });
  const duringMs = kills * MEAN_KILL_MS;
  const settled = Promise.all([
    startRuns(chains, ledger, duringMs / runs),
    decideRuns(chains, ledger),
    startOrders(orders, graphs, duringMs / count),
    sendMessages(
      {
        ...{ ...provider, urls: platform.apiUrls, seed, signal: signal.signal },
        ...{ count: messages, everyMs: duringMs / messages },
      },
      sent,
    ),
    follower.settled,
  ]);
  const followers = followSome(orders, graphs, Math.min(FOLLOWED, count));
  const hooks = { sent, count: messages };
  return { settled, followers, evidence: { ledger, graphs, workspaceId, runs, follower, hooks } };
}

/** One caller may have a hundred streams open at a process. */
const FOLLOWED = 40;

/** Streams lag behind the log by a moment. */
async function heardAll(
  { follower, followers }: Pick<Evidence, 'follower' | 'followers'>,
  { runs }: Rows,
): Promise<void> {
  const wanted = runs.flatMap(({ log }) => log.filter(isTopic)).length;
  const soon = { patienceMs: 20_000, everyMs: 100 };
  await waitUntil(() => follower.heard.filter(({ event }) => event !== 'ready').length >= wanted, soon);
  let open = followers.size;
  for (const { over } of followers.values()) void over.then(() => (open -= 1));
  await waitUntil(() => open === 0, soon);
}

const isOpen = ({ status }: RunRow): boolean => !['completed', 'failed', 'cancelled'].includes(status);

/** What a message began ends by itself. */
async function inboundEnded(databaseUrl: string): Promise<void> {
  const hasEnded = async (): Promise<boolean> => {
    const { runs } = await readRows(databaseUrl);
    return !runs.some((run) => run.slug === INBOUND && isOpen(run));
  };
  for (let tries = 0; tries < 60 && !(await hasEnded()); tries += 1) await pause(500);
}

/** The last deliveries may be between two attempts. */
async function toldAll({ receiver }: Pick<Evidence, 'receiver'>, { runs }: Rows): Promise<void> {
  const wanted = runs.filter(({ parentId }) => parentId === null).length;
  const ended = (): number => [...receiver.told.values()].filter(({ type }) => isEnd(type)).length;
  await waitUntil(() => ended() >= wanted, { patienceMs: 60_000, everyMs: 100 });
}

const isEnd = (type: string): boolean => ['run.completed', 'run.failed', 'run.cancelled'].includes(type);

function report(result: Result, violations: readonly string[]): void {
  const lines = [...linesOf(result), ['duration', seconds(performance.now() - startedAt)] as const];
  for (const [name, text] of lines) say(`${name.padEnd(20)} ${text}`);
  for (const violation of violations) say(`VIOLATION ${violation}`);
  say(violations.length === 0 ? 'every run ended once, in the right state' : `${violations.length} violations`);
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
});
process.exit();
