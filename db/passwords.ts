import { sql } from 'kysely';
import type { Database } from './client.js';
import { voidTokens } from './one-time-tokens.js';
import { revokeSessions } from './user-sessions.js';

/** How many passwords a new one must differ from, the present one included. */
const REMEMBERED = 5;

export interface Credential {
  readonly userId: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly isVerified: boolean;
}

export const findCredential = (db: Database, userId: string): Promise<Credential | undefined> =>
  db
    .selectFrom('users')
    .select(['id as userId', 'email', 'password_hash as passwordHash'])
    .select(sql<boolean>`email_verified_at is not null`.as('isVerified'))
    .where('id', '=', userId)
    .executeTakeFirst();

/** Changes of one user's password and links follow each other until the transaction ends. */
export async function lockUser(trx: Database, userId: string): Promise<void> {
  await trx.selectFrom('users').select('id').where('id', '=', userId).forUpdate().execute();
}

/** The hashes of the user's last passwords, the present one among them. */
export async function lastPasswordHashes(db: Database, userId: string): Promise<readonly string[]> {
  const { rows } = await sql<{ password_hash: string }>`
    (select password_hash from users where id = ${userId})
    union all
    (select password_hash from password_history where user_id = ${userId}
      order by created_at desc limit ${REMEMBERED - 1})`.execute(db);
  return rows.map((row) => row.password_hash);
}

/** Of a locked user: replaces the password, remembers the old one, and ends every session and every link to set another. Answers how many sessions. */
export async function replacePassword(
  db: Database,
  { userId, passwordHash }: { readonly userId: string; readonly passwordHash: string },
): Promise<number> {
  await sql`insert into password_history (user_id, password_hash)
    select id, password_hash from users where id = ${userId}`.execute(db);
  await db.updateTable('users').set({ password_hash: passwordHash }).where('id', '=', userId).execute();
  await sql`delete from password_history h where user_id = ${userId} and created_at < (
    select min(created_at) from (select created_at from password_history where user_id = ${userId}
      order by created_at desc limit ${REMEMBERED}) kept)`.execute(db);
  await voidTokens(db, { userId, purpose: 'reset_password' });
  return revokeSessions(db, userId);
}

/** True when it was not proved before. */
export async function proveEmail(db: Database, userId: string): Promise<boolean> {
  const row = await db
    .updateTable('users')
    .set({ email_verified_at: sql<Date>`now()` })
    .where('id', '=', userId)
    .where('email_verified_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
