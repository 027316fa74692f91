import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';

const tag = 'tokens';
const TokenPage = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  offset: z.coerce.number().int().min(0).default(0),
});

const Token = z
  .object({ id: z.string(), prefix: z.string(), created_at: Time, last_used_at: Time.nullable() })
  .meta({ id: 'WorkspaceToken' });

const Minted = z.object({ auth_token: z.string(), workspace_id: z.string() });

const headers = { 'cache-control': 'no-store' };

/**
 * The administrator's row audits by itself, so that the entry is seen in the workspace the token opens.
 * Minting honours no Idempotency-Key: a replay would mean keeping the token in plain text.
 */
export const tokenRoutes: readonly Route[] = [
  route({
    id: 'tokens.list',
    method: 'GET',
    path: '/workspaces/:id/tokens',
    summary: 'Live tokens of the workspace, masked',
    tag,
    auth: 'workspace',
    can: 'token.read',
    query: TokenPage,
    reply: z.object({ tokens: z.array(Token), count: z.number().int() }),
    errors: { 404: 'no such workspace' },
    handle: async ({ params, query }, { tokens }) => {
      const live = await tokens.list(params.id, query);
      return { tokens: live, count: live.length };
    },
  }),
  route({
    id: 'tokens.create',
    method: 'POST',
    path: '/workspaces/:id/tokens',
    summary: 'Mint a token; its plain text is shown this once',
    tag,
    auth: 'workspace',
    can: 'token.write',
    mfa: 'sensitive',
    audit: { entity: 'token' },
    reply: Minted.extend({ message: z.string() }),
    status: 201,
    errors: { 404: 'no such workspace', 429: 'the workspace has 50 live tokens' },
    handle: async ({ params, actor }, { tokens }) => {
      const minted = await tokens.mint(params.id, actor.id);
      return new Reply({ ...minted, message: 'Keep it now: it is not shown again.' }, { status: 201, headers });
    },
  }),
  route({
    id: 'tokens.revoke',
    method: 'DELETE',
    path: '/workspaces/:id/tokens/:tokenId',
    summary: 'Revoke a token',
    tag,
    auth: 'workspace',
    can: 'token.write',
    audit: { entity: 'token' },
    reply: z.object({ status: z.literal('revoked') }),
    errors: { 404: 'unknown, foreign or already revoked' },
    handle: ({ params }, { tokens }) => tokens.revoke(params.id, params.tokenId),
  }),
  route({
    id: 'adminTokens.create',
    method: 'POST',
    path: '/admin/workspaces/:id/tokens',
    summary: 'Mint a token for any workspace; with an organisation token for any of the organisation',
    tag,
    auth: 'admin',
    mfa: 'sensitive',
    audit: false,
    reply: Minted,
    status: 201,
    errors: { 404: 'no such workspace', 429: 'the workspace has 50 live tokens' },
    handle: async ({ params, actor, requestId }, { tokens, audit }) => {
      const tenantId = actor.type === 'org_token' ? actor.tenantId : undefined;
      const minted = await tokens.mint(params.id, actor.id, { tenantId });
      await audit.record({
        workspaceId: params.id,
        actorType: actor.type,
        actorId: actor.id,
        action: 'adminTokens.create',
        entityType: 'token',
        entityId: params.id,
        after: { workspace_id: minted.workspace_id },
        requestId,
      });
      return new Reply(minted, { status: 201, headers });
    },
  }),
];
