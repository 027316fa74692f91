import {
  ApplicationFailure,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
  type ConnectionLike,
  type WorkflowHandle,
} from '@temporalio/client';
import { Failure } from '../../workflows/contract/failures.js';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type {
  Moved,
  MoveVersion,
  ResolvedWait,
  ResolveWait,
  RetryNode,
  TakeTurn,
  Turn,
} from '../../workflows/contract/messages.js';
import type { ChildEnd, RunEvent, RunRef, RunStatus } from '../../workflows/contract/run.js';
import { within } from './deadline.js';

/** Why a message changed nothing, or why nobody can tell. */
export type Refused =
  /** The run has no such wait. */
  | 'unknown'
  /** Somebody or a timer was first. */
  | 'settled'
  /** Not in the audience, own request, or voted before. */
  | 'forbidden'
  | 'not_parked'
  /** It is so already. */
  | 'nothing_to_change'
  /** No such workflow is open: the run is over, or was never started. */
  | 'closed'
  /** As many callers as a run takes wait for it already. */
  | 'busy'
  /** No answer in time; the message may still be heard. */
  | 'late';

export type Answer<T> =
  { readonly outcome: 'done'; readonly value: T } | { readonly outcome: Refused; readonly message: string };

/** The same id is the same message: sent again, it is answered as the first time. */
export interface Request {
  readonly requestId: string;
}

export interface RunMoved {
  readonly status: RunStatus;
  readonly seq: number;
}

/** How Temporal knows a run; `unknown` to it is one that never started, or ended longer ago than it remembers. */
export type TemporalStatus = 'open' | 'completed' | 'failed' | 'cancelled' | 'terminated' | 'timed_out' | 'unknown';

/** What the API says to runs. */
export interface RunMessages {
  readonly resolveWait: (run: RunRef, request: ResolveWait & Request) => Promise<Answer<ResolvedWait>>;
  /** Null: it was heard, but is not answered within the caller's patience. */
  readonly takeTurn: (run: RunRef, request: TakeTurn & Request, patienceMs: number) => Promise<Answer<Turn | null>>;
  readonly retryNode: (run: RunRef, request: RetryNode & Request) => Promise<Answer<RunMoved>>;
  readonly pauseRun: (
    run: RunRef,
    request: { readonly paused: boolean; readonly by: string } & Request,
  ) => Promise<Answer<RunMoved>>;
  readonly moveVersion: (run: RunRef, request: MoveVersion & Request) => Promise<Answer<Moved>>;
  /** False when no such workflow is open. */
  readonly signalEvent: (run: RunRef, event: RunEvent) => Promise<boolean>;
  /** Asks the run to stop; false when Temporal knows no such run. One that has ended takes it without a word. */
  readonly cancelRun: (run: RunRef) => Promise<boolean>;
  /** Stops it on the spot; false when no such workflow is open. */
  readonly terminateRun: (run: RunRef, reason: string) => Promise<boolean>;
  /** Tells a run that one it waits for has ended without a word; false when no such workflow is open. */
  readonly tellParent: (parent: RunRef, child: { readonly key: string; readonly end: ChildEnd }) => Promise<boolean>;
  readonly statusOfRun: (run: RunRef) => Promise<TemporalStatus>;
}

const SHORT_MS = 5_000;
const UPDATE_MS = 20_000;

export function createRunMessages({ client }: { readonly client: Client }): RunMessages {
  const { connection } = client;
  const update = createUpdates(client);
  const handle = (run: RunRef): WorkflowHandle => handleOf(client, run);
  const told = (call: () => Promise<unknown>): Promise<boolean> => reached(connection, call);
  return {
    resolveWait: (run, request) => update(run, { name: 'resolveWait', request, ms: UPDATE_MS }),
    takeTurn: (run, request, patienceMs) => update(run, { name: 'takeTurn', request, ms: UPDATE_MS, patienceMs }),
    retryNode: (run, request) => update(run, { name: 'retryNode', request, ms: UPDATE_MS }),
    pauseRun: (run, request) => update(run, { name: 'pauseRun', request, ms: UPDATE_MS }),
    moveVersion: (run, request) => update(run, { name: 'moveVersion', request, ms: UPDATE_MS }),
    signalEvent: (run, event) => told(() => handle(run).signal<[RunEvent]>('raiseEvent', event)),
    cancelRun: (run) => told(() => handle(run).cancel()),
    tellParent: (parent, child) => told(() => handle(parent).signal<[typeof child]>('childEnded', child)),
    terminateRun: (run, reason) => told(() => handle(run).terminate(reason)),
    statusOfRun: (run) => statusOf(connection, () => handle(run).describe()),
  };
}

const handleOf = (client: Client, { workspaceId, runId }: RunRef): WorkflowHandle =>
  client.workflow.getHandle(runWorkflowId(workspaceId, runId));

async function reached(connection: ConnectionLike, call: () => Promise<unknown>): Promise<boolean> {
  try {
    await within(connection, SHORT_MS, call);
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

const statuses: Readonly<Record<string, TemporalStatus>> = {
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  TERMINATED: 'terminated',
  TIMED_OUT: 'timed_out',
};

async function statusOf(
  connection: ConnectionLike,
  describe: () => Promise<{ readonly status: { readonly name: string } }>,
): Promise<TemporalStatus> {
  try {
    const { status } = await within(connection, SHORT_MS, describe);
    return statuses[status.name] ?? 'open';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'unknown';
    throw error;
  }
}

interface Update {
  readonly name: string;
  readonly request: Request & object;
  readonly ms: number;
  /** Of what may take long to answer: it is to be heard within `ms`, and answered within these, or the answer is null. */
  readonly patienceMs?: number;
}

/** The server takes ten updates of one run at a time and lets an eleventh hang, so it is never sent. */
const MAX_IN_FLIGHT = 10;

function createUpdates(client: Client): <T>(run: RunRef, update: Update) => Promise<Answer<T>> {
  const inFlight = new Map<string, number>();
  return async (run, update) => {
    const count = inFlight.get(run.runId) ?? 0;
    if (count >= MAX_IN_FLIGHT) return { outcome: 'busy', message: `${count} callers wait for this run already.` };
    inFlight.set(run.runId, count + 1);
    try {
      return await sendUpdate(client, run, update);
    } finally {
      const left = (inFlight.get(run.runId) ?? 1) - 1;
      if (left > 0) inFlight.set(run.runId, left);
      else inFlight.delete(run.runId);
    }
  };
}

async function sendUpdate<T>(client: Client, run: RunRef, update: Update): Promise<Answer<T>> {
  try {
    return { outcome: 'done', value: await answerTo<T>(client, run, update) };
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === null) throw error;
    return refused;
  }
}

async function answerTo<T>(client: Client, run: RunRef, { name, request, ms, patienceMs }: Update): Promise<T> {
  const { requestId, ...message } = request;
  const { connection } = client;
  const handle = handleOf(client, run);
  const options = { args: [message] as [object], updateId: requestId };
  if (patienceMs === undefined) return within(connection, ms, () => handle.executeUpdate<T, [object]>(name, options));
  const heard = await within(connection, ms, () =>
    handle.startUpdate<T, [object]>(name, { ...options, waitForStage: 'ACCEPTED' }),
  );
  try {
    return await within(connection, patienceMs, () => heard.result());
  } catch (error) {
    if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
    return null as T; // -- reason: who gives patience expects null
  }
}

const refusedBy: Readonly<Record<string, Refused>> = {
  [Failure.waitUnknown]: 'unknown',
  [Failure.waitSettled]: 'settled',
  [Failure.waitForbidden]: 'forbidden',
  [Failure.notParked]: 'not_parked',
  [Failure.nothingToChange]: 'nothing_to_change',
  /** The workflow ended while the update was under way. */
  AcceptedUpdateCompletedWorkflow: 'closed',
};

const RESOURCE_EXHAUSTED = 8;

function refusalOf(error: unknown): (Answer<never> & { readonly outcome: Refused }) | null {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof WorkflowNotFoundError) return { outcome: 'closed', message };
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return { outcome: 'late', message };
  if (grpcCode(error) === RESOURCE_EXHAUSTED) return { outcome: 'busy', message };
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  const outcome = cause instanceof ApplicationFailure ? refusedBy[cause.type ?? ''] : undefined;
  return cause === undefined || outcome === undefined ? null : { outcome, message: cause.message };
}

/** A client error wraps the gRPC one. */
function grpcCode(error: unknown): unknown {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: { readonly code?: unknown } };
  return code ?? cause?.code;
}
