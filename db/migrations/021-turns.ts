import { sql, type Kysely } from 'kysely';

/** The turn of a conversation that a step ended with its own record: whoever asked need not hear it from the run. */
const statements = [`alter table run_steps add column ended_turn text`];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
