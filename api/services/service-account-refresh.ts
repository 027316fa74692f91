import type { Database } from '../../db/client.js';
import { findLiveToken } from '../../db/service-accounts.js';
import { ACCESS_TOKEN_SECONDS, type TokenSigner } from './access-tokens.js';
import type { ServiceAccountSession } from './auth-tokens.js';

/**
 * An access token for a service account's refresh token, which stays what it is until its end. null for whatever is no such
 * token, or a revoked one.
 */
export async function refreshServiceAccount(
  { db, signer }: { readonly db: Database; readonly signer: TokenSigner },
  token: string,
): Promise<ServiceAccountSession | null> {
  const jti = await signer.verifyServiceAccount(token);
  const row = jti === null ? undefined : await findLiveToken(db, jti);
  if (row === undefined) return null;
  const { account, scopes, tenant_id: tenantId, issued_at: issuedAt, expires_at: expiresAt } = row;
  const claims = { account, jti: row.jti, tenantId, scopes, issuedAt, expiresAt };
  const end = Math.min(Date.now() + ACCESS_TOKEN_SECONDS * 1_000, expiresAt.getTime());
  return {
    access_token: await signer.signServiceAccount('access', claims),
    refresh_token: token,
    token_type: 'bearer',
    expires_in: Math.max(1, Math.floor((end - Date.now()) / 1_000)),
    expires_at: new Date(end),
    refresh_expires_at: expiresAt,
    kid: signer.keyId,
    refresh_kid: row.signing_kid,
    scopes,
    tenant_id: tenantId,
    account,
  };
}
