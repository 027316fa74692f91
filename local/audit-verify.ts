import { verifyAudit } from '../db/audit-verify.js';
import { createAuditSeal } from '../db/audit-seal.js';
import { openDatabase } from '../db/client.js';
import { openKeys } from '../db/vault/open.js';
import { messageOf } from './errors.js';
import { readSource } from './source.js';

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

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
