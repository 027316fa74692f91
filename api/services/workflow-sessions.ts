import { listConversations, waitingNode, type ConversationRow } from '../../db/conversations.js';
import { isOpenStatus } from '../../db/run-commands.js';
import { scoped } from '../../db/scoped.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import { INLINE_LIMIT_BYTES, type Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { conflict, invalid } from '../http/errors.js';
import { findWorkflow, type DefinitionRow } from './definition-rows.js';
import { runTags } from './caller.js';
import { checkInput } from './json-check.js';
import { refusalError } from './run-refusals.js';
import { targetOf, type RunTargetDeps } from './run-target.js';
import type { RunService } from './runs.js';
import { holdToCap } from './session-cap.js';
import { askTurn, type TurnDeps } from './session-turns.js';
import {
  endOf,
  mustFind,
  mustHavePlan,
  presentTurn,
  recorded,
  stateOf,
  type SessionState,
  type SessionTurn,
  type SessionViewDeps,
} from './session-view.js';
import { shownId } from './transcript.js';

export interface SessionView extends SessionTurn {
  readonly workflow_id: string;
  readonly version: number | null;
  readonly use_draft: boolean;
}

export interface SessionItem {
  readonly session_id: string;
  readonly status: RunStatus;
  readonly state: SessionState;
  readonly turns: number;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly version: number | null;
  readonly use_draft: boolean;
}

export interface NewSession {
  /** Id or slug. */
  readonly workflow: string;
  readonly useDraft: boolean;
  readonly variables: Readonly<Record<string, Json>>;
  readonly message: string | undefined;
  readonly seed: string;
  /** What the run says started it; default `simulator`. */
  readonly trigger?: string;
}

/** Conversations with workflows; a session is a run. */
export interface WorkflowSessionService {
  readonly start: (actor: Actor, session: NewSession) => Promise<SessionView>;
  readonly turn: (run: RunRef, said: { readonly message: string; readonly seed: string }) => Promise<SessionTurn>;
  /** The whole conversation. */
  readonly get: (run: RunRef) => Promise<SessionView>;
  readonly list: (
    of: { readonly workspaceId: string; readonly workflow: string },
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly SessionItem[]; readonly total: number }>;
}

export interface WorkflowSessionDeps extends TurnDeps, RunTargetDeps, SessionViewDeps {
  readonly runs: RunService;
}

export const createWorkflowSessionService = (deps: WorkflowSessionDeps): WorkflowSessionService => ({
  start: (actor, session) => startSession(deps, actor, session),
  turn: (run, said) => takeTurn(deps, run, said),
  get: (run) => getSession(deps, run),
  list: (of, page) => listSessions(deps, of, page),
});

/** Marks the sessions of drafts. */
const DRAFT_TAG = 'draft';

async function startSession(deps: WorkflowSessionDeps, actor: Actor, session: NewSession): Promise<SessionView> {
  const { db, runs } = deps;
  const { workspaceId } = actor;
  const { useDraft, seed, trigger = 'simulator' } = session;
  const workflow = await findWorkflow(db, workspaceId, session.workflow);
  const { definition, kind, plan, version } = await targetFor(deps, workspaceId, { workflow, useDraft });
  const input = inputOf(session);
  checkInput(plan, input, 'variables');
  await holdToCap(db, { workspaceId, definitionId: workflow.id });
  const run = await runs.start({
    ...{ workspaceId, definition, kind, plan, input, seed, trigger },
    actor: actor.id,
    isConversation: true,
    tags: runTags(actor, useDraft ? [DRAFT_TAG] : []),
  });
  const answer = await askTurn(deps, run, { message: null, text: null, seed });
  const shown = { workflow_id: workflow.id, version, use_draft: useDraft };
  if (answer.outcome === 'done' && answer.value !== null) {
    return { ...(await presentTurn(deps, run, { turn: answer.value, plan })), ...shown };
  }
  const isOver = answer.outcome === 'closed' || answer.outcome === 'settled';
  if (isOver) await endOf(deps, run);
  else if (answer.outcome !== 'done') throw refusalError(answer);
  return { ...(await recorded(deps, await mustFind(deps, run), 'start')), ...shown };
}

function targetFor(
  deps: WorkflowSessionDeps,
  workspaceId: string,
  { workflow, useDraft }: { readonly workflow: DefinitionRow; readonly useDraft: boolean },
) {
  const { id, name, live_version: live } = workflow;
  if (useDraft) return targetOf(deps, workspaceId, { definition: { ...workflow, version_id: null }, version: 'draft' });
  if (live !== null) {
    return targetOf(deps, workspaceId, { definition: { ...workflow, version_id: live.id }, version: undefined });
  }
  const publish = `POST /v1/workflows/${id}/publish`;
  throw conflict(`"${name}" has no published version: publish it first (${publish}), or leave use_draft true.`);
}

/** The run's input: the variables, and the message beside them. It travels whole. */
function inputOf({ variables, message }: NewSession): Readonly<Record<string, Json>> {
  if ('message' in variables) {
    throw invalid([{ field: 'variables.message', message: 'is taken: give the first message as `message`' }]);
  }
  const input = { ...variables, ...(message === undefined ? {} : { message }) };
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= INLINE_LIMIT_BYTES) return input;
  const limit = `must be at most ${INLINE_LIMIT_BYTES} bytes of JSON together with the message; they are ${bytes}`;
  throw invalid([{ field: 'variables', message: limit }]);
}

async function takeTurn(
  deps: WorkflowSessionDeps,
  run: RunRef,
  { message, seed }: { readonly message: string; readonly seed: string },
): Promise<SessionTurn> {
  const row = await mustFind(deps, run);
  if (!isOpenStatus(row.status)) throw conflict(`The session has ended (${row.status}); start a new one.`);
  if (row.definition_id !== null) {
    await holdToCap(deps.db, { workspaceId: run.workspaceId, definitionId: row.definition_id });
  }
  const plan = await mustHavePlan(deps, row);
  const text = message.toWellFormed().replaceAll('\u0000', '\uFFFD');
  const answer = await askTurn(deps, run, { message: await deps.runs.acceptValue(run, { text }), text, seed });
  if (answer.outcome === 'done') {
    const turn = answer.value;
    return turn === null ? recorded(deps, row, 'last-message') : presentTurn(deps, run, { turn, plan });
  }
  if (answer.outcome === 'closed') throw conflict('The session has ended; start a new one.');
  if (answer.outcome !== 'settled') throw refusalError(answer);
  const wait = await waitingNode(deps.db, run);
  const whose = wait === null ? 'it is at work' : `"${shownId(plan, wait.node_id)}" waits for something else`;
  throw conflict(
    `Nobody listens in this session now: ${whose}. Read it again, and speak when its state is awaiting_input.`,
  );
}

async function getSession(deps: WorkflowSessionDeps, run: RunRef): Promise<SessionView> {
  const row = await mustFind(deps, run);
  const version = await scoped(deps.db, run.workspaceId)
    .select('versions')
    .select('number')
    .where('id', '=', row.version_id ?? '')
    .executeTakeFirst();
  return {
    ...(await recorded(deps, row, 'start')),
    workflow_id: row.definition_id ?? '',
    version: version?.number ?? null,
    use_draft: row.tags.includes(DRAFT_TAG),
  };
}

async function listSessions(
  { db }: WorkflowSessionDeps,
  { workspaceId, workflow }: { readonly workspaceId: string; readonly workflow: string },
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly SessionItem[]; readonly total: number }> {
  const { id: definitionId } = await findWorkflow(db, workspaceId, workflow);
  const { items, total } = await listConversations(db, { workspaceId, definitionId }, page);
  return { items: items.map(presentItem), total };
}

const presentItem = ({ id, status, listens, tags, version, turns, ...times }: ConversationRow): SessionItem => ({
  session_id: id,
  status,
  state: stateOf(status, listens),
  turns,
  started_at: times.started_at ?? times.created_at,
  ended_at: times.ended_at,
  version,
  use_draft: tags.includes(DRAFT_TAG),
});
