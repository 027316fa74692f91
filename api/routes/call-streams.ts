import { z } from 'zod';
import { eventStreamType, route, type Route } from '../http/route.js';
import { JsonValue } from '../http/schemas.js';
import { lastEventId, lastSeen, readPlace, readSeq } from './run-streams.js';

const following = { method: 'GET', tag: 'calls', auth: 'tenant', scope: 'calls:read' } as const;

const CallStreamData = z
  .object({ timestamp: z.string().optional() })
  .catchall(JsonValue)
  .meta({ id: 'CallStreamData', description: 'What the event says, and when' });

/** `stream` stands before `:call_id`: fixed segments are looked at first. */
export const callStreamRoutes: readonly Route[] = [
  route({
    ...following,
    id: 'calls.streamAll',
    path: '/api/v1/sse/calls/stream',
    summary: 'The calls of the workspace as they go: connected, active_count, calls_update, heartbeat, error',
    query: z.object({ last_event_id: lastSeen }),
    produces: eventStreamType,
    reply: CallStreamData,
    handle: ({ actor, query, headers }, { callStreams }) =>
      callStreams.all(actor, readPlace(lastEventId(headers, query.last_event_id))),
  }),
  route({
    ...following,
    id: 'calls.stream',
    path: '/api/v1/sse/calls/:call_id/stream',
    summary:
      'One call as it goes: connected, status, transcript, agent_changed, heartbeat, error; ended, and then no more',
    errors: { 404: 'No such call here.' },
    query: z.object({ last_event_id: lastSeen }),
    produces: eventStreamType,
    reply: CallStreamData,
    handle: ({ actor, params, query, headers }, { callStreams }) =>
      callStreams.one(actor, params.call_id, readSeq(lastEventId(headers, query.last_event_id))),
  }),
];
