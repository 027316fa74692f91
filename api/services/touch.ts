import type { Database } from '../../db/client.js';
import { touchCredential, touchSession, type CredentialTable } from '../../db/principals.js';

const TOUCH_EVERY_MS = 60_000;

export type Touch = (
  table: CredentialTable | 'sessions',
  used: { readonly id: string; readonly lastUsedAt: Date | null },
) => void;

/** Writes when a credential was last used: at most once a minute, and behind the request, which does not wait for it. */
export function createTouch({
  db,
  onError,
}: {
  readonly db: Database;
  readonly onError: (error: unknown) => void;
}): Touch {
  const underWay = new Set<string>();
  return (table, { id, lastUsedAt }) => {
    if (underWay.has(id) || Date.now() - (lastUsedAt?.getTime() ?? 0) < TOUCH_EVERY_MS) return;
    underWay.add(id);
    void (table === 'sessions' ? touchSession(db, id) : touchCredential(db, table, id))
      .catch(onError)
      .finally(() => underWay.delete(id));
  };
}
