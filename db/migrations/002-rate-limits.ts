import { sql, type Kysely } from 'kysely';

/** Counters of the `auth` rate limit, shared by all API processes; rows past their time mean nothing and may be lost. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create unlogged table rate_limits (
    key varchar(255) primary key,
    points integer not null default 0,
    expire bigint
  )`.execute(db);
}
