import { startCaller } from './caller.js';
import { agentChain, noteChain, waitingChain } from './chains.js';
import { compare, measureApiWork } from './compare.js';
import { readOptions } from './options.js';
import { startStage } from './stage.js';
import { measureWaiting } from './waiting.js';

const say = (text: string): void => console.log(text);

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const stage = await startStage(say);
  const caller = startCaller();
  try {
    const { apiUrl, databaseUrl } = stage;
    await caller.prepare({ apiUrl, databaseUrl, chains: [agentChain, noteChain, waitingChain] });
    const given = { stage, caller, options };
    if (options.parts.has('chain')) {
      await compare(given, say);
      await measureApiWork(given, say);
    }
    if (options.parts.has('waiting')) await measureWaiting(caller, options, say);
  } finally {
    await caller.stop();
    await stage.stop();
  }
}

process.exitCode = await main().then(
  () => 0,
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  },
);
process.exit();
