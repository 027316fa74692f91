import path from 'node:path';
import { verifyAudit } from '../db/audit-verify.js';
import { createAuditSeal } from '../db/audit-seal.js';
import { openDatabase } from '../db/client.js';
import { sharedVariables } from '../db/settings.js';
import { readVariables } from '../db/variables.js';
import { messageOf, StartError } from './errors.js';
import { localPostgresUrl } from './postgres.js';
import { readKeptSecrets } from './secrets.js';
import { localVariables } from './settings.js';

/** `npm run audit:verify`: one line a chain; ends with 1 and the first broken entry if one is. */
async function main(): Promise<boolean> {
  const { url, masterKey } = readSource();
  const db = openDatabase({ url, maxConnections: 1 });
  try {
    let isWhole = true;
    for await (const { chain, count, older, hash, problem } of verifyAudit(db, createAuditSeal(masterKey))) {
      const before = older === 0 ? '' : `, and ${older} from before there were chains`;
      if (problem === undefined) console.log(`${chain}: ${count} entries${before}, head ${hash}`);
      else console.error(`${chain}: BROKEN: ${problem}`);
      isWhole &&= problem === undefined;
    }
    console.log(isWhole ? 'Every chain of the audit log is whole.' : 'The audit log was tampered with.');
    return isWhole;
  } finally {
    await db.destroy();
  }
}

/** The variables, or what `npm start` keeps in its data folder while it runs. */
function readSource(): { readonly url: string; readonly masterKey: Buffer } {
  const { KEELSON_DATA_DIR } = readVariables(localVariables, process.env);
  const root = path.resolve(KEELSON_DATA_DIR);
  const { DATABASE_URL: url = localPostgresUrl(path.join(root, 'postgres')), KEELSON_MASTER_KEY: key } = process.env;
  const masterKey = key ?? readKeptSecrets(root)?.masterKey;
  if (url === undefined) throw new StartError('DATABASE_URL is not set, and no npm start runs here: set it.');
  const { DATABASE_URL, KEELSON_MASTER_KEY } = sharedVariables;
  const given = { DATABASE_URL: url, ...(masterKey === undefined ? {} : { KEELSON_MASTER_KEY: masterKey }) };
  const read = readVariables({ DATABASE_URL, KEELSON_MASTER_KEY }, given);
  return { url: read.DATABASE_URL, masterKey: read.KEELSON_MASTER_KEY };
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
