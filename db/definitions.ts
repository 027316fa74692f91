import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Plan } from '../workflows/definition/plan.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { newId } from './ids.js';

export interface VersionOf {
  readonly workspaceId: string;
  readonly definitionId: string;
  readonly document: Json;
  readonly plan: Plan;
}

/** The version of exactly this document and plan: the one there is, or the next number. Versions never change. */
export async function ensureVersion(db: Database, version: VersionOf): Promise<string> {
  const document = JSON.stringify(version.document);
  const plan = JSON.stringify(version.plan);
  const hash = createHash('sha256').update(document).update('\0').update(plan).digest('hex');
  const { rows } = await sql<{ id: string }>`
    insert into versions (id, workspace_id, definition_id, number, hash, document, plan)
    select ${newId('ver')}, ${version.workspaceId}, ${version.definitionId},
      coalesce(max(number), 0) + 1, ${hash}, ${document}::jsonb, ${plan}::jsonb
    from versions where definition_id = ${version.definitionId}
    on conflict (definition_id, hash) do update set hash = excluded.hash
    returning id`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('a version was neither written nor found');
  return row.id;
}
