import { z } from 'zod';
import { INPUT_LIMIT_BYTES } from '../../workflows/definition/values.js';
import { route, type Route } from '../http/route.js';
import { JsonValue } from '../http/schemas.js';

const Event = z
  .strictObject({
    name: z.string().trim().min(1).max(200),
    key: z.string().max(500).nullish().meta({ description: 'What the run gave as its correlation key' }),
    id: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: "The sender's: the same name, key and id are one event; one for each request without it" }),
    payload: JsonValue.default(null),
  })
  .meta({ id: 'OutsideEvent', example: { name: 'payment.settled', key: 'order-1042', payload: { amount: 12 } } });

const Raised = z
  .object({ id: z.string(), duplicate: z.boolean(), delivered_to: z.array(z.string()) })
  .meta({ id: 'EventRaised', description: '`delivered_to`: the runs that waited for it' });

const raising = {
  method: 'POST',
  auth: 'member',
  can: 'run.write',
  idempotent: true,
  bodyLimit: 2 * INPUT_LIMIT_BYTES + 4_096,
  body: Event,
  status: 202,
  reply: Raised,
} as const;

type EventBody = z.output<typeof Event>;
const eventOf = ({ name, key, id, payload }: EventBody) => ({ name, key: key ?? null, id, payload });

export const eventRoutes: readonly Route[] = [
  route({
    ...raising,
    id: 'events.raise',
    path: '/v1/events',
    tag: 'events',
    summary: 'Tell every run that waits for an event, or comes to wait for it',
    audit: { action: 'event.raise', entity: 'event' },
    errors: { 413: 'The payload is larger than 2 MiB.' },
    handle: ({ actor, body, seed }, { runEvents }) => runEvents.raise({ actor, ...eventOf(body), seed }),
  }),
  route({
    ...raising,
    id: 'runs.raiseEvent',
    path: '/v1/runs/:runId/events',
    tag: 'runs',
    summary: 'Tell one run of an event, whether it waits for it already or not',
    audit: { action: 'run.event', entity: 'event' },
    errors: { 404: 'No such run here.', 409: 'The run has ended.', 413: 'The payload is larger than 2 MiB.' },
    handle: ({ actor, params, body, seed }, { runEvents }) =>
      runEvents.raiseOn(params.runId, { actor, ...eventOf(body), seed }),
  }),
];
