import { waitingNode } from '../../db/conversations.js';
import { findRun, planOfRun, type RunRow } from '../../db/run-commands.js';
import type { Database } from '../../db/client.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { Turn } from '../../workflows/contract/messages.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, notFound } from '../http/errors.js';
import { hasEnded } from './run-view.js';
import { textsOf } from './session-turns.js';
import { presentAll, shownId, shownTrace, transcriptOf, type Message, type Trace } from './transcript.js';

/** `working`: neither its user's turn nor over; a step, a clock or somebody else moves it. */
export type SessionState = 'awaiting_input' | 'working' | 'ended';

/** What came of a turn, or of a whole session. */
export interface SessionTurn {
  readonly session_id: string;
  readonly messages: readonly Message[];
  readonly state: SessionState;
  readonly status: RunStatus;
  readonly active_node: string | null;
  readonly variables: Readonly<Record<string, Json>>;
  readonly trace: readonly Trace[];
  readonly error: NodeError | null;
}

export interface SessionViewDeps {
  readonly db: Database;
  readonly news: {
    readonly waitFor: <T>(run: RunRef, ask: () => Promise<T | null>, timeoutMs: number) => Promise<T | null>;
  };
}

export const stateOf = (status: RunStatus, listens: boolean): SessionState =>
  hasEnded(status) ? 'ended' : listens ? 'awaiting_input' : 'working';

/** How long the record of an end that is known may take. */
const RECORD_MS = 5_000;

export async function presentTurn(
  deps: SessionViewDeps,
  run: RunRef,
  { turn, plan }: { readonly turn: Turn; readonly plan: Plan },
): Promise<SessionTurn> {
  const { db } = deps;
  const { status, trace, activeNode } = turn;
  const texts = await textsOf(db, run, turn);
  const isOver = hasEnded(status);
  return {
    session_id: run.runId,
    messages: texts.map(({ node_id: id, text }) => ({ role: 'assistant', text, node_id: shownId(plan, id) })),
    state: stateOf(status, activeNode !== null && plan.nodes[activeNode]?.kind === 'listen'),
    status,
    active_node: activeNode === null || isOver ? null : shownId(plan, activeNode),
    variables: await presentAll(db, run.workspaceId, turn.vars),
    trace: shownTrace(plan, trace),
    error: isOver ? ((await endOf(deps, run))?.error ?? null) : null,
  };
}

/** The row of a run that is known to have ended, once it says so: whoever reads it next finds it so. */
export async function endOf({ db, news }: SessionViewDeps, run: RunRef): Promise<RunRow | null> {
  const ask = async (): Promise<RunRow | null> => {
    const row = await findRun(db, run);
    return row !== undefined && hasEnded(row.status) ? row : null;
  };
  return news.waitFor(run, ask, RECORD_MS);
}

/** What the records say of it. */
export async function recorded(
  deps: SessionViewDeps,
  { workspace_id: workspaceId, id: runId }: RunRow,
  since: 'start' | 'last-message',
): Promise<SessionTurn> {
  const run = { workspaceId, runId };
  const row = await mustFind(deps, run);
  const plan = await mustHavePlan(deps, row);
  const { messages, trace, variables } = await transcriptOf(deps.db, { row, plan }, since);
  const wait = hasEnded(row.status) ? null : await waitingNode(deps.db, run);
  return {
    session_id: runId,
    messages,
    state: stateOf(row.status, wait?.kind === 'message'),
    status: row.status,
    active_node: wait === null ? null : shownId(plan, wait.node_id),
    variables,
    trace,
    error: row.error,
  };
}

/** A run that is no conversation with a workflow is no session. */
export async function mustFind({ db }: SessionViewDeps, run: RunRef): Promise<RunRow> {
  const row = await findRun(db, run);
  if (row?.is_conversation !== true || row.definition_kind !== 'workflow') throw notFound('session', run.runId);
  return row;
}

export async function mustHavePlan({ db }: SessionViewDeps, row: RunRow): Promise<Plan> {
  const plan = await planOfRun(db, row);
  if (plan === null) throw conflict('The version this session was of is gone.');
  return plan;
}
