import { createSecretKey, type KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { deriveKey, equalSecrets, hmacToken, randomToken } from '../../db/crypto.js';
import { newId } from '../../db/ids.js';
import { createKnownTokens } from './known-tokens.js';

const ISSUER = 'keelson';
const AUDIENCE = 'keelson-api';
const ALGORITHM = 'HS256';

export const ACCESS_TOKEN_SECONDS = 30 * 60;
/** Whoever is given a call joins it soon. */
export const JOIN_TOKEN_SECONDS = 15 * 60;

export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
  readonly workspaceId: string;
  readonly tenantId: string;
  readonly role: string | null;
  readonly scopes: readonly string[];
  readonly isVerified: boolean;
}

export interface ServiceAccountClaims {
  readonly account: string;
  readonly jti: string;
  readonly tenantId: string | null;
  readonly scopes: readonly string[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** The call a token lets into. */
export interface JoinClaims {
  readonly callId: string;
  readonly roomName: string;
  readonly workspaceId: string;
  readonly tenantId: string;
}

/** Whose token it is; what it may is looked up, so that a revoked or weakened one opens nothing. */
export type Verified =
  | { readonly kind: 'user'; readonly userId: string; readonly sessionId: string; readonly payload: JWTPayload }
  | { readonly kind: 'service_account'; readonly jti: string; readonly payload: JWTPayload };

export interface TokenSigner {
  readonly signAccess: (claims: AccessClaims) => Promise<string>;
  readonly signServiceAccount: (use: 'access' | 'refresh', claims: ServiceAccountClaims) => Promise<string>;
  /** null for a token that is expired, of another kind or not ours. */
  readonly verifyAccess: (token: string) => Promise<Verified | null>;
  /** The `jti` of a service account's refresh token; null when it is none. */
  readonly verifyServiceAccount: (token: string) => Promise<string | null>;
  /** Lets its holder into one call. */
  readonly signJoin: (claims: JoinClaims) => Promise<string>;
  /** null for a token that is expired, of another kind or not ours. */
  readonly verifyJoin: (token: string) => Promise<JoinClaims | null>;
  /** Names the key that signs, as `kid`. */
  readonly keyId: string;
  /**
   * Opaque to its holder; signed, and naming its session, so that any earlier token of the session is recognised when it comes
   * back and a made-up one can end nobody's session.
   */
  readonly issueRefresh: (sessionId: string) => string;
  /** The session a refresh token was issued for; null when we did not issue it. */
  readonly refreshSession: (token: string) => string | null;
}

export function createTokenSigner(masterKey: Buffer): TokenSigner {
  // as a key object it is made ready once and not for every token
  const accessKey = createSecretKey(deriveKey(masterKey, 'jwt'));
  const refreshKey = deriveKey(masterKey, 'refresh');
  const keyId = deriveKey(masterKey, 'jwt-id').subarray(0, 8).toString('hex');
  const sign = (payload: JWTPayload): Promise<string> =>
    new SignJWT(payload)
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: keyId })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .sign(accessKey);
  return {
    keyId,
    signAccess: (claims) => sign(userPayload(claims)),
    signServiceAccount: (use, claims) => sign(serviceAccountPayload(use, claims)),
    verifyAccess: createKnownTokens(async (token) => {
      const payload = await verifiedPayload(token, { key: accessKey, keyId });
      const value = payload?.['type'] === 'access' ? holderOf(payload) : null;
      return value === null ? null : { value, endsAt: value.payload.exp ?? 0 };
    }),
    verifyServiceAccount: async (token) => {
      const payload = await verifiedPayload(token, { key: accessKey, keyId });
      const isOne = payload?.['type'] === 'refresh' && payload.sub?.startsWith(SERVICE_ACCOUNT) === true;
      return isOne ? (payload.jti ?? null) : null;
    },
    signJoin: (claims) => sign(joinPayload(claims)),
    verifyJoin: async (token) => joinOf(await verifiedPayload(token, { key: accessKey, keyId })),
    issueRefresh: (sessionId) => {
      const body = `${sessionId}.${randomToken()}`;
      return `${body}.${hmacToken(refreshKey, body)}`;
    },
    refreshSession: (token) => {
      const [sessionId, random, signature] = token.split('.');
      if (sessionId === undefined || random === undefined || signature === undefined) return null;
      return equalSecrets(signature, hmacToken(refreshKey, `${sessionId}.${random}`)) ? sessionId : null;
    },
  };
}

const USER = 'user:';
const SERVICE_ACCOUNT = 'service-account:';
const CALL = 'call:';
const now = (): number => Math.floor(Date.now() / 1_000);

/** The claims of the Agent Studio and the Service surface side by side. */
function userPayload({ userId, sessionId, workspaceId, tenantId, role, scopes, isVerified }: AccessClaims): JWTPayload {
  return {
    sub: `${USER}${userId}`,
    sid: sessionId,
    jti: newId('jwt'),
    ws: workspaceId,
    tenant_id: tenantId,
    type: 'access',
    token_use: 'access',
    roles: role === null ? [] : [role],
    scopes: [...scopes],
    scope: scopes.join(' '),
    email_verified: isVerified,
    iat: now(),
    nbf: now(),
    exp: now() + ACCESS_TOKEN_SECONDS,
  };
}

function serviceAccountPayload(use: 'access' | 'refresh', claims: ServiceAccountClaims): JWTPayload {
  const { account, jti, tenantId, scopes, issuedAt, expiresAt } = claims;
  const begin = use === 'access' ? now() : Math.floor(issuedAt.getTime() / 1_000);
  const end = Math.floor(expiresAt.getTime() / 1_000);
  return {
    sub: `${SERVICE_ACCOUNT}${account}`,
    jti,
    ...(tenantId === null ? {} : { tenant_id: tenantId }),
    type: use,
    token_use: use,
    scopes: [...scopes],
    scope: scopes.join(' '),
    iat: begin,
    nbf: begin,
    exp: use === 'access' ? Math.min(end, begin + ACCESS_TOKEN_SECONDS) : end,
  };
}

function joinPayload({ callId, roomName, workspaceId, tenantId }: JoinClaims): JWTPayload {
  return {
    sub: `${CALL}${callId}`,
    jti: newId('jwt'),
    ws: workspaceId,
    tenant_id: tenantId,
    room: roomName,
    type: 'call',
    token_use: 'call',
    iat: now(),
    nbf: now(),
    exp: now() + JOIN_TOKEN_SECONDS,
  };
}

function joinOf(payload: JWTPayload | null): JoinClaims | null {
  if (payload?.['type'] !== 'call') return null;
  const { sub = '', ws: workspaceId, tenant_id: tenantId, room: roomName } = payload;
  const isWhole = typeof workspaceId === 'string' && typeof tenantId === 'string' && typeof roomName === 'string';
  return isWhole ? { callId: sub.slice(CALL.length), roomName, workspaceId, tenantId } : null;
}

function holderOf(payload: JWTPayload): Verified | null {
  const { sub = '', sid, jti } = payload;
  if (sub.startsWith(USER) && typeof sid === 'string') {
    return { kind: 'user', userId: sub.slice(USER.length), sessionId: sid, payload };
  }
  return sub.startsWith(SERVICE_ACCOUNT) && jti !== undefined ? { kind: 'service_account', jti, payload } : null;
}

async function verifiedPayload(
  token: string,
  { key, keyId }: { readonly key: KeyObject; readonly keyId: string },
): Promise<JWTPayload | null> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['sub', 'jti', 'iat', 'exp'],
    });
    return protectedHeader.kid === keyId ? payload : null;
  } catch {
    return null;
  }
}
