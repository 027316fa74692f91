import { openDatabase } from '../db/client.js';
import { migrate } from '../db/migrate.js';
import { readTemporalSettings, sharedVariables } from '../db/settings.js';
import { readVariables } from '../db/variables.js';
import { messageOf } from './errors.js';
import { prepareForeignTemporal } from './servers.js';

/** `npm run migrate`: brings the database up to date and, where TEMPORAL_ADDRESS names a server, the namespace there. */
async function main(): Promise<void> {
  const { DATABASE_URL: url } = readVariables({ DATABASE_URL: sharedVariables.DATABASE_URL }, process.env);
  const db = openDatabase({ url, as: 'owner', maxConnections: 2 });
  try {
    const applied = await migrate(db);
    console.log(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`);
  } finally {
    await db.destroy();
  }
  if (process.env.TEMPORAL_ADDRESS === undefined) return;
  await prepareForeignTemporal(readTemporalSettings(process.env), (message) => console.log(message));
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
