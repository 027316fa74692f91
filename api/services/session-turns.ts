import type { Database } from '../../db/client.js';
import { loadValue } from '../../db/values.js';
import type { TakeTurn, Turn } from '../../workflows/contract/messages.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { textOf } from '../../workflows/definition/values.js';
import type { Answer, TemporalGateway } from '../temporal/gateway.js';
import type { RunService } from './runs.js';

export interface TurnDeps {
  readonly db: Database;
  readonly runs: Pick<RunService, 'tell'>;
  readonly temporal: Pick<TemporalGateway, 'takeTurn'>;
}

/** A client waits so long for an answer; what comes later it fetches. */
const PATIENCE_MS = 60_000;

/** Says something to a conversation and hears its answer; null when that takes longer than anybody waits. */
export async function askTurn(
  { runs, temporal }: TurnDeps,
  run: RunRef,
  { seed, ...said }: Pick<TakeTurn, 'message' | 'text'> & { readonly seed: string },
): Promise<Answer<Turn | null>> {
  const until = Date.now() + PATIENCE_MS;
  for (let asked = 0; ; asked += 1) {
    // a run that changes hands answers half a turn: whoever asks again names the same turn in a new request
    const request = { ...said, id: seed, requestId: asked === 0 ? seed : `${seed}/${asked}` };
    const patienceMs = Math.max(1, until - Date.now());
    const answer = await runs.tell(run, () => temporal.takeTurn(run, request, patienceMs));
    // it was asked before, and ended meanwhile: the records tell the rest
    if (answer.outcome === 'closed' && asked > 0) return { outcome: 'done', value: null };
    if (answer.outcome !== 'done' || answer.value === null || answer.value.isOver) return answer;
    if (Date.now() >= until) return { outcome: 'done', value: null };
  }
}

/** The texts of a turn, those fetched that were too large to travel. */
export const textsOf = (
  db: Database,
  { workspaceId }: RunRef,
  { said }: Turn,
): Promise<readonly { readonly node_id: string; readonly text: string }[]> =>
  Promise.all(
    said.map(async ({ node_id, text, value }) =>
      value === undefined ? { node_id, text } : { node_id, text: textOf(await loadValue(db, workspaceId, value)) },
    ),
  );
