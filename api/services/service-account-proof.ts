import { createHmac } from 'node:crypto';
import { z } from 'zod';
import type { Database } from '../../db/client.js';
import { equalSecrets } from '../../db/crypto.js';
import { useNonce } from '../../db/service-accounts.js';
import { unauthenticated, unavailable } from '../http/errors.js';

/** Who may have tokens issued without being signed in. */
export interface ServiceAccountTrust {
  /** Shared with the vault that signs requests; absent: none are taken. */
  readonly key: string | undefined;
  /** `Bearer dev-local` is enough. */
  readonly allowsDevelopment: boolean;
}

export interface ServiceAccountRequest {
  readonly account: string;
  readonly scopes: readonly string[];
  readonly tenant_id?: string | null | undefined;
  readonly lifetime_minutes?: number | null | undefined;
  readonly fingerprint?: string | null | undefined;
  readonly force: boolean;
}

export interface Proof {
  readonly authorization: string | undefined;
  /** X-Vault-Payload. */
  readonly payload: string | undefined;
}

const AUDIENCE = 'auth-service';
/** How far the vault's clock may be ahead of ours, and how old a request may get, in seconds. */
const AHEAD_SECONDS = 30;
const WINDOW_SECONDS = 600;
const NONCE_SECONDS = 300;

const Seconds = z.number().int().min(0).max(100_000_000_000);

const Claims = z.object({
  iss: z.string().min(1).max(200),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: z.string().min(1).max(200),
  nonce: z.string().min(8).max(200),
  iat: Seconds,
  exp: Seconds,
  account: z.string(),
  scopes: z.array(z.string()),
  tenant_id: z.string().nullish(),
  lifetime_minutes: z.number().nullish(),
  fingerprint: z.string().nullish(),
});
type Claims = z.output<typeof Claims>;

/** Who asks: the vault's own name for it. 401 for whatever is not signed, late, used before, or about something else. */
export async function proveRequest(
  { db, trust }: { readonly db: Database; readonly trust: ServiceAccountTrust },
  request: ServiceAccountRequest,
  { authorization, payload }: Proof,
): Promise<string> {
  if (trust.key === undefined && !trust.allowsDevelopment) {
    throw unavailable(
      'No vault may have tokens issued here: set KEELSON_SERVICE_ACCOUNT_KEY to the key it signs with.',
    );
  }
  const credential = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
  if (trust.allowsDevelopment && credential === 'dev-local') return 'dev-local';
  const claims = signedClaims(trust.key, credential, payload ?? '');
  checkClock(claims);
  checkMatch(claims, request);
  // remembered for as long as the request could be sent again
  const untilLate = Math.min(claims.iat + WINDOW_SECONDS, claims.exp + AHEAD_SECONDS) - now() + 1;
  if (!(await useNonce(db, { nonce: claims.nonce, seconds: Math.max(NONCE_SECONDS, untilLate) }))) {
    throw unauthenticated('X-Vault-Payload: its nonce was used before; sign a new request.');
  }
  return `vault:${claims.sub}`;
}

const now = (): number => Math.floor(Date.now() / 1_000);

/** The signature is over the text of the header as it was sent, in hex or base64url. */
function signedClaims(key: string | undefined, credential: string, payload: string): Claims {
  const signature = /^vault:(.+)$/.exec(credential)?.[1] ?? '';
  const right = createHmac('sha256', key ?? '')
    .update(payload)
    .digest();
  const isHex = equalSecrets(signature.toLowerCase(), right.toString('hex'));
  const isBase64 = equalSecrets(signature, right.toString('base64url'));
  if (key === undefined || payload === '' || !(isHex || isBase64)) {
    throw unauthenticated('Send Authorization: Bearer vault:<signature> with the X-Vault-Payload it was made over.');
  }
  const claims = Claims.safeParse(jsonOf(payload));
  if (!claims.success) {
    const fields = claims.error.issues.map(({ path }) => path.join('.') || 'the payload').join(', ');
    throw unauthenticated(`X-Vault-Payload: missing or of a wrong kind: ${fields}.`);
  }
  return claims.data;
}

function jsonOf(payload: string): unknown {
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

function checkClock({ aud, iat, exp }: Claims): void {
  if (![aud].flat().includes(AUDIENCE)) throw unauthenticated(`X-Vault-Payload: aud must name ${AUDIENCE}.`);
  const age = now() - iat;
  if (age < -AHEAD_SECONDS || age > WINDOW_SECONDS) {
    throw unauthenticated(`X-Vault-Payload: iat must be at most ${WINDOW_SECONDS} s ago; check the clocks.`);
  }
  const left = exp - now();
  if (left < -AHEAD_SECONDS || left > WINDOW_SECONDS || exp <= iat) {
    throw unauthenticated(`X-Vault-Payload: exp must be behind iat and at most ${WINDOW_SECONDS} s ahead.`);
  }
}

/** What was signed is what is asked for; what the vault left open the caller may choose. */
function checkMatch(claims: Claims, request: ServiceAccountRequest): void {
  const isSame = {
    account: claims.account === request.account,
    scopes: JSON.stringify(claims.scopes.toSorted()) === JSON.stringify(request.scopes.toSorted()),
    tenant_id: (claims.tenant_id ?? null) === (request.tenant_id ?? null),
    lifetime_minutes: (claims.lifetime_minutes ?? request.lifetime_minutes) === request.lifetime_minutes,
    fingerprint: (claims.fingerprint ?? request.fingerprint) === request.fingerprint,
  };
  const differing = Object.entries(isSame).flatMap(([field, same]) => (same ? [] : [field]));
  if (differing.length > 0) throw unauthenticated(`X-Vault-Payload was signed for another ${differing.join(', ')}.`);
}
