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
  workflowInfo,
} from '@temporalio/workflow';
import type { RunActivities } from './contract/activities.js';
import { Failure } from './contract/failures.js';
import { childEnded } from './contract/messages.js';
import type { ChildEnd, RunInput, RunResult } from './contract/run.js';
import { records } from './contract/timeouts.js';
import type { Plan } from './definition/plan.js';
import { cancel } from './engine/reduce.js';
import type { RunEnd } from './engine/state.js';
import { failureOf } from './shell/failures.js';
import { handleMessages, type SessionHolder } from './shell/handlers.js';
import { pump, type Flights } from './shell/pump.js';
import { RunSession } from './shell/session.js';
import { undoAll } from './shell/undo.js';
import { finish } from './shell/writes.js';

const { loadPlan, loadReuse, checkOutput } = proxyActivities<RunActivities>(records);

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
  if (end === null) return continueRun(session);
  await CancellationScope.nonCancellable(async () => {
    await condition(allHandlersFinished);
    await tellParent(session.input, end);
  });
  if (cancellation !== null) throw cancellation;
  return answer(end);
}

async function openSession(input: RunInput): Promise<RunSession> {
  const session = new RunSession(input, await planOf(input));
  if (input.reuses === true) session.reuse = await loadReuse({ run: input.run });
  return session;
}

async function planOf({ source, run: { workspaceId, runId } }: RunInput): Promise<Plan> {
  if ('plan' in source) return source.plan;
  return loadPlan({ run: { workspaceId, runId }, versionId: source.versionId });
}

/** Moves the run until it ends or must continue as new; answers the cancellation that ended it. */
async function interpret(session: RunSession): Promise<Error | null> {
  const flights: Flights = { flying: new Map(), failures: [] };
  const scope = new CancellationScope();
  let cancellation: Error | null = null;
  try {
    await scope.run(() => pump(session, flights));
  } catch (error) {
    cancellation = endBy(session, error);
  }
  if (session.state.end === null) return null;
  scope.cancel();
  await CancellationScope.nonCancellable(() => close(session));
  return cancellation;
}

/** Once everything has come to rest: what was done is undone where the run did not succeed, and the end is written. */
async function close(session: RunSession): Promise<void> {
  await condition(() => session.flying === 0);
  await holdToSchema(session);
  if (session.state.end?.status !== 'completed') await undoAll(session);
  if (session.isDirty()) await finish(session);
}

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
  await condition(allHandlersFinished);
  return continueAsNew<typeof run>({ ...session.input, carry: session.carry() });
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
