import { callTranscript, listCalls, type CallFilter, type SpokenWords } from '../../../db/calls.js';
import { HANGUP_EVENT } from '../../../workflows/definition/agents/dag-document.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Actor } from '../../actor.js';
import { conflict } from '../../http/errors.js';
import type { JoinClaims, TokenSigner } from '../access-tokens.js';
import { actingWorkspace } from '../acting-workspace.js';
import type { RunEventService } from '../run-events.js';
import { startCall, type CallStartDeps, type StartCall, type StartedCall } from './call-start.js';
import { endOfCall, mustFindCall, takeCallTurn, type CallTurn, type CallTurnDeps } from './call-turns.js';
import { callView, isOver, type CallView } from './call-view.js';

export interface CallService {
  /** Accepts a call: it begins as soon as a worker takes up its run. */
  readonly start: (actor: Actor, request: { readonly call: StartCall; readonly seed: string }) => Promise<StartedCall>;
  readonly list: (
    actor: Actor,
    page: { readonly filter: CallFilter; readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly CallView[]; readonly total: number }>;
  readonly get: (actor: Actor, callId: string) => Promise<CallView>;
  readonly transcript: (actor: Actor, callId: string) => Promise<readonly SpokenWords[]>;
  /** Says something, or with nothing to say waits for the first words. */
  readonly turn: (
    actor: Actor,
    callId: string,
    said: { readonly message: string | null; readonly seed: string },
  ) => Promise<CallTurn>;
  /** Hangs up, whatever the agents are at. `isOver` is false when that takes longer than a caller waits. */
  readonly end: (
    actor: Actor,
    callId: string,
    asked: { readonly reason: string | undefined; readonly seed: string },
  ) => Promise<{ readonly call: CallView; readonly isOver: boolean }>;
  /** Whom the token of a started call lets in; null when it is none of ours, or late. */
  readonly joined: (token: string) => Promise<JoinClaims | null>;
}

export interface CallDeps extends CallStartDeps, CallTurnDeps {
  readonly runs: CallStartDeps['runs'] & CallTurnDeps['runs'];
  readonly signer: Pick<TokenSigner, 'signJoin' | 'verifyJoin'>;
  readonly events: Pick<RunEventService, 'raiseOn'>;
}

const refOf = (actor: Actor, runId: string): RunRef => ({ workspaceId: actingWorkspace(actor), runId });

export const createCallService = (deps: CallDeps): CallService => ({
  start: (actor, request) => startCall(deps, actor, request),
  list: async (actor, page) => {
    const { items, total } = await listCalls(deps.db, actingWorkspace(actor), page);
    return { items: items.map(callView), total };
  },
  get: async (actor, callId) => callView(await mustFindCall(deps.db, refOf(actor, callId))),
  transcript: async (actor, callId) => {
    const run = refOf(actor, callId);
    await mustFindCall(deps.db, run);
    return callTranscript(deps.db, run);
  },
  turn: async (actor, callId, said) => takeCallTurn(deps, refOf(actor, callId), said),
  end: (actor, callId, asked) => endCall(deps, actor, { ...asked, callId }),
  joined: deps.signer.verifyJoin,
});

/** An agent at work is stopped first. */
const END_MS = 20_000;

async function endCall(
  deps: CallDeps,
  actor: Actor,
  asked: { readonly callId: string; readonly reason: string | undefined; readonly seed: string },
): Promise<{ readonly call: CallView; readonly isOver: boolean }> {
  const { callId, reason, seed } = asked;
  const run = refOf(actor, callId);
  const { status } = await mustFindCall(deps.db, run);
  if (isOver(status)) throw conflict(`The call is over already (${status}).`);
  const payload = reason === undefined ? {} : { reason };
  await deps.events.raiseOn(callId, { actor, name: HANGUP_EVENT, key: null, id: undefined, payload, seed });
  const ended = await endOfCall(deps, run, END_MS);
  return { call: callView(ended ?? (await mustFindCall(deps.db, run))), isOver: ended !== null };
}
