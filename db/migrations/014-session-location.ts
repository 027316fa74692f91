import { sql, type Kysely } from 'kysely';

/** Where a session was begun, as far as the proxy in front told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table sessions add column location jsonb`.execute(db);
}
