import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';
import { clientOf } from './client.js';

const tag = 'service-accounts';

const IssueRequest = z
  .object({
    account: z.string().min(1).max(100),
    scopes: z.array(z.string().max(100)).max(50),
    tenant_id: z.string().max(100).nullish(),
    lifetime_minutes: z.number().int().min(-1_000_000_000).max(1_000_000_000).nullish(),
    fingerprint: z.string().max(200).nullish(),
    force: z.boolean().default(false),
  })
  .meta({ id: 'ServiceAccountIssueRequest' });

const BrowserIssueRequest = IssueRequest.extend({ reason: z.string().trim().min(10).max(512) }).meta({
  id: 'BrowserServiceAccountIssueRequest',
});

const Issued = z
  .object({
    jti: z.string(),
    refresh_token: z.string(),
    expires_at: Time,
    issued_at: Time,
    scopes: z.array(z.string()),
    tenant_id: z.string().nullable(),
    kid: z.string(),
    account: z.string(),
    token_use: z.string(),
    session_id: z.string().nullable(),
  })
  .meta({ id: 'ServiceAccountTokenResponse' });

const Item = z
  .object({
    jti: z.string(),
    account: z.string(),
    tenant_id: z.string().nullable(),
    scopes: z.array(z.string()),
    issued_at: Time,
    expires_at: Time,
    revoked_at: Time.nullable(),
    revoked_reason: z.string().nullable(),
    fingerprint: z.string().nullable(),
    signing_kid: z.string(),
    issued_by: z.string(),
    issued_reason: z.string().nullable(),
  })
  .meta({ id: 'ServiceAccountTokenItem' });

/** `false` in a query is text, which would count as true. */
const Flag = z
  .enum(['true', 'false', '1', '0'])
  .default('false')
  .transform((text) => text === 'true' || text === '1');

const Tokens = z.object({
  account: z.string().max(100).optional(),
  fingerprint: z.string().max(200).optional(),
  status: z.enum(['active', 'revoked', 'all']).default('active'),
  tenant_id: z.string().max(100).optional(),
  include_global: Flag,
  limit: z.coerce.number().int().min(1).max(100).default(20),
  offset: z.coerce.number().int().min(0).max(1_000_000_000).default(0),
});

const noStore = { 'cache-control': 'no-store' };
const errors = { 400: 'the account, a scope, the organisation or the lifetime is not possible' };

const header = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  const text = (typeof value === 'string' ? value : value?.[0])?.trim();
  return text === '' ? undefined : text;
};

/** Issuing honours no Idempotency-Key: the same request is answered with the same token by itself. */
export const serviceAccountRoutes: readonly Route[] = [
  route({
    id: 'serviceAccounts.issue',
    method: 'POST',
    path: '/api/v1/auth/service-accounts/issue',
    summary: "A service account's token for a vault, which signs X-Vault-Payload",
    tag,
    auth: 'none',
    rate: 'public',
    audit: false,
    body: IssueRequest,
    reply: Issued,
    status: 201,
    errors: { ...errors, 401: 'not signed, late, or used before', 503: 'no vault is configured' },
    handle: async (request, { serviceAccounts }) => {
      const { body, headers } = request;
      const proof = { authorization: headers.authorization, payload: header(headers, 'x-vault-payload') };
      const issued = await serviceAccounts.issue(body, proof, clientOf(request));
      return new Reply(issued, { status: 201, headers: noStore });
    },
  }),
  route({
    id: 'serviceAccounts.browserIssue',
    method: 'POST',
    path: '/api/v1/auth/service-accounts/browser-issue',
    summary: "A service account's token for an administrator, or for an operator with X-Operator-Override and -Reason",
    tag,
    auth: 'tenant',
    mfa: 'sensitive',
    audit: false,
    body: BrowserIssueRequest,
    reply: Issued,
    status: 201,
    errors,
    handle: async (request, { serviceAccounts }) => {
      const { body, headers, actor } = request;
      const override = header(headers, 'x-operator-override')?.toLowerCase() === 'true';
      const operator = { override, reason: header(headers, 'x-operator-reason') };
      const issued = await serviceAccounts.browserIssue(body, { actor, operator, client: clientOf(request) });
      return new Reply(issued, { status: 201, headers: noStore });
    },
  }),
  route({
    id: 'serviceAccounts.list',
    method: 'GET',
    path: '/api/v1/auth/service-accounts/tokens',
    summary: "List service accounts' tokens, without the tokens",
    tag,
    auth: 'tenant',
    mfa: 'sensitive',
    errors: { 403: 'the caller is neither an administrator of the organisation nor an operator' },
    query: Tokens,
    reply: z
      .object({
        items: z.array(Item),
        total: z.number().int(),
        limit: z.number().int(),
        offset: z.number().int(),
      })
      .meta({ id: 'ServiceAccountTokenListResponse' }),
    handle: async ({ query, actor }, { serviceAccounts }) => {
      const { limit, offset } = query;
      return { ...(await serviceAccounts.list(query, actor)), limit, offset };
    },
  }),
  route({
    id: 'serviceAccounts.revoke',
    method: 'POST',
    path: '/api/v1/auth/service-accounts/tokens/:jti/revoke',
    summary:
      'Revoke a token: it and the access tokens made with it stop working at once; answers the same for unknown ones',
    tag,
    auth: 'tenant',
    mfa: 'sensitive',
    audit: { entity: 'service_account_token' },
    body: z
      .object({ reason: z.string().trim().max(256).nullish() })
      .meta({ id: 'ServiceAccountTokenRevokeRequest' })
      .nullish(),
    reply: z.object({ success: z.boolean(), message: z.string(), data: z.object({ jti: z.string() }) }),
    errors: { 400: 'an operator gave no reason' },
    handle: async ({ params, body, headers, actor }, { serviceAccounts }) => {
      const reason = body?.reason || header(headers, 'x-operator-reason')?.slice(0, 256);
      await serviceAccounts.revoke(params.jti, { actor, reason });
      return { success: true, message: 'The token does not work any more.', data: { jti: params.jti } };
    },
  }),
];
