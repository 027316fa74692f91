import { z } from 'zod';
import { TEST_EVENT, webhookEventTypes, webhookWildcards } from '../../workflows/contract/webhooks.js';
import { Reply, route, type Route } from '../http/route.js';
import { Empty, Page, pageOf } from '../http/schemas.js';
import { Endpoint, EndpointPatch, MintedEndpoint, NewEndpoint } from './webhook-schemas.js';

const shared = { tag: 'webhooks', auth: 'member' } as const;
const audit = { entity: 'webhook_endpoint' };
const at = '/v1/webhook-endpoints' as const;
const one = `${at}/:endpoint_id` as const;
const unknown = { 404: 'unknown, or of another workspace' };
const noStore = { 'cache-control': 'no-store' };

const DAY = 86_400;
const LONGEST_OVERLAP = 7 * DAY;

/** Making and rotating honour no Idempotency-Key: a replay would mean keeping the secret in plain text. */
export const webhookEndpointRoutes: readonly Route[] = [
  route({
    ...shared,
    id: 'webhookEventTypes.list',
    method: 'GET',
    path: '/v1/webhook-event-types',
    summary: 'What an endpoint can be told of',
    can: 'webhook.read',
    reply: z.object({ items: z.array(z.string()), wildcards: z.array(z.string()), test: z.string() }),
    handle: () => Promise.resolve({ items: webhookEventTypes, wildcards: webhookWildcards, test: TEST_EVENT }),
  }),
  route({
    ...shared,
    id: 'webhookEndpoints.list',
    method: 'GET',
    path: at,
    summary: 'Endpoints of the workspace and of the whole organisation, newest first',
    can: 'webhook.read',
    query: Page,
    reply: pageOf(Endpoint),
    handle: ({ actor, query }, { webhookEndpoints }) => webhookEndpoints.list(actor, query),
  }),
  route({
    ...shared,
    id: 'webhookEndpoints.create',
    method: 'POST',
    path: at,
    summary: 'Send events to an address; the secret that signs them is shown this once',
    can: 'webhook.write',
    audit,
    body: NewEndpoint,
    status: 201,
    reply: MintedEndpoint,
    errors: { 409: 'the organisation has 50 endpoints' },
    handle: async ({ actor, body }, { webhookEndpoints }) =>
      new Reply(await webhookEndpoints.create(actor, body), { status: 201, headers: noStore }),
  }),
  route({
    ...shared,
    id: 'webhookEndpoints.get',
    method: 'GET',
    path: one,
    summary: 'An endpoint, without its secret',
    can: 'webhook.read',
    reply: Endpoint,
    errors: unknown,
    handle: ({ actor, params }, { webhookEndpoints }) => webhookEndpoints.get(actor, params.endpoint_id),
  }),
  route({
    ...shared,
    id: 'webhookEndpoints.update',
    method: 'PATCH',
    path: one,
    summary: 'Change an endpoint, or turn it on or off',
    can: 'webhook.write',
    audit,
    body: EndpointPatch,
    reply: Endpoint,
    errors: unknown,
    handle: ({ actor, params, body }, { webhookEndpoints }) => webhookEndpoints.update(actor, params.endpoint_id, body),
  }),
  route({
    ...shared,
    id: 'webhookEndpoints.delete',
    method: 'DELETE',
    path: one,
    summary: 'Delete an endpoint; what waits for it is not sent',
    can: 'webhook.write',
    audit,
    status: 204,
    reply: Empty,
    errors: { ...unknown, 409: 'it follows settings.webhook_url of the organisation' },
    handle: async ({ actor, params }, { webhookEndpoints }) => {
      await webhookEndpoints.remove(actor, params.endpoint_id);
      return undefined;
    },
  }),
  route({
    ...shared,
    id: 'webhookEndpoints.rotateSecret',
    method: 'POST',
    path: `${one}/rotate-secret`,
    summary: 'A new secret, shown this once; the one before signs too until the overlap is over',
    can: 'webhook.write',
    audit,
    body: z.strictObject({ overlap_seconds: z.number().int().min(0).max(LONGEST_OVERLAP).default(DAY) }).default({
      overlap_seconds: DAY,
    }),
    reply: MintedEndpoint,
    errors: unknown,
    handle: async ({ actor, params, body }, { webhookEndpoints }) => {
      const minted = await webhookEndpoints.rotateSecret(actor, params.endpoint_id, body.overlap_seconds);
      return new Reply(minted, { headers: noStore });
    },
  }),
];
