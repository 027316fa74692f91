import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  TemporalFailure,
} from '@temporalio/workflow';
import type { RunActivities } from './contract/activities.js';
import { Failure } from './contract/failures.js';
import { childEnded } from './contract/messages.js';
import type { ChildEnd, RunInput, RunResult } from './contract/run.js';
import { records } from './contract/timeouts.js';
import { cancel } from './engine/reduce.js';
import type { RunEnd } from './engine/state.js';
import { stopChildren } from './shell/children.js';
import { failureOf } from './shell/failures.js';
import { handleMessages, type SessionHolder } from './shell/handlers.js';
import { recordWithdrawn } from './shell/leave.js';
import { openSession, packUp } from './shell/luggage.js';
import { pump, type Flights } from './shell/pump.js';
import type { RunSession } from './shell/session.js';
import { undoAll } from './shell/undo.js';
import { finish, whole } from './shell/writes.js';

const { checkOutput } = proxyActivities<RunActivities>(records);

/** How long whoever spoke has for asking again, when their turn was cut short by continue-as-new and the run then ended. */
const OWED_MS = 30_000;

/**
 * Interprets one plan. Starts when a caller, a schedule or a parent asks; waits for its nodes' activities, people,
 * events, clocks and child runs; ends when no node is left to visit, one fails, somebody refuses, or it is cancelled,
 * and what can be undone then is.
 */
export async function run(input: RunInput): Promise<RunResult> {
  const holder: SessionHolder = {};
  handleMessages(input, holder);
  const session = await CancellationScope.nonCancellable(() => openSession(input));
  holder.session = session;
  const cancellation = await interpret(session);
  const { end } = session.state;
  if (end === null || session.draining) return continueRun(session);
  await CancellationScope.nonCancellable(async () => {
    if (session.talk.isOwed) await condition(() => !session.talk.isOwed, OWED_MS);
    await condition(allHandlersFinished);
    await tellParent(session.input, end);
  });
  if (cancellation !== null && end.status === 'cancelled') throw cancellation;
  return answer(end);
}

/** Moves the run until it ends or is to continue as new, as `draining` then says; answers what cancelled it. */
async function interpret(session: RunSession): Promise<Error | null> {
  const flights: Flights = { flying: new Map(), failures: [] };
  const scope = new CancellationScope();
  let cancellation: Error | null = null;
  try {
    if (session.state.end === null) await scope.run(() => move(session, flights));
  } catch (error) {
    cancellation = endBy(session, error);
  }
  if (session.state.end === null) return null;
  scope.cancel();
  await CancellationScope.nonCancellable(() => close(session, flights));
  return cancellation;
}

/** A run cancelled while it changes hands is cancelled here: its next execution would not know. */
async function move(session: RunSession, flights: Flights): Promise<void> {
  await pump(session, flights);
  if (session.state.end !== null) return;
  await whole(() => packUp(session));
  const scope = CancellationScope.current();
  if (scope.consideredCancelled) await scope.cancelRequested;
}

/**
 * Once everything has come to rest: what was done is undone where the run did not succeed, and the end is written. All
 * of it goes on in the next execution where this one becomes too long.
 */
async function close(session: RunSession, { failures }: Flights): Promise<void> {
  session.draining = false;
  await condition(() => session.flying === 0);
  const mistake = failures.find((error) => !(error instanceof TemporalFailure));
  if (mistake !== undefined) throw mistake;
  for (const visit of Object.values(session.state.open)) {
    if (!session.isUndoing(visit)) recordWithdrawn(session, visit);
  }
  await holdToSchema(session);
  const isDone = (await stopChildren(session)) && (await isUndone(session));
  if (!isDone) return packUp(session);
  session.draining = false;
  if (session.isDirty()) await finish(session);
}

const isUndone = async (session: RunSession): Promise<boolean> =>
  session.state.end?.status === 'completed' || undoAll(session);

async function holdToSchema(session: RunSession): Promise<void> {
  const { end } = session.state;
  const schema = session.plan.outputSchema;
  if (schema === undefined || end?.status !== 'completed') return;
  const error = await checkOutput({ run: session.input.run, schema, output: end.output });
  if (error !== null) session.state = { ...session.state, end: { status: 'failed', error } };
}

/** Ends the run by what stopped it; a mistake in our own code fails the task instead, to be tried again when mended. */
function endBy(session: RunSession, error: unknown): Error | null {
  if (!(error instanceof TemporalFailure)) throw error;
  if (isCancellation(error)) {
    session.state = cancel(session.state, { type: 'cancelled', message: 'The run was cancelled.' });
    return error;
  }
  session.state = { ...session.state, end: { status: 'failed', error: failureOf(error).error } };
  return null;
}

async function continueRun(session: RunSession): Promise<never> {
  const { carry: _before, carried: _pieces, ...input } = session.input;
  const { stored } = session;
  return continueAsNew<typeof run>({
    ...input,
    ...(stored === null ? { carry: session.carry() } : { carried: stored }),
  });
}

/** The parent may have continued as new since, and then hears of it only this way; one that has ended does not care. */
async function tellParent({ parent }: RunInput, end: RunEnd): Promise<void> {
  if (parent === undefined) return;
  await getExternalWorkflowHandle(parent.workflowId)
    .signal(childEnded, { key: parent.key, end: childEndOf(end) })
    .catch(() => undefined);
}

function childEndOf(end: RunEnd): ChildEnd {
  if (end.status === 'completed') return end;
  const refused = { type: 'child_cancelled', message: 'The run it had started was cancelled.' };
  return { status: end.status, error: end.error ?? refused };
}

/** The workflow ends as the run did, so that Temporal's own lists show it. */
function answer(end: RunEnd): RunResult {
  switch (end.status) {
    case 'completed':
      return { status: 'completed', output: end.output };
    case 'cancelled':
      return { status: 'cancelled', output: null };
    case 'failed':
      throw ApplicationFailure.nonRetryable(end.error.message, Failure.nodeFailed, { outputs: [], error: end.error });
  }
}
