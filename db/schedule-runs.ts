import { compilePrompt } from '../workflows/definition/prompt.js';
import { inline, type Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { insertRun, type InsertedRun, type NewRun } from './runs.js';
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

/** Writes the run's row; the same id twice changes nothing. Only for a schedule without obstacle. */
export function insertScheduleRun(db: Database, run: NewScheduleRun): Promise<InsertedRun> {
  const { schedule, runId, trigger, actor } = run;
  const { chain } = schedule;
  return insertRun(db, {
    run: { workspaceId: schedule.workspace_id, runId },
    definition: definitionOf(schedule),
    kind: chain?.kind ?? 'prompt',
    plan: chain === null ? compilePrompt({ agent: schedule.workspace_slug, label: schedule.name }) : null,
    input: inline(chain === null ? schedule.prompt : schedule.chain_input),
    trigger,
    actor,
    scheduleId: schedule.id,
  });
}

function definitionOf({ chain, chain_id: id }: Schedule): NewRun['definition'] {
  if (chain === null || id === null) return null;
  if (chain.version_id === null) throw new Error(`chain ${id} has no version`);
  return { id, versionId: chain.version_id };
}
