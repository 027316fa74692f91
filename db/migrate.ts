import { Migrator, type Migration } from 'kysely';
import type { Database } from './client.js';
import * as foundation from './migrations/001-foundation.js';
import * as rateLimits from './migrations/002-rate-limits.js';
import * as engine from './migrations/003-engine.js';
import * as identity from './migrations/004-identity.js';
import * as audit from './migrations/005-audit.js';
import * as rowSecurity from './migrations/006-row-security.js';

const migrations: Record<string, Migration> = {
  '001-foundation': foundation,
  '002-rate-limits': rateLimits,
  '003-engine': engine,
  '004-identity': identity,
  '005-audit': audit,
  '006-row-security': rowSecurity,
};

/** Brings the schema up to date; safe to call from any number of processes at once. Answers the names applied. */
export async function migrate(db: Database): Promise<readonly string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  return results.map((result) => result.migrationName);
}
