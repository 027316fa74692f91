import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import {
  findSameToken,
  insertServiceAccountToken,
  whileIssuing,
  type ServiceAccountTokenRow,
  type TokenIdentity,
} from '../../db/service-accounts.js';
import { findTenantById } from '../../db/tenants.js';
import { serviceAccountToken } from '../../db/vault/sealed-columns.js';
import type { Vault } from '../../db/vault/vault.js';
import { badRequest } from '../http/errors.js';
import type { TokenSigner } from './access-tokens.js';
import { serviceAccounts, type ServiceAccount } from './service-account-catalogue.js';
import type { ServiceAccountRequest } from './service-account-proof.js';

const MINUTE_MS = 60_000;

export interface IssueDeps {
  readonly db: Database;
  readonly vault: Vault;
  readonly signer: TokenSigner;
}

export interface IssuedToken {
  readonly jti: string;
  readonly refresh_token: string;
  readonly issued_at: Date;
  readonly expires_at: Date;
  readonly scopes: readonly string[];
  readonly tenant_id: string | null;
  readonly kid: string;
  readonly account: string;
  readonly token_use: 'refresh';
  readonly session_id: null;
}

export interface IssuedBy {
  readonly by: string;
  readonly reason: string | null;
}

/** A live token for the same account, organisation, scopes and fingerprint is given again unless a new one is forced. */
export async function issueToken(
  deps: IssueDeps,
  request: ServiceAccountRequest,
  issued: IssuedBy,
): Promise<IssuedToken> {
  const account = accountOf(request);
  const scopes = scopesOf(account, request);
  const minutes = minutesOf(account, request);
  const identity: TokenIdentity = {
    account: request.account,
    tenantId: await tenantOf(deps.db, account, request),
    scopes,
    fingerprint: request.fingerprint || null,
  };
  const fresh = await signed(deps, { identity, minutes, issued });
  const kept = await whileIssuing(deps.db, identity, async (trx) => {
    const same = request.force ? undefined : await findSameToken(trx, identity);
    if (same?.signing_kid === deps.signer.keyId) return same;
    await insertServiceAccountToken(trx, fresh.row);
    return undefined;
  });
  if (kept === undefined) return answer(fresh.row, fresh.token);
  const token = await opened(deps, kept);
  return token === undefined ? issueToken(deps, { ...request, force: true }, issued) : answer(kept, token);
}

function accountOf({ account }: ServiceAccountRequest): ServiceAccount {
  const found = Object.hasOwn(serviceAccounts, account) ? serviceAccounts[account] : undefined;
  if (found !== undefined) return found;
  throw badRequest(`account: must be one of ${Object.keys(serviceAccounts).join(', ')}.`, 'account');
}

function scopesOf({ allowed_scopes: allowed }: ServiceAccount, request: ServiceAccountRequest): readonly string[] {
  if (request.scopes.length === 0) throw badRequest('scopes: name at least one.', 'scopes');
  const names = new Set<string>(allowed);
  const refused = request.scopes.filter((scope) => !names.has(scope));
  if (refused.length === 0) return [...new Set(request.scopes)].toSorted();
  throw badRequest(`scopes: ${request.account} may have ${allowed.join(', ')}, not ${refused.join(', ')}.`, 'scopes');
}

function minutesOf(account: ServiceAccount, { lifetime_minutes: asked }: ServiceAccountRequest): number {
  const minutes = asked ?? account.default_ttl_minutes;
  if (minutes >= 1 && minutes <= account.max_ttl_minutes) return minutes;
  throw badRequest(`lifetime_minutes: must be from 1 to ${account.max_ttl_minutes}.`, 'lifetime_minutes');
}

async function tenantOf(
  db: Database,
  { requires_tenant: isRequired }: ServiceAccount,
  { account, tenant_id: id }: ServiceAccountRequest,
): Promise<string | null> {
  if (!id && isRequired) throw badRequest(`tenant_id: ${account} acts for one organisation; name it.`, 'tenant_id');
  if (!id) return null;
  const tenant = await findTenantById(db, id);
  if (tenant?.is_active === true) return id;
  throw badRequest('tenant_id: there is no such organisation.', 'tenant_id');
}

/** Undefined when it was sealed with a key that is no more: then a new one is made. */
async function opened({ vault }: IssueDeps, row: ServiceAccountTokenRow): Promise<string | undefined> {
  try {
    return await vault.open(serviceAccountToken({ jti: row.jti, tenantId: row.tenant_id }), row.token_sealed);
  } catch {
    return undefined;
  }
}

/** Made before the transaction that may keep it: sealing asks for a connection of its own. */
async function signed(
  { vault, signer }: IssueDeps,
  made: { readonly identity: TokenIdentity; readonly minutes: number; readonly issued: IssuedBy },
) {
  const { account, tenantId, fingerprint } = made.identity;
  const scopes = [...made.identity.scopes];
  const jti = newId('jwt');
  // the JWT counts in whole seconds, and its row says the same
  const issuedAt = new Date(Math.floor(Date.now() / 1_000) * 1_000);
  const expiresAt = new Date(issuedAt.getTime() + made.minutes * MINUTE_MS);
  const token = await signer.signServiceAccount('refresh', { account, jti, tenantId, scopes, issuedAt, expiresAt });
  const row = {
    jti,
    account,
    tenant_id: tenantId,
    scopes,
    fingerprint,
    signing_kid: signer.keyId,
    token_sealed: await vault.seal(serviceAccountToken({ jti, tenantId }), token),
    issued_by: made.issued.by,
    issued_reason: made.issued.reason,
    issued_at: issuedAt,
    expires_at: expiresAt,
  };
  return { token, row };
}

type Answered = Pick<
  ServiceAccountTokenRow,
  'jti' | 'issued_at' | 'expires_at' | 'scopes' | 'tenant_id' | 'signing_kid' | 'account'
>;

const answer = (row: Answered, token: string): IssuedToken => ({
  jti: row.jti,
  refresh_token: token,
  issued_at: row.issued_at,
  expires_at: row.expires_at,
  scopes: row.scopes,
  tenant_id: row.tenant_id,
  kid: row.signing_kid,
  account: row.account,
  token_use: 'refresh',
  session_id: null,
});
