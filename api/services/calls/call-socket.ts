import { isBefore, type LogPosition, type PlacedEvent } from '../../../db/run-events.js';
import type { Json } from '../../../workflows/definition/values.js';
import { anonymous, type Actor } from '../../actor.js';
import { invalid, notFound } from '../../http/errors.js';
import type { Socket } from '../../http/sockets.js';
import { actingWorkspace } from '../acting-workspace.js';
import { createFrames, createSocketFollow, type SocketFollow } from '../socket-follow.js';
import { positionText } from '../stream-topics.js';
import type { LogReader } from '../streams.js';
import type { CallService } from './calls.js';

/** A frame of a client of `/ws/calls`. */
export type CallFrame =
  | {
      readonly type: 'subscribe';
      readonly call_id?: string | undefined;
      readonly after?: LogPosition | undefined;
    }
  | { readonly type: 'unsubscribe'; readonly call_id?: string | undefined }
  | { readonly type: 'ping' };

type CallSocket = Socket<{ readonly last_event_id?: LogPosition | undefined }>;

const ENDS: ReadonlySet<string> = new Set(['call.completed', 'call.failed', 'call.disconnected', 'call.timeout']);
/** Calls one socket may name; who wants more follows all of them. */
const MOST_CALLS = 100;

interface Session {
  readonly socket: CallSocket;
  readonly log: LogReader;
  readonly follow: SocketFollow;
  readonly workspaceId: string;
  /** Empty: every call of the workspace. */
  readonly calls: Set<string>;
  /** Where every call was told from, until the first was named. */
  began: LogPosition;
  /** What was told when a client asked for more of the past: that is not told again. */
  told: { readonly after: LogPosition; readonly upTo: LogPosition } | null;
}

/** Whoever holds the token of a call hears that call and no other. */
export async function joinCall(token: string, calls: Pick<CallService, 'joined'>): Promise<Actor | null> {
  const joined = await calls.joined(token);
  if (joined === null) return null;
  const { callId, workspaceId, tenantId } = joined;
  return { ...anonymous, id: callId, workspaceId, tenantId, scopes: new Set(['calls:read']), callId };
}

const say = (socket: Socket, frame: { readonly type: string } & Readonly<Record<string, unknown>>): void =>
  socket.send(JSON.stringify({ ...frame, timestamp: new Date().toISOString() }));

/** The calls of a workspace as they go: all of them until some are named. */
export async function openCallSocket(socket: CallSocket, log: LogReader): Promise<(frame: CallFrame) => Promise<void>> {
  const { actor } = socket;
  const workspaceId = actor.callId === undefined ? actingWorkspace(actor) : actor.workspaceId;
  const { position, isNew } = await log.start(socket.query.last_event_id ?? null);
  const follow = createSocketFollow({
    socket,
    log,
    frameOf: (event) => (wasTold(session, event) ? undefined : frameText(event, '')),
    // who was let into one call stays no longer than it does
    onSent: (event) => {
      if (actor.callId !== undefined && isEnd(event)) socket.close({ code: 1000, reason: 'the call is over' });
    },
  });
  const calls = new Set(actor.callId === undefined ? [] : [actor.callId]);
  const session: Session = { socket, log, follow, workspaceId, calls, began: position, told: null };
  const data = { workspace_id: workspaceId, tenant_id: actor.tenantId, resumed: !isNew };
  say(socket, { type: 'connected', id: positionText(position), data });
  go(session, position);
  return async (frame) => {
    if (frame.type === 'subscribe') return subscribe(session, frame);
    if (frame.type === 'unsubscribe') return unsubscribe(session, frame.call_id);
    say(socket, { type: 'pong', data: {} });
  };
}

const go = ({ follow, calls }: Session, from: LogPosition): void =>
  follow.go(calls.size === 0 ? ['calls'] : [...calls].map((id) => `call:${id}`), from);

const wasTold = ({ told }: Session, { position }: PlacedEvent): boolean =>
  told !== null && isBefore(told.after, position) && !isBefore(told.upTo, position);

type Subscribe = Extract<CallFrame, { type: 'subscribe' }>;

async function subscribe(session: Session, frame: Subscribe): Promise<void> {
  const { call_id: callId, after } = frame;
  const { socket, log, follow, calls } = session;
  checkSubscribe(session, frame);
  if (callId !== undefined) await checkCall(session, callId);
  await follow.stop();
  const place = follow.place();
  const from = after === undefined ? place : (await log.start(after)).position;
  if (after !== undefined) session.told = { after: session.began, upTo: place };
  if (callId === undefined) calls.clear();
  else calls.add(callId);
  const data = { call_id: callId ?? null, position: positionText(from) };
  say(socket, { type: 'subscribed', ...named(callId), data });
  go(session, from);
}

function checkSubscribe({ calls, told }: Session, { call_id: callId, after }: Subscribe): void {
  const refuse = (field: string, message: string) => invalid([{ field, loc: [field], message }]);
  if (after !== undefined && (calls.size > 0 || told !== null))
    throw refuse('after', 'must stand in the first subscription: a socket is at one place; open another socket');
  if (callId !== undefined && !calls.has(callId) && calls.size >= MOST_CALLS)
    throw refuse('call_id', `must be one of at most ${MOST_CALLS}; leave some, or follow all without naming any`);
}

async function checkCall({ socket, log, workspaceId }: Session, callId: string): Promise<void> {
  const { callId: only } = socket.actor;
  if (only !== undefined && only !== callId) throw notFound('call', callId);
  if (!/^\w{1,64}$/.test(callId)) throw notFound('call', callId.slice(0, 64));
  await log.check(workspaceId, [`call:${callId}`]);
}

async function unsubscribe(session: Session, callId: string | undefined): Promise<void> {
  const { socket, follow, calls } = session;
  await follow.stop();
  if (socket.actor.callId === undefined) {
    if (callId === undefined) calls.clear();
    else calls.delete(callId);
  }
  say(socket, { type: 'unsubscribed', ...named(callId), data: { call_id: callId ?? null } });
  go(session, follow.place());
}

const named = (callId: string | undefined) => (callId === undefined ? {} : { call_id: callId });

type Data = Readonly<Record<string, Json>>;
interface Told {
  readonly type: string;
  readonly data: Data;
}

const endOf = ({ status = null, status_reason = null, duration_seconds = null, ...data }: Data): Data => {
  const { workflow_id = null, workflow_slug = null, user_id = null, agent = null } = data;
  return { status, status_reason, duration_seconds, workflow_id, workflow_slug, user_id, agent };
};

const ended = (data: Data): Told => ({ type: 'call.ended', data: endOf(data) });

const tellings: Readonly<Record<string, (data: Data) => Told>> = {
  'call.started': ({ workflow_id = null, workflow_slug = null, agent = null, user_id = null }) => ({
    type: 'call.started',
    data: { workflow_id, workflow_slug, agent_name: agent, user_id },
  }),
  'call.agent_changed': ({ agent = null, previous_agent = null }) => ({
    type: 'call.agent_changed',
    data: { agent, previous_agent },
  }),
  'call.transcript': ({ role = null, content = null, agent = null }) => ({
    type: 'call.transcript',
    data: { role, content, agent },
  }),
  'call.failed': (data) => ({ type: 'call.failed', data: endOf(data) }),
  'call.completed': ended,
  'call.disconnected': ended,
  'call.timeout': ended,
};

const nameOf = ({ event }: Data): string => (typeof event === 'string' ? event : '');

const isEnd = ({ data }: PlacedEvent): boolean => ENDS.has(nameOf(data));

/** Of what the log says of a call, what this socket has words for. */
const frameText = createFrames(({ run_id, data, at, position }) => {
  const telling = tellings[nameOf(data)]?.(data);
  if (telling === undefined) return undefined;
  const { type } = telling;
  return JSON.stringify({
    type,
    id: positionText(position),
    call_id: run_id,
    timestamp: at.toISOString(),
    data: telling.data,
  });
});
