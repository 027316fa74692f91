import { sql, type Kysely } from 'kysely';

/** Usage is counted by the day a run was accepted, for one workspace. */
const statements = [`create index runs_usage on runs (workspace_id, created_at)`];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
