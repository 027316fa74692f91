import type { Database } from '../../db/client.js';
import { randomToken, sha256Hex } from '../../db/crypto.js';
import { newId } from '../../db/ids.js';
import { insertToken, listTokens, revokeToken, type TokenRow } from '../../db/tokens.js';
import { ApiError, notFound } from '../http/errors.js';

const PREFIX_LENGTH = 8;
const MAX_LIVE_TOKENS = 50;

export interface MintedToken {
  /** The only time it is seen in plain text. */
  readonly auth_token: string;
  readonly workspace_id: string;
}

export interface MintWithin {
  /** The one organisation whose workspaces are there. */
  readonly tenantId: string | undefined;
}

export interface TokenService {
  readonly list: (
    workspaceId: string,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<TokenRow[]>;
  readonly mint: (workspaceId: string, createdBy: string, within?: MintWithin) => Promise<MintedToken>;
  readonly revoke: (workspaceId: string, tokenId: string) => Promise<{ readonly status: 'revoked' }>;
}

export const createTokenService = ({ db }: { readonly db: Database }): TokenService => ({
  list: (workspaceId, page) => listTokens(db, workspaceId, page),
  mint: async (workspaceId, createdBy, within) => {
    const token = randomToken();
    const outcome = await insertToken(db, {
      id: newId('wst'),
      workspaceId,
      tenantId: within?.tenantId,
      hash: sha256Hex(token),
      prefix: token.slice(0, PREFIX_LENGTH),
      createdBy,
      atMost: MAX_LIVE_TOKENS,
    });
    if (outcome === 'missing') throw notFound('workspace', workspaceId);
    if (outcome === 'full') {
      throw new ApiError(
        429,
        `This workspace has ${MAX_LIVE_TOKENS} live tokens, the most it may have: revoke one first.`,
      );
    }
    return { auth_token: token, workspace_id: workspaceId };
  },
  revoke: async (workspaceId, tokenId) => {
    if (!(await revokeToken(db, workspaceId, tokenId))) throw notFound('live token', tokenId);
    return { status: 'revoked' };
  },
});
