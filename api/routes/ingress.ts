import { z } from 'zod';
import { INPUT_LIMIT_BYTES, type Json } from '../../workflows/definition/values.js';
import { Reply, route, type Route } from '../http/route.js';
import { Empty, Page, pageOf } from '../http/schemas.js';
import {
  Accepted,
  Challenge,
  MessageDetail,
  MessagePage,
  MessageStatus,
  NewSource,
  Redriven,
  Rotation,
  Source,
  SourceChange,
  SourceWithSecret,
  TestRequest,
  TestResult,
} from './ingress-schemas.js';

const publicRoutes: readonly Route[] = [
  route({
    id: 'ingress.receive',
    method: 'POST',
    path: '/v1/public/ingress/:workspace_slug/:source_slug',
    summary: "Take a provider's webhook of any content type; its signature is the only credential",
    tag: 'ingress',
    auth: 'none',
    rate: 'public',
    // the message itself is the record
    audit: false,
    status: 202,
    reply: z.union([Accepted, Challenge]),
    errors: {
      200: "The answer to the provider's question whether the address is ours",
      401: 'The signature is missing or does not fit, or its time is too far from ours',
      404: 'No such source, or it is switched off',
      415: 'The body is encoded',
    },
    handle: async ({ params, ...came }, { ingress }) => {
      const { workspace_slug: workspaceSlug, source_slug: sourceSlug } = params;
      const answered = await ingress.receive({ ...came, workspaceSlug, sourceSlug });
      if ('accepted' in answered) return answered.accepted;
      // -- reason: the schemes give these two and no other
      return new Reply(answered.challenge as z.output<typeof Challenge>, { status: 200 });
    },
  }),
];

const shared = { tag: 'ingress', auth: 'member' } as const;
const at = '/v1/ingress-sources/:source_id' as const;
const entity = 'ingress_source';
const missing = { 404: 'No such source here' };
const noStore = { 'cache-control': 'no-store' };

/** -- reason: parsed JSON is JSON */
const jsonOf = <T extends { readonly verification?: unknown }>(body: T) =>
  body as Omit<T, 'verification'> & { readonly verification: Readonly<Record<string, Json>> };

/** Creating and rotating honour no Idempotency-Key: a replay would mean keeping the secret. */
const sourceRoutes: readonly Route[] = [
  route({
    ...shared,
    id: 'ingressSources.list',
    method: 'GET',
    path: '/v1/ingress-sources',
    summary: 'Sources of webhooks',
    can: 'ingress.read',
    query: Page,
    reply: pageOf(Source),
    handle: async ({ actor, query }, { ingressSources }) => ({
      ...(await ingressSources.list(actor.workspaceId, query)),
      ...query,
    }),
  }),
  route({
    ...shared,
    id: 'ingressSources.create',
    method: 'POST',
    path: '/v1/ingress-sources',
    summary: 'Add a source of webhooks; a secret that is made is shown this once',
    can: 'ingress.write',
    audit: { entity },
    body: NewSource,
    status: 201,
    reply: SourceWithSecret,
    errors: { 409: 'The slug is taken, or there are 200 sources, or several definitions have the slug' },
    handle: async ({ actor, body }, { ingressSources }) => {
      const { slug, secret, ...values } = jsonOf(body);
      const made = await ingressSources.create(actor, { ...values, slug, secret });
      return new Reply(made, { status: 201, headers: noStore });
    },
  }),
  route({
    ...shared,
    id: 'ingressSources.get',
    method: 'GET',
    path: at,
    summary: 'Read a source of webhooks',
    can: 'ingress.read',
    reply: Source,
    errors: missing,
    handle: ({ actor, params }, { ingressSources }) =>
      ingressSources.get({ workspaceId: actor.workspaceId, id: params.source_id }),
  }),
  route({
    ...shared,
    id: 'ingressSources.change',
    method: 'PATCH',
    path: at,
    summary: 'Change a source of webhooks; the provider stays',
    can: 'ingress.write',
    audit: { entity },
    body: SourceChange,
    reply: Source,
    errors: { ...missing, 409: 'The slug is taken' },
    handle: ({ actor, params, body }, { ingressSources }) =>
      ingressSources.change({ workspaceId: actor.workspaceId, id: params.source_id }, jsonOf(body)),
  }),
  route({
    ...shared,
    id: 'ingressSources.remove',
    method: 'DELETE',
    path: at,
    summary: 'Remove a source of webhooks; its address answers 404 at once',
    can: 'ingress.write',
    audit: { entity },
    status: 204,
    reply: Empty,
    errors: missing,
    handle: async ({ actor, params }, { ingressSources }) => {
      await ingressSources.remove({ workspaceId: actor.workspaceId, id: params.source_id });
      return undefined;
    },
  }),
  route({
    ...shared,
    id: 'ingressSources.rotateSecret',
    method: 'POST',
    path: `${at}/rotate-secret`,
    summary: 'Give a source a new secret; the one so far goes on for a while',
    can: 'ingress.write',
    audit: { entity },
    body: Rotation,
    reply: SourceWithSecret,
    errors: missing,
    handle: async ({ actor, params, body }, { ingressSources }) => {
      const ref = { workspaceId: actor.workspaceId, id: params.source_id };
      const { secret, overlap_seconds: overlapSeconds } = body;
      return new Reply(await ingressSources.rotate(ref, { secret, overlapSeconds }), { headers: noStore });
    },
  }),
  route({
    ...shared,
    id: 'ingressSources.test',
    method: 'POST',
    path: `${at}/test`,
    summary: 'Say what would become of a request, without keeping or doing anything',
    can: 'ingress.write',
    audit: false,
    body: TestRequest,
    bodyLimit: 2 * INPUT_LIMIT_BYTES,
    reply: TestResult,
    errors: missing,
    handle: ({ actor, params, body }, { ingress }) => {
      const { headers, query, body: text, body_base64: bytes } = body;
      const rawBody = bytes === undefined ? Buffer.from(text) : Buffer.from(bytes, 'base64');
      return ingress.rehearse({ workspaceId: actor.workspaceId, id: params.source_id }, { headers, query, rawBody });
    },
  }),
];

const paging = {
  status: MessageStatus.optional(),
  cursor: z.string().max(200).optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(100).default(50),
};

const messageRoutes: readonly Route[] = [
  route({
    ...shared,
    id: 'ingressSources.messages',
    method: 'GET',
    path: `${at}/messages`,
    summary: 'What a source has sent, the newest first',
    can: 'ingress.read',
    query: z.object(paging),
    reply: MessagePage,
    errors: missing,
    handle: ({ actor, params, query: { status, cursor, limit } }, { ingressMessages }) =>
      ingressMessages.ofSource({ workspaceId: actor.workspaceId, id: params.source_id }, { status, cursor, limit }),
  }),
  route({
    ...shared,
    id: 'ingressSources.redrive',
    method: 'POST',
    path: `${at}/redrive`,
    summary: 'Try the dead messages of a source anew, up to a thousand at a time',
    can: 'ingress.write',
    audit: { action: 'ingress_source.redrive', entity, snapshot: false },
    idempotent: true,
    status: 202,
    reply: z.object({ redriven: z.number().int(), is_more: z.boolean() }),
    errors: missing,
    handle: ({ actor, params }, { ingressMessages }) =>
      ingressMessages.redriveAll({ workspaceId: actor.workspaceId, id: params.source_id }),
  }),
  route({
    ...shared,
    id: 'ingressMessages.list',
    method: 'GET',
    path: '/v1/ingress-messages',
    summary: 'Webhooks that came in, those of chains too, the newest first',
    can: 'ingress.read',
    query: z.object({
      ...paging,
      source_id: z.string().max(100).optional(),
      definition_id: z.string().max(100).optional(),
    }),
    reply: MessagePage,
    handle: ({ actor, query }, { ingressMessages }) => {
      const { source_id: sourceId, definition_id: definitionId, status, cursor, limit } = query;
      return ingressMessages.list(actor.workspaceId, { sourceId, definitionId, status, cursor, limit });
    },
  }),
  route({
    ...shared,
    id: 'ingressMessages.get',
    method: 'GET',
    path: '/v1/ingress-messages/:message_id',
    summary: 'One webhook, with its body as it came',
    can: 'ingress.read',
    reply: MessageDetail,
    errors: { 404: 'No such message here' },
    handle: ({ actor, params }, { ingressMessages }) =>
      ingressMessages.get({ workspaceId: actor.workspaceId, id: params.message_id }),
  }),
  route({
    ...shared,
    id: 'ingressMessages.redrive',
    method: 'POST',
    path: '/v1/ingress-messages/:message_id/redrive',
    summary: 'Try a dead message anew',
    can: 'ingress.write',
    audit: { action: 'ingress_message.redrive', entity: 'ingress_message', snapshot: false },
    idempotent: true,
    status: 202,
    reply: Redriven,
    errors: { 404: 'No such message here', 409: 'The message is not dead' },
    handle: ({ actor, params }, { ingressMessages }) =>
      ingressMessages.redrive({ workspaceId: actor.workspaceId, id: params.message_id }),
  }),
];

export const ingressRoutes: readonly Route[] = [...publicRoutes, ...sourceRoutes, ...messageRoutes];
