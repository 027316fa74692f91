import { findCall, lastWords, type CallRow } from '../../../db/calls.js';
import { planOfRun } from '../../../db/run-commands.js';
import type { RunNews } from '../../../db/listen.js';
import { loadValue } from '../../../db/values.js';
import { textOf } from '../../../workflows/definition/values.js';
import type { CallStatus } from '../../../db/tables/calls.js';
import type { Turn } from '../../../workflows/contract/messages.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Plan } from '../../../workflows/definition/plan.js';
import { conflict, notFound } from '../../http/errors.js';
import { refusalError } from '../run-refusals.js';
import { mustFindRun } from '../run-commands.js';
import type { RunService } from '../runs.js';
import { hasEnded } from '../run-view.js';
import { holdToCap } from '../session-cap.js';
import { askTurn, textsOf, type TurnDeps } from '../session-turns.js';
import { isOver } from './call-view.js';

export interface CallTurn {
  readonly call_id: string;
  readonly status: CallStatus;
  readonly current_agent: string | null;
  readonly messages: readonly { readonly role: 'assistant'; readonly content: string; readonly agent: string }[];
  readonly ended: boolean;
}

export interface CallTurnDeps extends TurnDeps {
  readonly runs: Pick<RunService, 'tell' | 'acceptValue'>;
  readonly news: Pick<RunNews, 'waitFor'>;
}

export async function mustFindCall(db: CallTurnDeps['db'], run: RunRef): Promise<CallRow> {
  const row = await findCall(db, run);
  if (row === undefined) throw notFound('call', run.runId);
  return row;
}

/** Says something in a call, or with nothing to say waits for its first words, and answers what the agents say to it. */
export async function takeCallTurn(
  deps: CallTurnDeps,
  run: RunRef,
  { message, seed }: { readonly message: string | null; readonly seed: string },
): Promise<CallTurn> {
  const { db, runs } = deps;
  const call = await mustFindCall(db, run);
  if (isOver(call.status)) throw isOverError(call);
  await holdToCap(db, { workspaceId: run.workspaceId, definitionId: call.definition_id });
  const text = message === null ? null : message.toWellFormed().replaceAll('\u0000', '\uFFFD');
  const said = text === null ? null : await runs.acceptValue(run, { text });
  const answer = await heardFirst(deps, run, { message: said, text, seed });
  if ('call_id' in answer) return answer;
  if (answer.outcome === 'done')
    return answer.value === null ? stillGoing(deps, run) : present(deps, run, answer.value);
  if (answer.outcome === 'closed') throw isOverError(await endOfCall(deps, run));
  if (answer.outcome !== 'settled') throw refusalError(answer);
  throw conflict('Nobody listens in this call now: it is at work or ending. Read it, and speak when an agent listens.');
}

/** What the run answers; or what its record says, where the record alone shows that the turn is over. */
async function heardFirst(
  deps: CallTurnDeps,
  run: RunRef,
  said: Parameters<typeof askTurn>[2],
): Promise<CallTurn | Awaited<ReturnType<typeof askTurn>>> {
  const over = new AbortController();
  try {
    return await Promise.race([recorded(deps, run, { turn: said.seed, over: over.signal }), askTurn(deps, run, said)]);
  } finally {
    over.abort();
  }
}

/** The turn, once a step ended it that says all there is to say; never, where none does. */
async function recorded(
  { db, news }: CallTurnDeps,
  run: RunRef,
  { turn, over }: { readonly turn: string; readonly over: AbortSignal },
): Promise<CallTurn> {
  const ask = async (): Promise<CallTurn | null> => {
    const last = await lastWords(db, run, turn);
    if (last === undefined) return null;
    const text = textOf(await loadValue(db, run.workspaceId, last.output));
    const messages = text === '' ? [] : [{ role: 'assistant' as const, content: text, agent: last.agent }];
    return { call_id: run.runId, status: 'active', current_agent: last.agent, messages, ended: false };
  };
  // where the record cannot be read the run itself answers
  const answer = await news.waitFor(run, ask, { until: over, turn }).catch(() => null);
  return answer ?? new Promise(() => undefined);
}

const isOverError = (call: CallRow | null): Error =>
  conflict(`The call is over${call === null ? '' : ` (${call.status})`}: start a new one.`);

/** The answer takes longer than anybody waits: the transcript will have it. */
async function stillGoing({ db }: CallTurnDeps, run: RunRef): Promise<CallTurn> {
  const { status, current_agent } = await mustFindCall(db, run);
  return { call_id: run.runId, status, current_agent, messages: [], ended: isOver(status) };
}

async function present(deps: CallTurnDeps, run: RunRef, turn: Turn): Promise<CallTurn> {
  const { db } = deps;
  const ended = hasEnded(turn.status);
  const [plan, texts, call] = await Promise.all([
    planOf(deps, run),
    textsOf(db, run, turn),
    ended ? endOfCall(deps, run).then((row) => row ?? mustFindCall(db, run)) : mustFindCall(db, run),
  ]);
  const messages = texts.map(({ node_id, text }) => ({
    role: 'assistant' as const,
    content: text,
    agent: agentOf(plan, node_id) ?? '',
  }));
  return {
    call_id: run.runId,
    status: ended ? call.status : 'active',
    current_agent: agentOf(plan, turn.activeNode) ?? call.current_agent,
    messages,
    ended,
  };
}

async function planOf({ db }: CallTurnDeps, run: RunRef): Promise<Plan> {
  const plan = await planOfRun(db, await mustFindRun(db, run));
  if (plan === null) throw conflict('The version this call was of is gone.');
  return plan;
}

/** Agents are what the nodes of their turns are called. */
function agentOf({ nodes }: Plan, nodeId: string | null): string | null {
  const node = nodeId === null ? undefined : nodes[nodeId];
  return node?.kind === 'listen' || node?.kind === 'agent_turn' ? node.label : null;
}

/** How long the record of an end that is known may take. */
const RECORD_MS = 5_000;

/** The call, once its row says that it is over. */
export async function endOfCall(
  { db, news }: Pick<CallTurnDeps, 'db' | 'news'>,
  run: RunRef,
  timeoutMs = RECORD_MS,
): Promise<CallRow | null> {
  const ask = async (): Promise<CallRow | null> => {
    const row = await findCall(db, run);
    return row !== undefined && isOver(row.status) ? row : null;
  };
  return news.waitFor(run, ask, timeoutMs);
}
