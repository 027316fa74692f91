import type { Database } from '../client.js';
import { contextOf, unwrapKey } from './data-keys.js';
import type { KeyWrapper } from './wrapper.js';

export interface RewrapDeps {
  readonly db: Database;
  /** The first wraps from now on; the others open what is left. */
  readonly wrappers: readonly [KeyWrapper, ...KeyWrapper[]];
  /** Between two keys it may stop; the next call goes on. */
  readonly signal?: AbortSignal;
}

export interface RewrapResult {
  readonly isFinished: boolean;
  readonly rewrapped: number;
}

const BATCH = 100;

/** Every data key under the first wrapper, one row at a time; nothing that is sealed changes. */
export async function rewrapDataKeys({ db, wrappers, signal }: RewrapDeps): Promise<RewrapResult> {
  const [wrapper] = wrappers;
  let rewrapped = 0;
  for (;;) {
    const rows = await db
      .selectFrom('data_keys')
      .select(['id', 'scope', 'wrapped', 'wrapped_by'])
      .where('wrapped_by', '<>', wrapper.id)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return { isFinished: true, rewrapped };
    for (const row of rows) {
      if (signal?.aborted === true) return { isFinished: false, rewrapped };
      const wrapped = await wrapper.wrap(await unwrapKey(wrappers, row), contextOf(row));
      const { numUpdatedRows } = await db
        .updateTable('data_keys')
        .set({ wrapped, wrapped_by: wrapper.id })
        .where('id', '=', row.id)
        .where('wrapped', '=', row.wrapped)
        .executeTakeFirst();
      rewrapped += Number(numUpdatedRows);
    }
  }
}
