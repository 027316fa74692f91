import { visitKey } from '../contract/ids.js';
import type { NodeError } from '../contract/failures.js';
import type { PlanNode } from '../definition/plan.js';
import { inline, type Value } from '../definition/values.js';
import { unpark } from '../engine/reduce.js';
import type { Visit } from '../engine/state.js';
import type { RunSession } from './session.js';
import { openWait, settlementOf } from './waiting.js';

/** What somebody says of a parked visit. */
export type Verdict =
  | { readonly action: 'again' }
  /** The effect nobody knew the outcome of has happened. */
  | { readonly action: 'done'; readonly output: Value; readonly startedAt: number; readonly by: string }
  | { readonly action: 'failed'; readonly error: NodeError; readonly startedAt: number; readonly by: string }
  /** Nobody yet: the run continues as new. */
  | { readonly action: 'drained' };

/** A parked visit waits for somebody: to start it anew, to give it up, or to say whether its effect happened. */
export async function askAboutParked(session: RunSession, visit: Visit): Promise<Verdict> {
  const key = visitKey(visit);
  const error = session.state.parked[key] ?? { type: 'engine_error', message: 'The step is parked.' };
  const asksOutcome = error.type === 'outcome_unknown';
  const prompt = asksOutcome ? `Did this happen? ${error.message}` : `This step failed: ${error.message}`;
  const audience = asksOutcome ? audienceOf(session.node(visit)) : {};
  const asks = asksOutcome ? { asksOutcome } : {};
  const wait = await openWait(session, visit, { kind: 'parked', error, prompt, ...asks, ...audience });
  const settlement = await settlementOf(session, wait);
  if (settlement === null) return { action: 'drained' };
  session.state = unpark(session.state, key);
  const { outcome, by, value } = settlement;
  const { openedAt: startedAt } = wait;
  if (asksOutcome && outcome === 'approved') {
    return { action: 'done', output: value ?? inline({ outcome: 'confirmed', by }), startedAt, by };
  }
  if (!asksOutcome && outcome === 'rejected') return { action: 'failed', error, startedAt, by };
  const { round = 0 } = session.retries.get(key) ?? {};
  session.retries.set(key, { round: round + 1, isUndone: asksOutcome && outcome === 'rejected' });
  return { action: 'again' };
}

/** Whom an effect's author wants asked. */
function audienceOf({ config }: PlanNode): { readonly audience?: readonly string[] } {
  const unknown = 'on_unknown' in config ? config.on_unknown : undefined;
  return unknown?.action === 'ask' && unknown.audience !== undefined ? { audience: unknown.audience } : {};
}
