import type { NextWait } from '../contract/activities.js';
import { visitKey } from '../contract/ids.js';
import type { NodeOf } from '../definition/plan.js';
import { edgesFrom, nodeOf } from '../engine/graph.js';
import type { Visit } from '../engine/state.js';
import { reserve } from '../engine/tokens.js';
import type { RunSession } from './session.js';

/**
 * A turn of a conversation mostly ends where it began: the agent listens again. The wait for the next message is then
 * opened together with the turn's own record, which saves the activity that opens any other.
 */

/** The wait that this visit opens if its agent keeps the word; null where somebody else may have a say in what comes next. */
export function nextWait(session: RunSession, visit: Visit): NextWait | null {
  const listen = session.input.isConversation === true ? wayBack(session, visit) : null;
  if (listen === null || !isAlone(session, visit)) return null;
  const { scope } = visit;
  const { state, visit: number } = reserve(session.state, scope, listen.id);
  const place = { nodeId: listen.id, visit: number, scope };
  if (greets(session, listen, number)) return null;
  const key = visitKey(place);
  const { turn, said } = session.talk;
  return {
    ...place,
    token: session.waits.tokenOf(place, session.roundAround(place)),
    key,
    seq: state.seq,
    kind: listen.dialectKind,
    label: listen.label,
    timeoutSeconds: listen.config.timeout_seconds ?? null,
    ...(turn === null || said.length > 0 ? {} : { endsTurn: turn }),
  };
}

function wayBack({ plan }: RunSession, visit: Visit): NodeOf<'listen'> | null {
  const node = nodeOf(plan, visit.nodeId);
  if (node.kind !== 'agent_turn' || node.config.answers !== 'turn') return null;
  const last = edgesFrom(plan, node.id, 'out').at(-1);
  const target = last?.condition.type === 'always' ? nodeOf(plan, last.to) : null;
  return target?.kind === 'listen' ? target : null;
}

/** Everything else in the run waits for people or events. */
function isAlone(session: RunSession, visit: Visit): boolean {
  const { ready, open } = session.state;
  const waits = session.waits.undecided().filter(({ kind }) => kind !== 'until');
  const waiting = new Set(waits.map((wait) => visitKey(wait)));
  const own = visitKey(visit);
  const others = Object.keys(open).filter((key) => key !== own);
  return session.mayStart() && ready.length === 0 && others.every((key) => waiting.has(key));
}

const greets = ({ talk }: RunSession, { config }: NodeOf<'listen'>, visit: number): boolean =>
  config.greeting !== undefined && visit === 1 && (talk.message === null || config.always_greet === true);

/**
 * Goes on from a turn whose activity opened the next wait, when the run's state was at `seq`: the visit that waits finds it
 * open, and should another way be taken it is taken back.
 */
export async function withOpened(
  session: RunSession,
  { wait, seq }: { readonly wait: NextWait; readonly seq: number },
  goOn: () => Promise<void>,
): Promise<void> {
  const { token, key } = wait;
  // nothing else has moved the run meanwhile: its row says what the activity wrote
  if (session.state.seq === seq) session.readModel.recorded = 'waiting';
  session.opened.add(token);
  await goOn();
  const { ready, open, end } = session.state;
  const isDue = open[key] !== undefined || ready.some((visit) => visitKey(visit) === key);
  if (!isDue && session.opened.delete(token) && end === null) session.waits.withdraw(token);
}
