import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { invalid } from '../http/errors.js';
import { eventStreamType, route, type Route } from '../http/route.js';
import { readPosition, readTopics } from '../services/stream-topics.js';
import { StreamData } from './run-schemas.js';

const reading = { method: 'GET', tag: 'runs', auth: 'member', can: 'run.read' } as const;

/** Clients that cannot set a header say it in the query. */
export const lastSeen = z.string().max(100).optional().meta({ description: 'The same as the header Last-Event-ID' });

const badPosition = (message: string) =>
  invalid([{ field: 'Last-Event-ID', loc: ['header', 'Last-Event-ID'], message }]);

/** A browser that never had one sends an empty one. */
export function lastEventId(headers: IncomingHttpHeaders, given: string | undefined): string | undefined {
  const { 'last-event-id': header } = headers;
  const id = typeof header === 'string' && header !== '' ? header : given;
  return id === '' ? undefined : id;
}

export function readSeq(id: string | undefined): number {
  if (id === undefined) return 0;
  if (/^\d{1,9}$/.test(id)) return Number(id);
  throw badPosition('must be the id of the last message, a whole number');
}

export function readPlace(id: string | undefined) {
  if (id === undefined) return null;
  const position = readPosition(id);
  if (position === undefined) throw badPosition('must be the id of the last message, such as 1234-56');
  return position;
}

export const runStreamRoutes: readonly Route[] = [
  route({
    ...reading,
    id: 'runs.stream',
    path: '/v1/runs/:runId/stream',
    summary: 'What happens in a run: events run, step, wait, vote, token and log, and end after its end',
    errors: { 404: 'No such run here.' },
    query: z.object({ last_event_id: lastSeen }),
    produces: eventStreamType,
    reply: StreamData,
    handle: ({ actor, params, query, headers }, { streams }) =>
      streams.run({ ...actor, runId: params.runId }, readSeq(lastEventId(headers, query.last_event_id))),
  }),
  route({
    ...reading,
    id: 'stream.topics',
    path: '/v1/stream',
    summary: 'Several topics in one stream, from `ready` on',
    errors: { 404: 'A topic names a run or definition that is not here.' },
    query: z.object({
      topics: z
        .string()
        .max(5_000)
        .meta({ description: 'runs, waits, run:<id>, definition:<id>; several with commas' }),
      last_event_id: lastSeen,
    }),
    produces: eventStreamType,
    reply: StreamData,
    handle: ({ actor, query, headers }, { streams }) =>
      streams.topics(actor.workspaceId, {
        topics: readTopics(query.topics),
        after: readPlace(lastEventId(headers, query.last_event_id)),
      }),
  }),
];
