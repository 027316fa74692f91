import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';
import { headers } from './auth.js';

const tag = 'tokens';
const TokenPage = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  offset: z.coerce.number().int().min(0).default(0),
});

const token = {
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  created_by: z.string(),
  created_at: Time,
  last_used_at: Time.nullable(),
};

/** Minting honours no Idempotency-Key: a replay would mean keeping the token in plain text. */
export const orgTokenRoutes: readonly Route[] = [
  route({
    id: 'orgTokens.list',
    method: 'GET',
    path: '/org/tokens',
    summary: 'Live tokens of the organisation, masked',
    tag,
    auth: 'tenant',
    role: 'admin',
    query: TokenPage,
    reply: z.object({ tokens: z.array(z.object(token).meta({ id: 'OrgToken' })), count: z.number().int() }),
    handle: async ({ actor, query }, { orgTokens }) => {
      const live = await orgTokens.list(actor.tenantId, query);
      return { tokens: live, count: live.length };
    },
  }),
  route({
    id: 'orgTokens.create',
    method: 'POST',
    path: '/org/tokens',
    summary: 'Mint a token that opens every workspace of the organisation; its plain text is shown this once',
    tag,
    auth: 'tenant',
    role: 'admin',
    mfa: 'sensitive',
    audit: { entity: 'org_token' },
    body: z.object({ name: z.string().trim().min(1, 'must not be empty').max(100) }),
    reply: z.object({ ...token, auth_token: z.string(), tenant_id: z.string() }),
    status: 201,
    errors: { 404: 'no such organisation', 429: 'the organisation has 50 live tokens' },
    handle: async ({ actor, body }, { orgTokens }) =>
      new Reply(await orgTokens.mint(actor, body.name), { status: 201, headers }),
  }),
  route({
    id: 'orgTokens.revoke',
    method: 'DELETE',
    path: '/org/tokens/:tokenId',
    summary: 'Revoke a token of the organisation',
    tag,
    auth: 'tenant',
    role: 'admin',
    audit: { entity: 'org_token' },
    reply: z.object({ status: z.literal('revoked') }),
    errors: { 404: 'unknown, foreign or already revoked' },
    handle: ({ actor, params }, { orgTokens }) => orgTokens.revoke(actor.tenantId, params.tokenId),
  }),
];
