import { randomBytes } from 'node:crypto';
import type { Database } from '../client.js';
import { newId } from '../ids.js';
import { unscoped } from '../scope.js';
import { DamagedSecret, KeyServiceError } from './errors.js';
import type { KeyWrapper } from './wrapper.js';

export interface DataKey {
  readonly id: string;
  readonly key: Buffer;
}

/** The keys that secrets are sealed with, one at a time for each scope; in the database only wrapped. */
export interface DataKeys {
  /** The one to seal with; made when the scope has none. */
  readonly newest: (scope: string) => Promise<DataKey>;
  /** undefined when the scope has no such key. */
  readonly find: (scope: string, id: string) => Promise<Buffer | undefined>;
  /** A new one to seal with from now on; null when somebody else made the version after `version` first. */
  readonly add: (scope: string, version: number) => Promise<DataKey | null>;
}

export interface DataKeysDeps {
  readonly db: Database;
  /** The first wraps; the others only unwrap what they wrapped before. */
  readonly wrappers: readonly [KeyWrapper, ...KeyWrapper[]];
  /** How long an unwrapped key stays in memory. */
  readonly keepMs?: number;
  readonly now?: () => number;
}

const KEY_BYTES = 32;
const KEEP_MS = 5 * 60_000;
const MOST_KEPT = 10_000;

/** What a wrapped key is bound to: moved to another scope or id it does not open. */
export const contextOf = ({ scope, id }: KeyRef): string => `keelson/data-key/${scope}/${id}`;

interface KeyRef {
  readonly scope: string;
  readonly id: string;
}

export interface WrappedKey extends KeyRef {
  readonly wrapped: string;
  readonly wrapped_by: string;
}

export function createDataKeys(deps: DataKeysDeps): DataKeys {
  const kept = createCache(deps);
  const opened = async (row: WrappedKey): Promise<DataKey> => {
    const key = await kept(row, () => unwrapKey(deps.wrappers, row));
    return { id: row.id, key: key ?? (await unwrapKey(deps.wrappers, row)) };
  };
  return {
    // asked of the database each time, so that nothing is sealed with a key that is being rotated away
    newest: async (scope) => {
      const row = await newestKey(deps.db, scope);
      if (row !== undefined) return opened(row);
      const made = await addKey(deps, scope, 1);
      if (made !== null) return made;
      const other = await newestKey(deps.db, scope);
      if (other === undefined) throw new Error(`The first data key of ${scope} is gone again; try once more.`);
      return opened(other);
    },
    find: (scope, id) =>
      kept({ scope, id }, async () => {
        const row = await keyOf(deps.db, { scope, id });
        return row === undefined ? undefined : unwrapKey(deps.wrappers, row);
      }),
    add: (scope, version) => addKey(deps, scope, version),
  };
}

const select = (db: Database) => db.selectFrom('data_keys').select(['id', 'scope', 'wrapped', 'wrapped_by']);

// the vault serves every scope, whoever asks: hence unscoped
const newestKey = (db: Database, scope: string): Promise<WrappedKey | undefined> =>
  unscoped(() => select(db).where('scope', '=', scope).orderBy('version', 'desc').limit(1).executeTakeFirst());

const keyOf = (db: Database, { scope, id }: KeyRef): Promise<WrappedKey | undefined> =>
  unscoped(() => select(db).where('id', '=', id).where('scope', '=', scope).executeTakeFirst());

/** The key, or null when that version of the scope exists already. */
async function addKey(
  { db, wrappers: [wrapper] }: DataKeysDeps,
  scope: string,
  version: number,
): Promise<DataKey | null> {
  const key = randomBytes(KEY_BYTES);
  const id = newId('dk');
  const wrapped = await wrapper.wrap(key, contextOf({ scope, id }));
  const insert = db
    .insertInto('data_keys')
    .values({ id, scope, version, wrapped, wrapped_by: wrapper.id })
    .onConflict((conflict) => conflict.columns(['scope', 'version']).doNothing())
    .returning('id');
  const made = await unscoped(() => insert.executeTakeFirst());
  return made === undefined ? null : { id, key };
}

/** By whichever wrapper shut it. */
export async function unwrapKey(wrappers: readonly KeyWrapper[], row: WrappedKey): Promise<Buffer> {
  const wrapper = wrappers.find(({ id }) => id === row.wrapped_by);
  if (wrapper === undefined) throw wrongMasterKey(wrappers, row);
  try {
    return await wrapper.unwrap(row.wrapped, contextOf(row));
  } catch (cause) {
    if (cause instanceof KeyServiceError && cause.code === 'KEY_SERVICE_DOWN') throw cause;
    throw new DamagedSecret(`The data key ${row.id} of ${row.scope} is damaged or was copied from elsewhere.`, {
      cause,
    });
  }
}

/** Not the key's value: only who holds which. */
export const wrongMasterKey = (
  wrappers: readonly KeyWrapper[],
  { wrapped_by: by }: Pick<WrappedKey, 'wrapped_by'>,
): Error =>
  new Error(
    `Secrets here are kept under the master key ${by}, and this process has ${wrappers.map(({ id }) => id).join(', ')}: ` +
      'start it with the KEELSON_MASTER_KEY they were written with, give that one as KEELSON_MASTER_KEY_OLD, or restore its key file.',
  );

/** Unwrapped keys for a bounded time; the one kept longest makes room. What is not there is asked for again. */
function createCache({ keepMs = KEEP_MS, now = Date.now }: DataKeysDeps) {
  const kept = new Map<string, { readonly until: number; readonly key: Promise<Buffer | undefined> }>();
  return ({ scope, id }: KeyRef, load: () => Promise<Buffer | undefined>): Promise<Buffer | undefined> => {
    const name = `${scope} ${id}`;
    const known = kept.get(name);
    if (known !== undefined && known.until > now()) return known.key;
    const key = load();
    kept.delete(name);
    kept.set(name, { until: now() + keepMs, key });
    const [oldest] = kept.keys();
    if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    key.then(
      (found) => found === undefined && kept.delete(name),
      () => kept.delete(name),
    );
    return key;
  };
}
