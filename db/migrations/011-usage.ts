import { sql, type Kysely } from 'kysely';

/** Usage is counted by the day a run was accepted, for one workspace, and from indexes alone where there are many rows. */
const statements = [
  `create index runs_usage on runs (workspace_id, created_at)`,
  `drop index run_steps_cost`,
  `create index run_steps_cost on run_steps (run_id) include (cost) where cost is not null`,
  `create index run_steps_usage on run_steps (run_id, kind) include (status, decided_by) where kind in ('listen', 'tool')`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
