import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Empty, Page, pageOf, Time } from '../http/schemas.js';
import { keyScopes } from '../services/scopes.js';
import { headers } from './auth.js';

const tag = 'api-keys';

const Name = z.string().trim().min(1, 'must not be empty').max(100);
const Scopes = z
  .array(z.string().max(60))
  .max(keyScopes.length)
  .meta({ description: `Of ${keyScopes.join(', ')}`, example: ['agents:read'] });
const RateLimit = z
  .number()
  .int()
  .min(1)
  .max(100_000)
  .nullable()
  .meta({ description: "Requests a minute; null: the installation's own" });

const key = {
  id: z.string(),
  name: z.string(),
  environment: z.enum(['live', 'test']),
  prefix: z.string(),
  scopes: z.array(z.string()),
  rate_limit: z.number().int().nullable(),
  created_by: z.string(),
  created_at: Time,
  last_used_at: Time.nullable(),
  revoked_at: Time.nullable(),
};
const ApiKey = z.object(key).meta({ id: 'ApiKey' });
const MintedApiKey = z.object({ ...key, key: z.string() }).meta({ id: 'MintedApiKey' });

/** Minting honours no Idempotency-Key: a replay would mean keeping the key in plain text. */
export const apiKeyRoutes: readonly Route[] = [
  route({
    id: 'apiKeys.list',
    method: 'GET',
    path: '/api/v1/auth/api-keys',
    summary: 'Keys of the workspace, masked: your own, or all for administrators',
    tag,
    auth: 'tenant',
    query: Page,
    reply: pageOf(ApiKey),
    errors: { 403: 'keys are managed by people' },
    handle: ({ actor, query }, { apiKeys }) => apiKeys.list(actor, query),
  }),
  route({
    id: 'apiKeys.create',
    method: 'POST',
    path: '/api/v1/auth/api-keys',
    summary: 'Mint a key for the workspace; it is shown this once',
    tag,
    auth: 'tenant',
    mfa: 'sensitive',
    audit: { entity: 'api_key' },
    body: z.object({
      name: Name,
      environment: z.enum(['live', 'test']),
      scopes: Scopes.optional(),
      rate_limit: RateLimit.optional(),
    }),
    reply: MintedApiKey,
    status: 201,
    errors: { 409: 'a live key has the name', 429: 'the workspace has 100 live keys' },
    handle: async ({ actor, body }, { apiKeys }) =>
      new Reply(await apiKeys.create(actor, body), { status: 201, headers }),
  }),
  route({
    id: 'apiKeys.update',
    method: 'PATCH',
    path: '/api/v1/auth/api-keys/:id',
    summary: "Change a live key's name, scopes or limit",
    tag,
    auth: 'tenant',
    mfa: 'sensitive',
    audit: { entity: 'api_key' },
    body: z.object({ name: Name.optional(), scopes: Scopes.optional(), rate_limit: RateLimit.optional() }),
    reply: ApiKey,
    errors: { 404: 'unknown, foreign or revoked', 409: 'a live key has the name' },
    handle: ({ actor, params, body }, { apiKeys }) => apiKeys.update(actor, params.id, body),
  }),
  route({
    id: 'apiKeys.revoke',
    method: 'DELETE',
    path: '/api/v1/auth/api-keys/:id',
    summary: 'Revoke a key',
    tag,
    auth: 'tenant',
    audit: { entity: 'api_key' },
    reply: Empty,
    status: 204,
    errors: { 404: 'unknown, foreign or already revoked' },
    handle: async ({ actor, params }, { apiKeys }) => {
      await apiKeys.revoke(actor, params.id);
      return undefined;
    },
  }),
];
