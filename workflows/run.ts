import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setHandler,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunActivities } from './contract/activities.js';
import { Failure } from './contract/failures.js';
import { visitKey } from './contract/ids.js';
import { resolveWait, runView, type ResolvedWait, type ResolveWait } from './contract/messages.js';
import type { RunInput, RunStatus } from './contract/run.js';
import { records } from './contract/timeouts.js';
import { executionClass, type Plan, type PlanNode } from './definition/plan.js';
import { cancel, start } from './engine/reduce.js';
import type { Visit } from './engine/state.js';
import { execute, failureOf, finish, flushAll } from './shell/execute.js';
import { RunSession } from './shell/session.js';

const MAX_IN_FLIGHT = 50;
const MAX_HISTORY_EVENTS = 8_000;

const { loadPlan } = proxyActivities<RunActivities>(records);

/**
 * Interprets one plan. Starts when a caller, a schedule or a parent asks; waits for its nodes' activities, people and
 * clocks; ends when no node is left to visit, one fails, somebody refuses, or it is cancelled.
 */
export async function run(input: RunInput): Promise<{ readonly status: RunStatus }> {
  const holder: { session?: RunSession } = {};
  handleMessages(input, holder);
  const plan = await CancellationScope.nonCancellable(() => planOf(input));
  const session = new RunSession(input, plan);
  holder.session = session;
  const cancellation = await interpret(session);
  if (session.state.end === null) return continueRun(session);
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  if (cancellation !== null) throw cancellation;
  return answer(session);
}

async function planOf({ source, run: { workspaceId, runId } }: RunInput): Promise<Plan> {
  if ('plan' in source) return source.plan;
  return loadPlan({ run: { workspaceId, runId }, versionId: source.versionId });
}

/** The update may come before a large plan is loaded: then its handler waits and judges what its validator could not. */
function handleMessages(input: RunInput, holder: { session?: RunSession }): void {
  setHandler(
    resolveWait,
    async (request) => {
      await condition(() => holder.session !== undefined);
      // -- reason: the condition above holds
      const session = holder.session as RunSession;
      judge(session, request);
      return settleBy(session, request);
    },
    { validator: (request) => holder.session !== undefined && judge(holder.session, request) },
  );
  setHandler(runView, () => ({
    state: holder.session?.state ?? input.carry?.state ?? null,
    waits: holder.session?.carry().waits ?? [],
  }));
}

function judge(session: RunSession, { token }: ResolveWait): void {
  const wait = session.findWait(token);
  if (wait?.kind === 'decision' && (wait.deadline === null || Date.now() < wait.deadline)) return;
  if (wait !== undefined || session.isSettled(token)) {
    throw ApplicationFailure.nonRetryable('This wait has ended.', Failure.waitSettled);
  }
  throw ApplicationFailure.nonRetryable('This run has no such wait.', Failure.waitUnknown);
}

/** Settles the wait and answers once the run has moved on, so that the caller learns where it went. */
async function settleBy(session: RunSession, { token, decision, value, note, by }: ResolveWait): Promise<ResolvedWait> {
  const wait = session.findWait(token);
  const outcome = decision === 'approve' ? 'approved' : 'rejected';
  const settlement = { token, outcome, by, note, value, at: Date.now() } as const;
  session.settle(settlement);
  const key = visitKey(wait?.nodeId ?? '', wait?.visit ?? 0);
  const hasLeft = (): boolean => session.state.open[key] === undefined || session.state.end !== null;
  await condition(() => hasLeft() || session.draining);
  return { settlement, status: session.status(), seq: session.state.seq };
}

/** Moves the run until it ends or must continue as new; answers the cancellation that ended it. */
async function interpret(session: RunSession): Promise<Error | null> {
  const failures: unknown[] = [];
  const scope = new CancellationScope();
  let cancellation: Error | null = null;
  try {
    await scope.run(() => pump(session, failures));
  } catch (error) {
    cancellation = endBy(session, error);
  }
  if (session.state.end === null) return null;
  scope.cancel();
  await CancellationScope.nonCancellable(async () => {
    await condition(() => session.busy === 0);
    if (session.isDirty()) await finish(session);
  });
  return cancellation;
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

interface Flights {
  /** Visits that were launched and have not come to their end. */
  readonly flying: Map<Promise<void>, Visit>;
  readonly failures: unknown[];
}

async function pump(session: RunSession, failures: unknown[]): Promise<void> {
  const flights: Flights = { flying: new Map(), failures };
  for (const visit of Object.values(session.state.open)) launch(session, visit, flights);
  while (session.state.end === null && !isDrained(session)) {
    await step(session, flights);
    if (failures.length > 0) throw failures[0];
    if (isFull(session)) session.draining = true;
  }
}

/** Takes up the next ready visit, or tells the read model where the run stands, or waits for something to happen. */
async function step(session: RunSession, flights: Flights): Promise<void> {
  const [visit] = session.state.ready;
  if (visit !== undefined && mayLaunch(session)) {
    session.state = start(session.state, visit);
    launch(session, visit, flights);
  } else if (session.busy === 0 && session.isDirty()) {
    await flushAll(session);
  } else {
    await moved(session, flights);
  }
}

const mayLaunch = (session: RunSession): boolean => !session.draining && session.busy < MAX_IN_FLIGHT;

function launch(session: RunSession, visit: Visit, { flying, failures }: Flights): void {
  const flight = execute(session, visit).catch((error: unknown) => void failures.push(error));
  flying.set(flight, visit);
  void flight.then(() => flying.delete(flight));
}

/** While one activity is all that can move the run, it is awaited itself: a condition is asked again at every turn. */
async function moved(session: RunSession, { flying, failures }: Flights): Promise<void> {
  const [only, ...more] = flying;
  if (only === undefined || more.length > 0 || !isActivity(session.node(only[1]))) {
    return condition(() => failures.length > 0 || hasMoved(session));
  }
  await Promise.race([only[0], CancellationScope.current().cancelRequested]);
}

const isActivity = (node: PlanNode): boolean => ['durable', 'fast'].includes(executionClass(node));

const hasMoved = (session: RunSession): boolean =>
  session.state.end !== null ||
  isDrained(session) ||
  (!session.draining && isFull(session)) ||
  (session.state.ready.length > 0 && mayLaunch(session)) ||
  (session.busy === 0 && session.isDirty());

const isDrained = (session: RunSession): boolean => session.draining && session.busy === 0;

function isFull(session: RunSession): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength > (session.input.maxHistoryEvents ?? MAX_HISTORY_EVENTS);
}

async function continueRun(session: RunSession): Promise<never> {
  await condition(allHandlersFinished);
  return continueAsNew<typeof run>({ ...session.input, carry: session.carry() });
}

/** The workflow ends as the run did, so that Temporal's own lists show it. */
function answer({ state: { end } }: RunSession): { readonly status: RunStatus } {
  if (end?.status === 'failed') {
    throw ApplicationFailure.nonRetryable(end.error.message, Failure.nodeFailed, { outputs: [], error: end.error });
  }
  return { status: end?.status ?? 'completed' };
}
