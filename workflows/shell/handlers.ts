import { ApplicationFailure, CancellationScope, condition, patched, setHandler } from '@temporalio/workflow';
import { Failure } from '../contract/failures.js';
import {
  childEnded,
  moveVersion,
  pauseRun,
  raiseEvent,
  resolveWait,
  retryNode,
  runView,
  takeTurn,
  type ResolvedWait,
  type ResolveWait,
  type RetryNode,
  type TakeTurn,
  type Turn,
} from '../contract/messages.js';
import type { OpenWait, RunInput, Vote, WaitSettlement } from '../contract/run.js';
import { textOf, jsonOf } from '../definition/values.js';
import { nodeOf } from '../engine/graph.js';
import { moveTo } from './move.js';
import type { RunSession } from './session.js';

/** What came before the plan was loaded waits for it. */
export interface SessionHolder {
  session?: RunSession;
}

const refused = (message: string, type: Failure): ApplicationFailure => ApplicationFailure.nonRetryable(message, type);

/** Messages may come before a large plan is loaded: then their handlers wait and judge what validators could not. */
export function handleMessages(input: RunInput, holder: SessionHolder): void {
  handleUpdates(holder);
  handleSignals(holder);
  setHandler(runView, () => ({
    state: holder.session?.state ?? input.carry?.state ?? null,
    waits: holder.session?.waits.all() ?? [],
    isPaused: holder.session?.isPaused ?? false,
  }));
}

type Work<T, R> = (session: RunSession, request: T) => R | Promise<R>;

/** A run that is being cancelled still hears what is said to it. */
function heard(holder: SessionHolder, count: 'updates' | 'signals') {
  const ready = async (): Promise<RunSession> => {
    if (holder.session === undefined) await condition(() => holder.session !== undefined);
    // -- reason: the condition above holds
    return holder.session as RunSession;
  };
  return <T, R>(work: Work<T, R>): ((request: T) => Promise<R>) =>
    (request) =>
      CancellationScope.nonCancellable(async () => {
        const session = await ready();
        session[count] += 1;
        return work(session, request);
      });
}

function handleUpdates(holder: SessionHolder): void {
  const update = heard(holder, 'updates');
  const judged =
    <T>(judge: (session: RunSession, request: T) => void) =>
    (request: T): void => {
      if (holder.session !== undefined) judge(holder.session, request);
    };
  setHandler(resolveWait, update(resolve), { validator: judged(judgeWait) });
  setHandler(takeTurn, update(speakTo), { validator: judged(judgeTurn) });
  setHandler(retryNode, update(retry), { validator: judged(judgeRetry) });
  setHandler(pauseRun, update(pause), { validator: judged(judgePause) });
  setHandler(moveVersion, update(moveTo));
}

function handleSignals(holder: SessionHolder): void {
  const signal = heard(holder, 'signals');
  setHandler(
    raiseEvent,
    signal((session, event) => session.waits.receive(event)),
  );
  setHandler(
    childEnded,
    signal((session, { key, end }) => {
      if (session.children.has(key)) session.childEnds.set(key, end);
    }),
  );
}

function judgeWait(session: RunSession, request: ResolveWait): void {
  const { token } = request;
  const wait = session.waits.find(token);
  const ended = refused('This wait has ended.', Failure.waitSettled);
  if (wait === undefined && session.waits.isSettled(token)) throw ended;
  if (wait === undefined || wait.kind === 'until' || wait.kind === 'event')
    throw refused('This run has no such wait.', Failure.waitUnknown);
  if (wait.deadline !== null && Date.now() >= wait.deadline) throw ended;
  judgeVoter(session, wait, request);
}

/** Whoever did not ask for whom the decision is, such as the system itself, may decide. */
const isAsked = ({ audience }: OpenWait, as: readonly string[] | null): boolean =>
  as === null || audience === undefined || audience.some((each) => as.includes(each));

function judgeVoter(session: RunSession, wait: OpenWait, { by, as = null }: ResolveWait): void {
  const { votes = [] } = wait;
  if (!isAsked(wait, as)) throw refused('Others are asked to decide this.', Failure.waitForbidden);
  if (votes.some((vote) => vote.by === by)) throw refused('You have voted on this already.', Failure.waitForbidden);
  const node = nodeOf(session.plan, wait.nodeId);
  if (node.kind === 'approval' && node.config.forbid_own && by === session.input.startedBy)
    throw refused('Whoever started the run may not decide this.', Failure.waitForbidden);
}

/** Counts a vote or settles the wait, and answers once the run has moved on, so that the caller learns where it went. */
async function resolve(session: RunSession, request: ResolveWait): Promise<ResolvedWait> {
  judgeWait(session, request);
  const { token } = request;
  // -- reason: `judgeWait` found it
  const wait = session.waits.find(token) as OpenWait;
  if (wait.kind === 'message') session.talk.hear(textOf(jsonOf(request.value ?? { json: null }) ?? ''));
  const settlement = settlementBy(session, wait, request);
  const shown = session.waits.get(token) ?? wait;
  if (settlement !== null) {
    session.waits.settle(settlement);
    const hasLeft = (): boolean => session.waits.decisionOn(token) === undefined || session.state.end !== null;
    await condition(() => hasLeft() || session.draining);
  }
  return { settlement, wait: shown, status: session.status(), seq: session.state.seq };
}

/** Null while more votes are needed. */
function settlementBy(session: RunSession, wait: OpenWait, request: ResolveWait): WaitSettlement | null {
  const { token, decision, value, note, by, shownHash = null } = request;
  const at = Date.now();
  const settled = { token, by, note, value, at };
  if (wait.kind === 'message') return { ...settled, outcome: 'resolved' };
  const node = nodeOf(session.plan, wait.nodeId);
  const { quorum, rejections } = node.kind === 'approval' ? node.config : { quorum: 1, rejections: 1 };
  const votes: readonly Vote[] = [...(wait.votes ?? []), { by, decision, note, value, at, shownHash }];
  session.waits.change(token, { votes });
  const count = votes.filter((vote) => vote.decision === decision).length;
  if (count < (decision === 'approve' ? quorum : rejections)) return null;
  return { ...settled, outcome: decision === 'approve' ? 'approved' : 'rejected', votes };
}

function judgeTurn({ input, state, talk }: RunSession, { message, id }: TakeTurn): void {
  if (input.isConversation !== true) throw refused('This run is no conversation.', Failure.waitUnknown);
  const isToldAgain = talk.hasHeard(id) || (message === null && talk.isOwed);
  if (state.end !== null && !isToldAgain) throw refused('The conversation has ended.', Failure.waitSettled);
}

/** Says the message to whichever node listens, and answers what the run says until it next waits or ends. */
async function speakTo(session: RunSession, request: TakeTurn): Promise<Turn> {
  judgeTurn(session, request);
  // one turn after the other: what is said belongs to the message before it
  while (session.isSpokenTo) await condition(() => !session.isSpokenTo);
  session.isSpokenTo = true;
  try {
    await quiet(session);
    if (request.message !== null && !session.talk.hasHeard(request.id)) {
      deliver(session, request);
      await quiet(session);
    }
    return turnOf(session);
  } finally {
    session.isSpokenTo = false;
  }
}

function deliver(session: RunSession, { message, text, id }: TakeTurn): void {
  const wait = session.waits.undecided().find(({ kind }) => kind === 'message');
  if (wait !== undefined && session.state.end === null) {
    session.talk.hear(text ?? '', id);
    const settlement = { token: wait.token, outcome: 'resolved', by: 'user', note: null, value: message } as const;
    session.waits.settle({ ...settlement, at: Date.now() });
  } else if (session.draining && (session.busy > 0 || session.state.ready.length > 0)) {
    session.talk.leaveMessage(text ?? '', id);
  } else {
    throw refused('Nothing listens in this conversation now.', Failure.waitSettled);
  }
}

/** Runs that subflows started are given so long to say something before the turn is over without it. */
const CHILDREN_MS = 60_000;

/** Until the run waits for somebody, has ended, or continues as new. */
async function quiet(session: RunSession): Promise<void> {
  const isStill = (): boolean => session.draining || !session.isMoving();
  const isAlone = (): boolean => session.children.size === 0 || asked(session) !== undefined;
  const until = Date.now() + CHILDREN_MS;
  while (!isStill()) await condition(isStill);
  while (!(isStill() && isAlone()) && Date.now() < until)
    await condition(() => isStill() && isAlone(), until - Date.now());
  while (!isStill()) await condition(isStill);
  // the run is about to continue as new: whoever were told so before it can would ask over and over meanwhile
  if (session.draining && !session.isPacked && patched('turns-wait-for-packing'))
    await condition(() => session.isPacked);
}

/** What the run waits for: its user, before anybody else; an event, such as hanging up, may never come. */
function asked(session: RunSession): OpenWait | undefined {
  const undecided = session.waits.undecided().filter(({ kind }) => kind !== 'until');
  return (
    undecided.find(({ kind }) => kind === 'message') ?? undecided.find(({ kind }) => kind !== 'event') ?? undecided[0]
  );
}

function turnOf(session: RunSession): Turn {
  const { said, entries } = session.talk;
  const waiting = asked(session);
  const isStill = !session.draining && (session.children.size === 0 || waiting !== undefined);
  const isOver = isStill || session.state.end !== null;
  session.talk.owe(!isOver);
  const activeNode = session.state.end === null ? (waiting?.nodeId ?? null) : null;
  return { isOver, status: session.status(), ...{ said, trace: entries, activeNode, vars: session.state.vars } };
}

function judgeRetry(session: RunSession, { nodeId }: RetryNode): void {
  if (parkedOf(session, nodeId).length === 0) throw refused(`The step ${nodeId} is not parked.`, Failure.notParked);
}

const parkedOf = (session: RunSession, nodeId: string): readonly OpenWait[] =>
  session.waits.undecided().filter((wait) => wait.kind === 'parked' && wait.nodeId === nodeId);

async function retry(session: RunSession, request: RetryNode) {
  judgeRetry(session, request);
  const { nodeId, patch, by } = request;
  if (patch !== null) session.patches.set(nodeId, { ...session.patches.get(nodeId), ...patch });
  const tokens = parkedOf(session, nodeId).map(({ token }) => token);
  for (const token of tokens)
    session.waits.settle({ ...{ token, outcome: 'resolved', by, note: null, value: null }, at: Date.now() });
  const isTaken = (): boolean => tokens.every((token) => session.waits.decisionOn(token) === undefined);
  await condition(() => isTaken() || session.draining || session.state.end !== null);
  return { status: session.status(), seq: session.state.seq };
}

function judgePause(session: RunSession, { paused }: { readonly paused: boolean }): void {
  if (session.state.end !== null) throw refused('The run has ended.', Failure.nothingToChange);
  if (session.isPaused === paused) throw refused(`The run is ${paused ? '' : 'not '}paused.`, Failure.nothingToChange);
}

async function pause(session: RunSession, request: { readonly paused: boolean }) {
  judgePause(session, request);
  session.isPaused = request.paused;
  return { status: session.status(), seq: session.state.seq };
}
