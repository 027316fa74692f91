import path from 'node:path';
import { keySettings, keyVariables, type KeySettings } from '../db/key-settings.js';
import { sharedVariables } from '../db/settings.js';
import { readVariables } from '../db/variables.js';
import { StartError } from './errors.js';
import { localPostgresUrl } from './postgres.js';
import { readKeptSecrets } from './secrets.js';
import { localVariables } from './settings.js';

/** What a maintenance command works on. */
export interface Source {
  readonly url: string;
  readonly settings: KeySettings;
}

/** The variables, or what `npm start` keeps in its data folder while it runs. */
export function readSource(): Source {
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
