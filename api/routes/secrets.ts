import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Empty, Page, pageOf, Time } from '../http/schemas.js';
import { SecretName, SecretValue } from '../services/secrets.js';

const tag = 'secrets';
const Secret = z.object({ name: z.string(), created_at: Time, updated_at: Time }).meta({ id: 'Secret' });

export const secretRoutes: readonly Route[] = [
  route({
    id: 'secrets.list',
    method: 'GET',
    path: '/v1/secrets',
    summary: 'Names of the secrets; their values are never shown',
    tag,
    auth: 'member',
    can: 'secret.read',
    query: Page,
    reply: pageOf(Secret),
    handle: ({ actor, query }, { secrets }) => secrets.list(actor.workspaceId, query),
  }),
  route({
    id: 'secrets.create',
    method: 'POST',
    path: '/v1/secrets',
    summary: 'Set a new secret, used as {{secret:NAME}}',
    tag,
    auth: 'member',
    can: 'secret.write',
    mfa: 'sensitive',
    idempotent: true,
    audit: { entity: 'secret' },
    body: z.object({ name: SecretName, value: SecretValue }),
    reply: Secret,
    status: 201,
    errors: { 409: 'a secret of that name exists' },
    handle: ({ actor, body }, { secrets }) => secrets.create({ workspaceId: actor.workspaceId, ...body }),
  }),
  route({
    id: 'secrets.replace',
    method: 'PUT',
    path: '/v1/secrets/:name',
    summary: 'Give a secret a new value',
    tag,
    auth: 'member',
    can: 'secret.write',
    mfa: 'sensitive',
    audit: { entity: 'secret' },
    body: z.object({ value: SecretValue }),
    reply: Secret,
    errors: { 404: 'no such secret' },
    handle: ({ actor, params, body }, { secrets }) =>
      secrets.replace({ workspaceId: actor.workspaceId, name: params.name, value: body.value }),
  }),
  route({
    id: 'secrets.delete',
    method: 'DELETE',
    path: '/v1/secrets/:name',
    summary: 'Delete a secret',
    tag,
    auth: 'member',
    can: 'secret.write',
    mfa: 'sensitive',
    audit: { entity: 'secret' },
    reply: Empty,
    status: 204,
    errors: { 404: 'no such secret' },
    handle: async ({ actor, params }, { secrets }) => {
      await secrets.remove(actor.workspaceId, params.name);
      return undefined;
    },
  }),
];
