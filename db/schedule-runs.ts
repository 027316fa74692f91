import type { PlanSource, RunInput, RunRef } from '../workflows/contract/run.js';
import { compilePrompt } from '../workflows/definition/prompt.js';
import { inline, type Json, type Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import type { Schedule } from './schedules.js';

/** Why the schedule's chain cannot run now, as the end of a sentence; null where it can. */
export function chainObstacle({ chain }: Schedule): string | null {
  if (chain === null) return null;
  if (chain.deleted) return `chain "${chain.slug}" was deleted`;
  if (chain.status === 'paused') return `chain "${chain.slug}" is paused`;
  return chain.version_id === null ? `chain "${chain.slug}" has no version that can run; make it live first` : null;
}

/** What the author wrote: the prompt, or `{"chain","input"}` as JSON with the chain's present slug. */
export function promptOf({ chain, chain_input: input, prompt }: Schedule): string {
  return chain === null ? prompt : chainPrompt(chain.slug, input);
}

export const chainPrompt = (chain: string, input: Json): string =>
  JSON.stringify(input === null ? { chain } : { chain, input });

export interface NewScheduleRun {
  readonly schedule: Schedule;
  readonly runId: string;
  readonly trigger: 'schedule' | 'manual';
  readonly actor: string;
}

export interface InsertedRun {
  readonly input: RunInput;
  /** False when the row was there before. */
  readonly isNew: boolean;
}

/** Writes the run's row; the same id twice changes nothing. Only for a schedule without obstacle. */
export async function insertScheduleRun(db: Database, run: NewScheduleRun): Promise<InsertedRun> {
  const { schedule, runId, trigger, actor } = run;
  const source = sourceOf(schedule);
  const input = inline(schedule.chain === null ? schedule.prompt : schedule.chain_input);
  const result = await db
    .insertInto('runs')
    .values({
      id: runId,
      workspace_id: schedule.workspace_id,
      definition_id: schedule.chain_id,
      definition_kind: schedule.chain?.kind ?? 'prompt',
      version_id: 'versionId' in source ? source.versionId : null,
      plan: 'plan' in source ? JSON.stringify(source.plan) : null,
      schedule_id: schedule.id,
      status: 'queued',
      trigger,
      actor,
      input: JSON.stringify(input),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst();
  return {
    input: { run: { workspaceId: schedule.workspace_id, runId }, source, input },
    isNew: (result.numInsertedOrUpdatedRows ?? 0n) > 0n,
  };
}

/** What starts a run that is still queued; undefined once it has begun. */
export async function queuedRun(db: Database, run: RunRef): Promise<RunInput | undefined> {
  const row = await db
    .selectFrom('runs')
    .select(['version_id', 'plan', 'input'])
    .where('workspace_id', '=', run.workspaceId)
    .where('id', '=', run.runId)
    .where('status', '=', 'queued')
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const source: PlanSource | null =
    row.version_id !== null ? { versionId: row.version_id } : row.plan !== null ? { plan: row.plan } : null;
  const input: Value = row.input;
  return source === null ? undefined : { run, source, input };
}

function sourceOf({ chain, name, workspace_slug: agent }: Schedule): PlanSource {
  if (chain === null) return { plan: compilePrompt({ agent, label: name }) };
  if (chain.version_id === null) throw new Error(`chain ${chain.id} has no version`);
  return { versionId: chain.version_id };
}
