import { callsByIds, countCalls, findCall, listCalls, OPEN_CALL, type CallRow } from '../../../db/calls.js';
import type { Database } from '../../../db/client.js';
import type { LoggedEvent, LogPosition } from '../../../db/run-events.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Actor } from '../../actor.js';
import { EventStream, type StreamMessage } from '../../http/route.js';
import { actingWorkspace } from '../acting-workspace.js';
import { positionText } from '../stream-topics.js';
import type { LogReader, StreamData } from '../streams.js';
import { mustFindCall } from './call-turns.js';
import { callView, isOver } from './call-view.js';

/** Calls as they go, for dashboards: read from the log of their runs, so that whoever comes back misses nothing. */
export interface CallStreams {
  /** All calls of the workspace: how many are open, and those that changed. */
  readonly all: (actor: Actor, after: LogPosition | null) => Promise<EventStream<StreamData>>;
  /** One call from behind `after`; ends with it. */
  readonly one: (actor: Actor, callId: string, after: number) => Promise<EventStream<StreamData>>;
}

export interface CallStreamDeps {
  readonly db: Database;
  readonly log: LogReader;
  readonly heartbeatMs?: number;
}

const HEARTBEAT_MS = 15_000;
/** Calls shown to whoever begins to look. */
const MOST_SHOWN = 100;

type Deps = Required<CallStreamDeps>;
type Message = StreamMessage<StreamData>;

export function createCallStreams(given: CallStreamDeps): CallStreams {
  const deps: Deps = { heartbeatMs: HEARTBEAT_MS, ...given };
  return {
    all: (actor, after) => {
      const of = { workspaceId: actingWorkspace(actor), tenantId: actor.tenantId, after };
      return Promise.resolve(new EventStream((signal) => announced(followAll(deps, of, signal), signal)));
    },
    one: async (actor, callId, after) => {
      const run = { workspaceId: actingWorkspace(actor), runId: callId };
      await mustFindCall(deps.db, run);
      return new EventStream((signal) => announced(followOne(deps, { run, after }, signal), signal));
    },
  };
}

const now = (): string => new Date().toISOString();

/** Says so before it breaks off. */
async function* announced(messages: AsyncIterable<Message>, signal: AbortSignal): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    const message = 'The stream broke off: connect again with the last id in Last-Event-ID.';
    if (!signal.aborted) yield { event: 'error', data: { message, timestamp: now() } };
    throw error;
  }
}

async function* followOne(
  { db, log, heartbeatMs }: Deps,
  { run, after }: { readonly run: RunRef; readonly after: number },
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const heart = createHeart(heartbeatMs);
  yield { event: 'connected', data: { message: 'Following the call.', call_id: run.runId } };
  // looked at first: whatever it says is over is in the log by then
  const call = await findCall(db, run);
  for await (const { events, more } of log.runPages(run, after, signal)) {
    for (const event of events) {
      if (event.type !== 'call') continue;
      yield messageOf(event);
      if (isLast(event)) return;
    }
    if (more !== 'now' && (call === undefined || isOver(call.status))) return yield* alreadyEnded(call);
    if (heart.isDue()) yield heart.beat();
  }
}

const lastOnes: readonly unknown[] = ['call.completed', 'call.failed', 'call.disconnected', 'call.timeout'];
const isLast = ({ data }: LoggedEvent): boolean => lastOnes.includes(data['event']);

/** To whoever comes back for more when all has been said. */
function* alreadyEnded(call: CallRow | undefined): Generator<Message> {
  if (call === undefined) return;
  const { run_id: call_id, status, status_reason, duration_seconds, ended_at: at } = call;
  yield {
    event: 'ended',
    data: { call_id, status, status_reason, duration_seconds, timestamp: at?.toISOString() ?? now() },
  };
}

/** What each event of the log is called here, and what it tells; any other is of the call's status. */
const told: Readonly<Record<string, readonly [event: string, fields: readonly string[]]>> = {
  'call.transcript': ['transcript', ['role', 'content', 'agent']],
  'call.agent_changed': ['agent_changed', ['agent', 'previous_agent']],
};
const aboutStatus = ['status', 'status_reason', 'duration_seconds'];

function messageOf(logged: LoggedEvent): Message {
  const { seq, data, at } = logged;
  const name = data['event'];
  const known = typeof name === 'string' ? told[name] : undefined;
  const [event, fields] = known ?? [isLast(logged) ? 'ended' : 'status', aboutStatus];
  const shown = Object.fromEntries(['call_id', ...fields].map((field) => [field, data[field] ?? null]));
  return { id: String(seq), event, data: { ...shown, timestamp: at.toISOString() } };
}

interface FollowAll {
  readonly workspaceId: string;
  readonly tenantId: string;
  readonly after: LogPosition | null;
}

/** What is said in a call is told to those who follow that call. */
const isChange = ({ data }: LoggedEvent): boolean => data['event'] !== 'call.transcript';

async function* followAll(deps: Deps, of: FollowAll, signal: AbortSignal): AsyncGenerator<Message> {
  const { db, log, heartbeatMs } = deps;
  const { workspaceId } = of;
  const heart = createHeart(heartbeatMs);
  yield { event: 'connected', data: { message: 'Following the calls of the workspace.', tenant_id: of.tenantId } };
  const { position, isNew } = await log.start(of.after);
  let count = await openCalls(db, workspaceId);
  yield { id: positionText(position), ...countMessage(count) };
  if (isNew) yield changeMessage(await shownFirst(db, workspaceId));
  for await (const { events, next } of log.pages(workspaceId, { topics: ['calls'], after: position }, signal)) {
    const id = positionText(next);
    const ids = [...new Set(events.filter(isChange).map(({ run_id }) => run_id))];
    if (ids.length > 0) yield { id, ...changeMessage(await callsByIds(db, workspaceId, ids)) };
    const open = ids.length > 0 ? await openCalls(db, workspaceId) : count;
    if (open !== count) yield { id, ...countMessage((count = open)) };
    if (heart.isDue()) yield { id, ...heart.beat() };
  }
}

const openCalls = (db: Database, workspaceId: string): Promise<number> =>
  countCalls(db, workspaceId, { status: OPEN_CALL });

const shownFirst = async (db: Database, workspaceId: string): Promise<readonly CallRow[]> =>
  (await listCalls(db, workspaceId, { filter: { status: OPEN_CALL }, limit: MOST_SHOWN, offset: 0 })).items;

const countMessage = (count: number): Message => ({ event: 'active_count', data: { count, timestamp: now() } });

const changeMessage = (rows: readonly CallRow[]): Message => ({
  event: 'calls_update',
  data: { calls: rows.map(callItem), timestamp: now() },
});

/** A call as lists on a screen show it. */
function callItem(row: CallRow) {
  const { id, workflow_slug, user_id, direction, status, status_reason, current_agent, ...call } = callView(row);
  return {
    ...{ id, call_id: id, workflow_slug, user_id, direction, status, status_reason, current_agent },
    duration_seconds: call.duration_seconds,
    created_at: call.created_at.toISOString(),
    started_at: call.started_at?.toISOString() ?? null,
    ended_at: call.ended_at?.toISOString() ?? null,
  };
}

/** Followers are told to look every few seconds whatever happens: often enough to see that a beat is due. */
function createHeart(everyMs: number): { readonly isDue: () => boolean; readonly beat: () => Message } {
  let last = performance.now();
  return {
    isDue: () => performance.now() - last >= everyMs,
    beat: () => {
      last = performance.now();
      return { event: 'heartbeat', data: { timestamp: now() } };
    },
  };
}
