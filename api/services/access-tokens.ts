import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { deriveKey, equalSecrets, hmacToken, randomToken } from '../../db/crypto.js';

const ISSUER = 'keelson';
const AUDIENCE = 'keelson-api';
const ALGORITHM = 'HS256';

export const ACCESS_TOKEN_SECONDS = 30 * 60;

export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
  readonly workspaceId: string;
  readonly tenantId: string;
}

export interface TokenSigner {
  readonly signAccess: (claims: AccessClaims) => Promise<string>;
  /** null for a token that is expired, of another kind or not ours. */
  readonly verifyAccess: (token: string) => Promise<Pick<AccessClaims, 'userId' | 'sessionId'> | null>;
  /**
   * Opaque to its holder; signed, and naming its session, so that any earlier token of the session is recognised when it comes
   * back and a made-up one can end nobody's session.
   */
  readonly issueRefresh: (sessionId: string) => string;
  /** The session a refresh token was issued for; null when we did not issue it. */
  readonly refreshSession: (token: string) => string | null;
}

export function createTokenSigner(masterKey: Buffer): TokenSigner {
  const accessKey = deriveKey(masterKey, 'jwt');
  const refreshKey = deriveKey(masterKey, 'refresh');
  return {
    signAccess: ({ userId, sessionId, workspaceId, tenantId }) =>
      new SignJWT({ sid: sessionId, ws: workspaceId, tenant_id: tenantId, type: 'access' })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
        .setSubject(userId)
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(`${ACCESS_TOKEN_SECONDS}s`)
        .sign(accessKey),
    verifyAccess: async (token) => {
      const payload = await verifiedPayload(token, accessKey);
      if (payload === null || payload['type'] !== 'access') return null;
      const { sub, sid } = payload;
      return typeof sub === 'string' && typeof sid === 'string' ? { userId: sub, sessionId: sid } : null;
    },
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

async function verifiedPayload(token: string, key: Buffer): Promise<JWTPayload | null> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['sub', 'sid', 'iat', 'exp'],
    });
    return payload;
  } catch {
    return null;
  }
}
