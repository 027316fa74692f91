import { sql, type Kysely } from 'kysely';

/** The runs of staged workflows in the order in which they are listed. */
const statements = [
  `create index runs_staged on runs (workspace_id, created_at desc, id desc) where definition_kind = 'staged'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
