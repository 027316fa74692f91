import { openDatabase } from '../db/client.js';
import { migrate } from '../db/migrate.js';
import { sharedVariables } from '../db/settings.js';
import { readVariables } from '../db/variables.js';
import { messageOf } from './errors.js';

/** `npm run migrate`: brings the database of DATABASE_URL up to date. */
async function main(): Promise<void> {
  const { DATABASE_URL: url } = readVariables({ DATABASE_URL: sharedVariables.DATABASE_URL }, process.env);
  const db = openDatabase({ url });
  try {
    const applied = await migrate(db);
    console.log(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`);
  } finally {
    await db.destroy();
  }
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
