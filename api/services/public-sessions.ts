import type { Database } from '../../db/client.js';
import { EMBED_TRIGGER, isSessionOf } from '../../db/deployments.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { ApiError, conflict, notFound } from '../http/errors.js';
import { findDefinition } from './definition-rows.js';
import type { SessionState, SessionTurn } from './session-view.js';
import type { Message } from './transcript.js';
import type { WorkflowSessionService } from './workflow-sessions.js';

/** What a page learns of a conversation: what was said, not how it came about. */
export interface PublicTurn {
  readonly session_id: string;
  readonly messages: readonly Omit<Message, 'node_id'>[];
  readonly state: SessionState;
}

/** Conversations of pages that hold a deployment's token, always with what is published. */
export interface PublicSessionService {
  readonly start: (
    actor: Actor,
    session: { readonly variables: Readonly<Record<string, Json>>; readonly seed: string },
  ) => Promise<PublicTurn>;
  readonly turn: (
    actor: Actor,
    said: { readonly sessionId: string; readonly message: string; readonly seed: string },
  ) => Promise<PublicTurn>;
  /** The whole conversation, for a page that was loaded again. */
  readonly get: (actor: Actor, sessionId: string) => Promise<PublicTurn>;
}

export interface PublicSessionDeps {
  readonly db: Database;
  readonly sessions: WorkflowSessionService;
}

export const createPublicSessionService = (deps: PublicSessionDeps): PublicSessionService => ({
  start: (actor, session) => start(deps, actor, session),
  turn: async (actor, { sessionId, ...said }) => {
    const run = await ownSession(deps, actor, sessionId);
    return presentPublic(await discreet(deps.sessions.turn(run, said)));
  },
  get: async (actor, sessionId) =>
    presentPublic(await discreet(deps.sessions.get(await ownSession(deps, actor, sessionId)))),
});

async function start(
  { db, sessions }: PublicSessionDeps,
  actor: Actor,
  { variables, seed }: { readonly variables: Readonly<Record<string, Json>>; readonly seed: string },
): Promise<PublicTurn> {
  const { workspaceId, definitionId = '' } = actor;
  const { live_version: live, status } = await findDefinition(db, { workspaceId, definitionId }).catch(gone);
  if (live === null || status === 'paused') throw notPublished();
  const begun = sessions.start(actor, {
    ...{ workflow: definitionId, variables, seed, message: undefined },
    useDraft: false,
    trigger: EMBED_TRIGGER,
  });
  return presentPublic(await discreet(begun));
}

function gone(error: unknown): never {
  throw error instanceof ApiError ? new ApiError(404, 'What this deployment opened was deleted.') : error;
}

const notPublished = (): ApiError =>
  conflict('Nothing is published here yet: conversations can begin once its owner publishes a version.');

/** Another deployment's session is not there, even for a deployment of the same workspace. */
async function ownSession({ db }: PublicSessionDeps, actor: Actor, sessionId: string): Promise<RunRef> {
  const run = { workspaceId: actor.workspaceId, runId: sessionId };
  if (!(await isSessionOf(db, { ...run, deploymentId: actor.id }))) throw notFound('session', sessionId);
  return run;
}

/** The sentences for authors name nodes and settings; strangers get plain ones. */
async function discreet<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, headers, details } = error;
    const message = plain[status] ?? error.message;
    throw new ApiError(status, message, { headers, details: status === 422 ? details : [] });
  }
}

const plain: Readonly<Partial<Record<ApiError['status'], string>>> = {
  409: 'The session has ended or is not listening now: read it again, or start a new one.',
  429: 'Too many sessions and turns: try again a little later.',
};

const presentPublic = ({ session_id, messages, state }: SessionTurn): PublicTurn => ({
  session_id,
  messages: messages.map(({ node_id: _inside, ...message }) => message),
  state,
});
