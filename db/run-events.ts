import { sql } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';

/** Adds to the log of a run what no row of the read model shows, such as the words of a model as they come. */
export async function appendRunEvent(
  db: Database,
  runId: string,
  event: { readonly type: string; readonly data: Readonly<Record<string, Json>> },
): Promise<void> {
  await sql`select append_run_event(${runId}, ${event.type}, ${JSON.stringify(event.data)}::jsonb)`.execute(db);
}
