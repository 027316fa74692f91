import type { Database } from '../client.js';
import type { KeySettings } from '../key-settings.js';
import { createDataKeys, wrongMasterKey, type DataKeys } from './data-keys.js';
import { readKeyFile } from './key-file.js';
import { createKmsWrapper } from './kms.js';
import { createVault, type Vault } from './vault.js';
import { createLocalWrapper, type KeyWrapper } from './wrapper.js';

export interface Keys {
  /** 32 bytes; the keys of tokens are derived from it. */
  readonly masterKey: Buffer;
  readonly vault: Vault;
}

type Wrappers = readonly [KeyWrapper, ...KeyWrapper[]];

/** Never rotated with the data: what is derived from it would change with it. */
export const ROOT_SCOPE = 'root';

export interface OpenKeysDeps {
  readonly db: Database;
  readonly settings: KeySettings;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

/**
 * The keys of this process. Where a key service is configured it wraps the data keys, and without a master key of its
 * own the process derives from a data key that only the service opens. Throws when it can open no data key there is: it
 * would write what its peers cannot read.
 */
export async function openKeys({ db, settings, log }: OpenKeysDeps): Promise<Keys> {
  const { masterKey, wrappers } = wrappersOf(settings);
  await refuseForeignKeys(db, wrappers, log);
  const dataKeys = createDataKeys({ db, wrappers });
  return { masterKey: masterKey ?? (await rootKey(dataKeys)), vault: createVault(dataKeys) };
}

const rootKey = async (dataKeys: DataKeys): Promise<Buffer> => (await dataKeys.newest(ROOT_SCOPE)).key;

/** The first wraps; the others open what is left from before a change of keys. */
export function wrappersOf(settings: KeySettings): {
  readonly masterKey: Buffer | undefined;
  readonly wrappers: Wrappers;
} {
  const { masterKeyFile: file, oldMasterKey, kms } = settings;
  const masterKey = settings.masterKey ?? (file === undefined ? undefined : readKeyFile(file));
  const local = [masterKey, oldMasterKey].flatMap((key) => (key === undefined ? [] : [createLocalWrapper(key)]));
  const [first, ...rest] = kms === undefined ? local : [createKmsWrapper(kms), ...local];
  if (first === undefined) throw new Error('There is no master key: give KEELSON_MASTER_KEY or a key service.');
  return { masterKey, wrappers: [first, ...rest] };
}

async function refuseForeignKeys(db: Database, wrappers: Wrappers, log: OpenKeysDeps['log']): Promise<void> {
  const used = await wrappersUsed(db).catch((error: unknown) => {
    // a database that does not answer yet is no reason not to start
    log.warn({ reason: String(error) }, 'the master key could not be held against the data keys');
    return [];
  });
  const [foreign] = used;
  if (foreign !== undefined && !used.some(({ wrapped_by: by }) => wrappers.some(({ id }) => id === by)))
    throw wrongMasterKey(wrappers, foreign);
}

const wrappersUsed = (db: Database): Promise<readonly { readonly wrapped_by: string }[]> =>
  db.selectFrom('data_keys').select('wrapped_by').distinct().execute();
