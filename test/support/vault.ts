import type { Database } from '../../db/client.js';
import { createDataKeys } from '../../db/vault/data-keys.js';
import { createVault, type Vault } from '../../db/vault/vault.js';
import { createLocalWrapper } from '../../db/vault/wrapper.js';

/** The vault of a process with this master key; what one of them seals any other opens. */
export const vaultOf = (db: Database, masterKey: Buffer = Buffer.alloc(32, 7)): Vault =>
  createVault(createDataKeys({ db, wrappers: [createLocalWrapper(masterKey)] }));
