import type { LogPosition, PlacedEvent } from '../../db/run-events.js';
import { invalid } from '../http/errors.js';
import type { Socket } from '../http/sockets.js';
import type { WebhookEventType } from '../../workflows/contract/webhooks.js';
import { eventNameOf } from './event-names.js';
import { createFrames, createSocketFollow, type SocketFollow } from './socket-follow.js';
import type { LogReader } from './streams.js';
import { checkNames, positionText, topicsOf, type Topics } from './stream-topics.js';

/** A frame of a client of `/ws/runs`. */
export type RunFrame =
  | {
      readonly type: 'subscribe';
      readonly topics: Topics;
      readonly events?: readonly WebhookEventType[] | undefined;
      readonly after?: LogPosition | undefined;
    }
  | { readonly type: 'unsubscribe'; readonly topics?: Topics | undefined }
  | { readonly type: 'ping' };

type RunSocket = Socket<{ readonly last_event_id?: LogPosition | undefined }>;

/** Of all topics of one socket together: each costs a look at every event. */
const MOST_TOPICS = 200;

interface Session {
  readonly socket: RunSocket;
  readonly log: LogReader;
  readonly follow: SocketFollow;
  /** Topics, each with the events that are wanted of it; null: all. */
  readonly wanted: Map<string, ReadonlySet<WebhookEventType> | null>;
  /** Where the first subscription begins unless it says so itself. */
  from: LogPosition | null;
}

const say = (socket: Socket, frame: { readonly type: string } & Readonly<Record<string, unknown>>): void =>
  socket.send(JSON.stringify({ ...frame, at: new Date().toISOString() }));

/** What happens in the runs of a workspace, told to a client that says what it wants to hear. */
export async function openRunSocket(socket: RunSocket, log: LogReader): Promise<(frame: RunFrame) => Promise<void>> {
  const wanted: Session['wanted'] = new Map();
  const frameOf = (event: PlacedEvent): string | undefined => {
    const topics = topicsOf(event).filter((topic) => wants(wanted.get(topic), event));
    return topics.length === 0 ? undefined : frameText(event, topics.join());
  };
  const positionFrame = (id: string): string => JSON.stringify({ type: 'position', id, at: new Date().toISOString() });
  const follow = createSocketFollow({ socket, log, frameOf, positionFrame });
  const { position } = await log.start(null);
  const session: Session = { socket, log, follow, wanted, from: socket.query.last_event_id ?? null };
  const { workspaceId } = socket.actor;
  say(socket, { type: 'connected', position: positionText(position), data: { workspace_id: workspaceId } });
  return async (frame) => {
    if (frame.type === 'subscribe') return subscribe(session, frame);
    if (frame.type === 'unsubscribe') return unsubscribe(session, frame.topics);
    say(socket, { type: 'pong' });
  };
}

const wants = (names: ReadonlySet<WebhookEventType> | null | undefined, event: PlacedEvent): boolean => {
  if (names === undefined || names === null) return names === null;
  const name = eventNameOf(event);
  return name !== undefined && names.has(name);
};

const frameText = createFrames((event, topics) => {
  const { type, run_id, seq, at, data, position } = event;
  const name = eventNameOf(event);
  return JSON.stringify({
    type,
    ...(name === undefined ? {} : { event: name }),
    id: positionText(position),
    topics: topics.split(','),
    run_id,
    seq,
    at,
    data,
  });
});

async function subscribe(
  { socket, log, follow, wanted, ...session }: Session,
  { topics: given, events, after }: Extract<RunFrame, { type: 'subscribe' }>,
): Promise<void> {
  const topics = checkNames(given, { field: 'topics', loc: ['topics'] });
  const refuse = (field: string, message: string) => invalid([{ field, loc: [field], message }]);
  if (after !== undefined && wanted.size > 0)
    throw refuse('after', 'must stand in the first subscription: a socket is at one place; open another socket');
  if (new Set([...wanted.keys(), ...topics]).size > MOST_TOPICS)
    throw refuse('topics', `must be at most ${MOST_TOPICS} on one socket`);
  await log.check(socket.actor.workspaceId, topics);
  await follow.stop();
  const start = wanted.size > 0 ? { position: follow.place(), isNew: false } : await log.start(after ?? session.from);
  for (const topic of topics) wanted.set(topic, events === undefined ? null : new Set(events));
  const resumed = !start.isNew;
  say(socket, { type: 'subscribed', topics, position: positionText(start.position), data: { resumed } });
  follow.go([...wanted.keys()], start.position);
}

async function unsubscribe({ socket, follow, wanted }: Session, topics: Topics | undefined): Promise<void> {
  await follow.stop();
  const left = topics ?? [...wanted.keys()];
  for (const topic of left) wanted.delete(topic);
  say(socket, { type: 'unsubscribed', topics: left });
  if (wanted.size > 0) follow.go([...wanted.keys()], follow.place());
}
