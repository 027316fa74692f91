import path from 'node:path';
import { verifyAudit } from '../db/audit-verify.js';
import { createAuditSeal } from '../db/audit-seal.js';
import { openDatabase } from '../db/client.js';
import { keySettings, keyVariables, type KeySettings } from '../db/key-settings.js';
import { sharedVariables } from '../db/settings.js';
import { readVariables } from '../db/variables.js';
import { openKeys } from '../db/vault/open.js';
import { messageOf, StartError } from './errors.js';
import { localPostgresUrl } from './postgres.js';
import { readKeptSecrets } from './secrets.js';
import { localVariables } from './settings.js';

/** `npm run audit:verify`: one line a chain; ends with 1 and the first broken entry if one is. */
async function main(): Promise<boolean> {
  const { url, settings } = readSource();
  const db = openDatabase({ url, maxConnections: 1 });
  try {
    let isWhole = true;
    const { masterKey } = await openKeys({ db, settings, log: { warn: (_, message) => console.error(message) } });
    const seal = createAuditSeal(masterKey, settings.oldMasterKey === undefined ? [] : [settings.oldMasterKey]);
    for await (const { chain, count, older, hash, problem } of verifyAudit(db, seal)) {
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

interface Source {
  readonly url: string;
  readonly settings: KeySettings;
}

/** The variables, or what `npm start` keeps in its data folder while it runs. */
function readSource(): Source {
  const { KEELSON_DATA_DIR } = readVariables(localVariables, process.env);
  const root = path.resolve(KEELSON_DATA_DIR);
  const kept = readKeptSecrets(root)?.masterKey;
  const url = process.env.DATABASE_URL ?? localPostgresUrl(path.join(root, 'postgres'));
  if (url === undefined) throw new StartError('DATABASE_URL is not set, and no npm start runs here: set it.');
  const own =
    kept === undefined || process.env.KEELSON_MASTER_KEY_FILE !== undefined ? {} : { KEELSON_MASTER_KEY: kept };
  const { DATABASE_URL } = sharedVariables;
  const given = readVariables({ ...keyVariables, DATABASE_URL }, { ...own, ...process.env, DATABASE_URL: url });
  return { url: given.DATABASE_URL, settings: keySettings(given) };
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
