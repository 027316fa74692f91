import { ensureVersion } from '../../db/definitions.js';
import { derivedId, newSeed } from '../../db/ids.js';
import { writeFlush } from '../../db/run-records.js';
import type { NewRun } from '../../db/runs.js';
import { insertWait, type NewWait } from '../../db/waits.js';
import type { Database } from '../../db/client.js';
import { visitKey, waitToken } from '../../workflows/contract/ids.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Person } from './api.js';
import { linePlan, pass } from './plans.js';
import { noFlush, seedRun } from './runs.js';

/** Rows as other parts of the platform write them, for tests of commands on runs. */

export interface Published {
  readonly id: string;
  readonly versionId: string;
}

/** A definition with a live version of this plan. */
export async function publish(
  db: Database,
  person: Person,
  of: { readonly slug: string; readonly kind?: string; readonly plan?: Plan; readonly isLive?: boolean },
): Promise<Published> {
  const { slug, kind = 'workflow', plan = linePlan(pass('a')), isLive = true } = of;
  const workspaceId = person.workspace.id;
  const id = derivedId('def', newSeed());
  await db
    .insertInto('definitions')
    .values({
      id,
      workspace_id: workspaceId,
      kind,
      slug,
      name: slug,
      status: isLive ? 'live' : 'draft',
      document: JSON.stringify({ nodes: [], edges: [] }),
      version_id: null,
      created_by: person.userId,
      deleted_at: null,
      published_at: null,
    })
    .execute();
  const versionId = await addVersion(db, { workspaceId, definitionId: id, plan, number: 1 });
  if (isLive) await db.updateTable('definitions').set({ version_id: versionId }).where('id', '=', id).execute();
  return { id, versionId };
}

export async function addVersion(
  db: Database,
  of: { readonly workspaceId: string; readonly definitionId: string; readonly plan: Plan; readonly number: number },
): Promise<string> {
  const { number, ...version } = of;
  const id = await ensureVersion(db, { ...version, document: { number } });
  await db.updateTable('versions').set({ number }).where('id', '=', id).execute();
  return id;
}

/** A run that has come so far. */
export async function runAt(
  db: Database,
  person: Person,
  { status, ...more }: Partial<NewRun> & { readonly status: RunStatus },
): Promise<RunRef> {
  const workspaceId = person.workspace.id;
  const run = await seedRun(db, { ...more, run: { workspaceId, runId: derivedId('run', newSeed()) } });
  if (status !== 'queued') await writeFlush(db, run, { ...noFlush, status, seq: 1 });
  return run;
}

/** An open wait of a run; answers its token. */
export async function openWaitOf(db: Database, run: RunRef, more: Partial<NewWait> = {}): Promise<string> {
  const place = { nodeId: 'ask', visit: 1, scope: '', ...more };
  const key = visitKey(place);
  const token = waitToken(run.runId, key);
  const wait = { kind: 'decision', prompt: 'May I?', context: null, expiresAt: null } as const;
  await insertWait(db, { ...wait, ...more, ...place, key, token, run });
  return token;
}
