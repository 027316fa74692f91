import { Migrator, type Migration } from 'kysely';
import type { Database } from './client.js';
import * as foundation from './migrations/001-foundation.js';
import * as rateLimits from './migrations/002-rate-limits.js';
import * as engine from './migrations/003-engine.js';
import * as identity from './migrations/004-identity.js';
import * as audit from './migrations/005-audit.js';
import * as rowSecurity from './migrations/006-row-security.js';
import * as mail from './migrations/007-mail.js';
import * as admission from './migrations/008-admission.js';
import * as keys from './migrations/009-keys.js';
import * as sso from './migrations/010-sso.js';
import * as usage from './migrations/011-usage.js';
import * as vault from './migrations/012-vault.js';
import * as principal from './migrations/013-principal.js';
import * as sessionLocation from './migrations/014-session-location.js';
import * as agents from './migrations/015-agents.js';
import * as calls from './migrations/016-calls.js';
import * as webhooks from './migrations/017-webhooks.js';
import * as ingress from './migrations/018-ingress.js';
import * as staged from './migrations/019-staged.js';
import * as starters from './migrations/020-starters.js';
import * as turns from './migrations/021-turns.js';

const migrations: Record<string, Migration> = {
  '001-foundation': foundation,
  '002-rate-limits': rateLimits,
  '003-engine': engine,
  '004-identity': identity,
  '005-audit': audit,
  '006-row-security': rowSecurity,
  '007-mail': mail,
  '008-admission': admission,
  '009-keys': keys,
  '010-sso': sso,
  '011-usage': usage,
  '012-vault': vault,
  '013-principal': principal,
  '014-session-location': sessionLocation,
  '015-agents': agents,
  '016-calls': calls,
  '017-webhooks': webhooks,
  '018-ingress': ingress,
  '019-staged': staged,
  '020-starters': starters,
  '021-turns': turns,
};

/** Brings the schema up to date; safe to call from any number of processes at once. Answers the names applied. */
export async function migrate(db: Database): Promise<readonly string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  return results.map((result) => result.migrationName);
}
