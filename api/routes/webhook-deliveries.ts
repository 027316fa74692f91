import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Delivery, DeliveryDetail, Status } from './webhook-schemas.js';

const shared = { tag: 'webhooks', auth: 'member' } as const;
const ofEndpoint = '/v1/webhook-endpoints/:endpoint_id' as const;
const one = '/v1/webhook-deliveries/:delivery_id' as const;
const unknown = { 404: 'unknown, or of another workspace' };
const audit = { entity: 'webhook_delivery', snapshot: false } as const;
const LONGEST_WAIT = 30;

export const webhookDeliveryRoutes: readonly Route[] = [
  route({
    ...shared,
    id: 'webhookDeliveries.list',
    method: 'GET',
    path: `${ofEndpoint}/deliveries`,
    summary: 'What was sent to an endpoint, newest first',
    can: 'webhook.read',
    query: z.object({
      status: Status.optional(),
      type: z.string().max(60).optional(),
      run_id: z.string().max(100).optional(),
      cursor: z.string().max(200).optional(),
      limit: z.coerce.number().int().min(1).max(100).default(50),
    }),
    reply: z.object({ items: z.array(Delivery), next_cursor: z.string().nullable() }),
    errors: unknown,
    handle: ({ actor, params, query }, { webhookDeliveries }) =>
      webhookDeliveries.list(actor, params.endpoint_id, query),
  }),
  route({
    ...shared,
    id: 'webhookDeliveries.test',
    method: 'POST',
    path: `${ofEndpoint}/test`,
    summary: 'Send webhook.test to an endpoint; with ?wait= it answers what came of the first attempt',
    can: 'webhook.write',
    idempotent: true,
    audit,
    query: z.object({
      wait: z.coerce
        .number()
        .int()
        .min(0)
        .max(LONGEST_WAIT)
        .default(0)
        .meta({ description: 'Seconds to wait for the first attempt' }),
    }),
    status: 202,
    reply: DeliveryDetail,
    errors: unknown,
    handle: async ({ actor, params, query, seed }, { webhookDeliveries }) => {
      const asked = { seed, waitSeconds: query.wait };
      return new Reply(await webhookDeliveries.test(actor, params.endpoint_id, asked), { status: 202 });
    },
  }),
  route({
    ...shared,
    id: 'webhookDeliveries.redriveDead',
    method: 'POST',
    path: `${ofEndpoint}/redrive`,
    summary: 'Send again what was given up since a time, at most 1,000 at a call',
    can: 'webhook.write',
    audit,
    body: z.strictObject({
      since: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
      status: z.literal('dead').default('dead'),
    }),
    status: 202,
    reply: z.object({ redriven: z.number().int(), more: z.boolean() }),
    errors: { ...unknown, 409: 'the endpoint is off' },
    handle: ({ actor, params, body }, { webhookDeliveries }) =>
      webhookDeliveries.redriveDead(actor, params.endpoint_id, body.since),
  }),
  route({
    ...shared,
    id: 'webhookDeliveries.get',
    method: 'GET',
    path: one,
    summary: 'A delivery with its payload and its attempts',
    can: 'webhook.read',
    reply: DeliveryDetail,
    errors: unknown,
    handle: ({ actor, params }, { webhookDeliveries }) => webhookDeliveries.get(actor, params.delivery_id),
  }),
  route({
    ...shared,
    id: 'webhookDeliveries.redrive',
    method: 'POST',
    path: `${one}/redrive`,
    summary: 'Send the same bytes under the same id once more; answers the new delivery',
    can: 'webhook.write',
    idempotent: true,
    audit,
    status: 202,
    reply: DeliveryDetail,
    errors: { ...unknown, 409: 'it has not ended, or the endpoint is off' },
    handle: async ({ actor, params, seed }, { webhookDeliveries }) =>
      new Reply(await webhookDeliveries.redrive(actor, params.delivery_id, seed), { status: 202 }),
  }),
];
