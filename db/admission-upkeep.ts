import { sql } from 'kysely';
import type { Database } from './client.js';

/** Nonces and reservations whose time is over. */
export async function purgeAdmission(db: Database): Promise<void> {
  await sql`delete from service_account_nonces where expires_at < now()`.execute(db);
  await sql`delete from signup_invite_reservations where expires_at < now()`.execute(db);
}
