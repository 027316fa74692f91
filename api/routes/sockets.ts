import { z } from 'zod';
import { JsonValue } from '../http/schemas.js';
import { socketRoute } from '../http/sockets.js';
import type { Route } from '../http/route.js';
import { webhookEventTypes } from '../../workflows/contract/webhooks.js';
import { joinCall, openCallSocket } from '../services/calls/call-socket.js';
import { openRunSocket } from '../services/run-socket.js';
import { readPosition } from '../services/stream-topics.js';

/** Where a client was: the id of the last frame it saw. */
const Position = z
  .string()
  .max(100)
  .transform((text, ctx) => {
    const position = readPosition(text);
    if (position !== undefined) return position;
    ctx.addIssue({ code: 'custom', message: 'must be the id of the last frame seen, such as 1234-56' });
    return z.NEVER;
  });

const Query = z.object({
  token: z
    .string()
    .max(8_000)
    .optional()
    .meta({ description: 'An access token or API key, for clients that cannot send a header' }),
  last_event_id: Position.optional().meta({ description: 'The id of the last frame seen: goes on behind it' }),
});

const topics = z.array(z.string().max(100)).min(1).max(50);

const RunFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('subscribe'),
    topics: topics.meta({ description: 'runs, waits, calls, run:<id>, call:<id>, definition:<id>' }),
    events: z.array(z.enum(webhookEventTypes)).min(1).max(50).optional(),
    after: Position.optional(),
  }),
  z.object({ type: z.literal('unsubscribe'), topics: topics.optional() }),
  z.object({ type: z.literal('ping') }),
]);

const RunSocketFrame = z
  .object({
    type: z.string().meta({
      description:
        'connected, subscribed, unsubscribed, pong, position, error; or of an event run, step, wait, vote, token, log, lifecycle, call',
    }),
    id: z.string().optional().meta({ description: 'Of an event: where to go on behind' }),
    event: z.enum(webhookEventTypes).optional(),
    topics: z.array(z.string()).optional(),
    run_id: z.string().optional(),
    seq: z.number().int().optional(),
    at: z.iso.datetime().optional(),
    data: JsonValue.optional(),
  })
  .meta({ id: 'RunSocketFrame', description: 'A frame of /ws/runs' });

const CallId = z.string().min(1).max(100);

const CallFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('subscribe'),
    call_id: CallId.optional().meta({ description: 'Without one: every call, as before the first subscription' }),
    after: Position.optional(),
  }),
  z.object({ type: z.literal('unsubscribe'), call_id: CallId.optional() }),
  z.object({ type: z.literal('ping') }),
]);

const CallSocketFrame = z
  .object({
    type: z.string().meta({
      description:
        'connected, subscribed, unsubscribed, pong, error, call.started, call.agent_changed, call.transcript, call.ended, call.failed',
    }),
    id: z.string().optional().meta({ description: 'Of an event: where to go on behind' }),
    call_id: z.string().optional(),
    timestamp: z.iso.datetime(),
    data: JsonValue,
  })
  .meta({ id: 'CallSocketFrame', description: 'A frame of /ws/calls' });

/** Rows that become WebSockets. */
export const socketRoutes: readonly Route[] = [
  socketRoute({
    id: 'runs.socket',
    path: '/ws/runs',
    summary: 'What happens in runs, over a WebSocket: subscribe to topics, resume by the id of the last frame',
    tag: 'runs',
    auth: 'member',
    can: 'run.read',
    query: Query,
    sent: RunFrame,
    received: RunSocketFrame,
    open: (socket, { streams }) => openRunSocket(socket, streams.log),
  }),
  socketRoute({
    id: 'calls.socket',
    path: '/ws/calls',
    summary: 'Calls as they go, over a WebSocket: all of the workspace, or those that are subscribed to',
    tag: 'calls',
    auth: 'tenant',
    scope: 'calls:read',
    query: Query,
    sent: CallFrame,
    received: CallSocketFrame,
    guest: (token, { calls }) => joinCall(token, calls),
    open: (socket, { streams }) => openCallSocket(socket, streams.log),
  }),
];
