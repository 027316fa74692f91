import { openDatabase, type Database } from '../db/client.js';
import { SettingsError } from '../db/variables.js';
import { createDataKeys } from '../db/vault/data-keys.js';
import { wrappersOf } from '../db/vault/open.js';
import { rotateDataKeys } from '../db/vault/rotate-data.js';
import { rewrapDataKeys } from '../db/vault/rotate-master.js';
import { createVault } from '../db/vault/vault.js';
import { messageOf } from './errors.js';
import { readSource } from './source.js';

type Wrappers = ReturnType<typeof wrappersOf>['wrappers'];
type Task = (db: Database, wrappers: Wrappers, signal: AbortSignal) => Promise<boolean>;

const tasks: Readonly<Record<string, Task>> = { '--data': rotateData, '--master': rotateMaster };

/** `npm run keys:rotate -- --data` or `-- --master`; Ctrl-C stops it between two batches, and the next one goes on. */
async function main(args: readonly string[]): Promise<void> {
  const task = tasks[args.join(' ')];
  if (task === undefined)
    throw new SettingsError('Say what to rotate: --data seals every secret anew, --master wraps the data keys anew.');
  const { url, settings } = readSource();
  const { wrappers } = wrappersOf(settings);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const db = openDatabase({ url, maxConnections: 4 });
  try {
    const isFinished = await task(db, wrappers, stop.signal);
    if (!isFinished) console.log('Stopped before the end: run the same command again to go on.');
    process.exitCode = isFinished ? process.exitCode : 1;
  } finally {
    await db.destroy();
  }
}

async function rotateData(db: Database, wrappers: Wrappers, signal: AbortSignal): Promise<boolean> {
  const dataKeys = createDataKeys({ db, wrappers });
  const done = await rotateDataKeys({ db, dataKeys, vault: createVault(dataKeys), signal });
  console.log(
    `${done.madeKeys} data keys made, ${done.resealed} secrets sealed anew, ` +
      `${done.retiredKeys} data keys retired, ${done.removedKeys} removed.`,
  );
  if (done.damaged.length === 0) return done.isFinished;
  console.error(`${done.damaged.length} could not be opened and stay as they are: ${done.damaged.join(', ')}.`);
  process.exitCode = 1;
  return done.isFinished;
}

async function rotateMaster(db: Database, wrappers: Wrappers, signal: AbortSignal): Promise<boolean> {
  const { isFinished, rewrapped } = await rewrapDataKeys({ db, wrappers, signal });
  console.log(`${rewrapped} data keys wrapped anew under ${wrappers[0].id}.`);
  return isFinished;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
