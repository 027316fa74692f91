import { sql, type Kysely } from 'kysely';

/** When a workspace was given what new ones begin with: once, so that what people deleted does not come back. */
const statements = [`alter table workspaces add column starters_at timestamptz`];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
