import type { Database } from '../../db/client.js';
import { randomToken, sha256Hex } from '../../db/crypto.js';
import { newId } from '../../db/ids.js';
import { insertOrgToken, listOrgTokens, revokeOrgToken, type OrgTokenRow } from '../../db/org-tokens.js';
import type { Actor } from '../actor.js';
import { ApiError, notFound } from '../http/errors.js';

const MAX_LIVE_TOKENS = 50;
/** `org_` and eight more. */
const PREFIX_LENGTH = 12;

/** The only time the token is seen. */
export type MintedOrgToken = OrgTokenRow & { readonly auth_token: string; readonly tenant_id: string };

/** Tokens that open every workspace of an organisation. */
export interface OrgTokenService {
  readonly list: (
    tenantId: string,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<readonly OrgTokenRow[]>;
  readonly mint: (actor: Actor, name: string) => Promise<MintedOrgToken>;
  readonly revoke: (tenantId: string, tokenId: string) => Promise<{ readonly status: 'revoked' }>;
}

export const createOrgTokenService = ({ db }: { readonly db: Database }): OrgTokenService => ({
  list: (tenantId, page) => listOrgTokens(db, tenantId, page),
  mint: async ({ tenantId, id }, name) => {
    const token = `org_${randomToken()}`;
    const outcome = await insertOrgToken(db, {
      id: newId('org'),
      tenantId,
      name,
      hash: sha256Hex(token),
      prefix: token.slice(0, PREFIX_LENGTH),
      createdBy: id,
      atMost: MAX_LIVE_TOKENS,
    });
    if (outcome === 'missing') throw notFound('organisation', tenantId);
    if (outcome === 'full') {
      throw new ApiError(
        429,
        `This organisation has ${MAX_LIVE_TOKENS} live tokens, the most it may have: revoke one first.`,
      );
    }
    return { ...outcome, auth_token: token, tenant_id: tenantId };
  },
  revoke: async (tenantId, tokenId) => {
    if (!(await revokeOrgToken(db, tenantId, tokenId))) throw notFound('live token', tokenId);
    return { status: 'revoked' };
  },
});
