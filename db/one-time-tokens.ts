import { sql } from 'kysely';
import type { Database } from './client.js';
import { randomToken, sha256Hex } from './crypto.js';
import type { TokenPurpose } from './tables/mail.js';

export interface TokenHolder {
  readonly userId: string;
  readonly email: string;
}

interface Presented {
  readonly token: string;
  readonly purpose: TokenPurpose;
}

/** A token for one use; only its hash is kept. */
export async function issueToken(
  db: Database,
  { userId, email, purpose, minutes }: TokenHolder & { readonly purpose: TokenPurpose; readonly minutes: number },
): Promise<string> {
  const token = randomToken();
  await db
    .insertInto('one_time_tokens')
    .values({
      token_hash: sha256Hex(token),
      user_id: userId,
      purpose,
      email,
      expires_at: sql<Date>`now() + make_interval(mins => ${minutes})`,
    })
    .execute();
  return token;
}

/** Whose it is, while it is good: unused, in time, sent to the address the user has, and of a user who may sign in. */
export const findTokenHolder = (db: Database, { token, purpose }: Presented): Promise<TokenHolder | undefined> =>
  db
    .selectFrom('one_time_tokens as t')
    .innerJoin('users as u', 'u.id', 't.user_id')
    .select(['u.id as userId', 'u.email'])
    .where('t.token_hash', '=', sha256Hex(token))
    .where('t.purpose', '=', purpose)
    .where('t.used_at', 'is', null)
    .where(sql<boolean>`t.expires_at > now()`)
    .where(sql<boolean>`lower(u.email) = lower(t.email)`)
    .where('u.disabled_at', 'is', null)
    .executeTakeFirst();

/** Uses it up; of two at once one gets true. With it go the user's other tokens of that purpose. */
export async function useToken(db: Database, { token, purpose }: Presented): Promise<boolean> {
  const used = await db
    .updateTable('one_time_tokens')
    .set({ used_at: sql<Date>`now()` })
    .where('token_hash', '=', sha256Hex(token))
    .where('purpose', '=', purpose)
    .where('used_at', 'is', null)
    .where(sql<boolean>`expires_at > now()`)
    .returning('user_id')
    .executeTakeFirst();
  if (used === undefined) return false;
  await voidTokens(db, { userId: used.user_id, purpose });
  return true;
}

/** None of the user's links of that purpose works any more. */
export async function voidTokens(
  db: Database,
  { userId, purpose }: { readonly userId: string; readonly purpose: TokenPurpose },
): Promise<void> {
  await db
    .updateTable('one_time_tokens')
    .set({ used_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where('purpose', '=', purpose)
    .where('used_at', 'is', null)
    .execute();
}

/** Tokens whose time is over. */
export async function purgeTokens(db: Database): Promise<void> {
  await sql`delete from one_time_tokens where expires_at < now()`.execute(db);
}
