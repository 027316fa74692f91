import { startCaller } from './caller.js';
import { agentChain, noteChain, waitingChain } from './chains.js';
import { measureApiWork } from './api-work.js';
import { compare, type Comparison } from './compare.js';
import { measureConversations } from './conversations.js';
import { graphs } from './graphs.js';
import { measureIdentity } from './identity.js';
import { measureLog } from './log-cost.js';
import { readOptions } from './options.js';
import { startStage } from './stage.js';
import { measureStreams } from './streams.js';
import { measureWaiting } from './waiting.js';

/** A stopped bench leaves no server behind. */
const stopped = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error('Stopped.')));
});
stopped.catch(() => undefined);

const say = (text: string): void => console.log(text);

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const stage = await startStage(say);
  const caller = startCaller();
  try {
    await Promise.race([measureAll({ stage, caller, options }), stopped]);
  } finally {
    await caller.stop();
    await stage.stop();
  }
}

async function measureAll(given: Comparison): Promise<void> {
  const { stage, caller, options } = given;
  const { apiUrl, databaseUrl } = stage;
  await caller.prepare({ apiUrl, databaseUrl, chains: [agentChain, noteChain, waitingChain], graphs });
  for (const group of options.groups) await compare(given, group, say);
  if (options.parts.has('api')) await measureApiWork(given, say);
  if (options.parts.has('identity')) await measureIdentity(given, say);
  if (options.parts.has('conversations')) await measureConversations(given, say);
  if (options.parts.has('log')) await measureLog(given, say);
  if (options.parts.has('streams')) await measureStreams(given, say);
  if (options.parts.has('waiting')) await measureWaiting(caller, options, say);
}

process.exitCode = await main().then(
  () => 0,
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  },
);
process.exit();
