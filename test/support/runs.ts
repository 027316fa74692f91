import { derivedId, newSeed } from '../../db/ids.js';
import { insertRun, type NewRun } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import { visitKey } from '../../workflows/contract/ids.js';
import type { Flush, RunRef, StepRecord } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { linePlan, pass } from './plans.js';

/** A tenant with the workspaces `ws_1` and `ws_2`. */
export async function seedWorkspaces(db: Database): Promise<void> {
  await db.insertInto('tenants').values({ id: 'ten_1', name: 'T', slug: 't' }).execute();
  const row = { tenant_id: 'ten_1', parent_id: null, settings: '{}', deleted_at: null };
  await db
    .insertInto('workspaces')
    .values([
      { ...row, id: 'ws_1', slug: 'w1', name: 'W1' },
      { ...row, id: 'ws_2', slug: 'w2', name: 'W2' },
    ])
    .execute();
}

export const newRunRef = (workspaceId = 'ws_1'): RunRef => ({ workspaceId, runId: derivedId('run', newSeed()) });

/** A queued run of no definition. */
export async function seedRun(db: Database, more: Partial<NewRun> = {}): Promise<RunRef> {
  const run = more.run ?? newRunRef();
  await insertRun(db, {
    definition: null,
    kind: 'test',
    plan: linePlan(pass('a')),
    input: inline('in'),
    trigger: 'test',
    actor: 'usr_ana',
    ...more,
    run,
  });
  return run;
}

export const noFlush: Flush = { steps: [], settlements: [], status: null, seq: 0, taken: null };

/** The record of the first visit of a node of the root. */
export function stepRecord(nodeId: string, seq: number, more: Partial<StepRecord> = {}): StepRecord {
  const place = { nodeId, visit: 1, scope: '', ...more };
  return {
    key: visitKey(place),
    ...place,
    seq,
    kind: 'test',
    label: nodeId,
    status: 'completed',
    input: inline('in'),
    output: null,
    error: null,
    taken: null,
    port: null,
    decidedBy: null,
    startedAt: 1_000,
    endedAt: 2_000,
    ...more,
  };
}
