import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import type { Actor } from '../actor.js';
import type { Answer, TemporalGateway } from '../temporal/gateway.js';
import { findOpenRuns, type OpenRun } from './live-runs.js';
import type { RunService } from './runs.js';

export interface MoveOutcome {
  readonly run_id: string;
  /**
   * `moved`; `refused`: it does not fit where it stands; `ended`: it is over, or no run of this definition; `no_answer`: it may
   * still move, ask again.
   */
  readonly outcome: 'moved' | 'refused' | 'ended' | 'no_answer';
  readonly reasons: readonly string[];
}

export interface Move {
  readonly of: DefinitionRef;
  readonly runs: readonly string[] | 'all';
  readonly target: { readonly versionId: string };
  readonly seed: string;
}

/** Asks open runs to go on with another version from their next safe point. */
export type MoveRuns = (actor: Actor, move: Move) => Promise<readonly MoveOutcome[]>;

export interface MoveDeps {
  readonly db: Database;
  readonly runs: Pick<RunService, 'tell'>;
  readonly temporal: Pick<TemporalGateway, 'moveVersion'>;
}

/** Runs asked with one request, the newest first; the next request takes the next. */
export const MOVES_AT_ONCE = 200;
const ASKED_TOGETHER = 10;

export const createMoveRuns =
  (deps: MoveDeps): MoveRuns =>
  async (actor, move) => {
    const { of, runs, target } = move;
    const named = runs === 'all' ? {} : { ids: [...new Set(runs)] };
    const open = named.ids?.length === 0 ? [] : await findOpenRuns(deps.db, of, { ...named, limit: MOVES_AT_ONCE });
    const asked = runs === 'all' ? open.filter((run) => run.version_id !== target.versionId) : open;
    const known = new Set(open.map(({ id }) => id));
    const over = (named.ids ?? []).filter((id) => !known.has(id)).map(ended);
    const outcomes: MoveOutcome[] = [...over];
    for (let at = 0; at < asked.length; at += ASKED_TOGETHER) {
      const batch = asked.slice(at, at + ASKED_TOGETHER);
      outcomes.push(...(await Promise.all(batch.map((run) => ask(deps, actor, { ...move, run })))));
    }
    return outcomes;
  };

const ended = (id: string): MoveOutcome => ({
  run_id: id,
  outcome: 'ended',
  reasons: ['No open run of this definition has this id.'],
});

async function ask(
  { runs, temporal }: MoveDeps,
  actor: Actor,
  { of, target, seed, run }: Move & { readonly run: OpenRun },
): Promise<MoveOutcome> {
  if (run.version_id === target.versionId) return { run_id: run.id, outcome: 'moved', reasons: [] };
  const ref = { workspaceId: of.workspaceId, runId: run.id };
  const request = { versionId: target.versionId, by: actor.id, requestId: `${seed}-${run.id}` };
  const answer = await runs.tell(ref, () => temporal.moveVersion(ref, request)).catch(silent);
  if (answer.outcome === 'done') {
    const { value } = answer;
    return { run_id: run.id, outcome: value.moved ? 'moved' : 'refused', reasons: value.moved ? [] : value.reasons };
  }
  return { run_id: run.id, outcome: answer.outcome === 'closed' ? 'ended' : 'no_answer', reasons: [answer.message] };
}

/** One run that cannot be asked does not keep the others from being asked. */
const silent = (error: unknown): Answer<never> => ({
  outcome: 'late',
  message: `The run could not be asked: ${error instanceof Error ? error.message : String(error)}.`,
});
