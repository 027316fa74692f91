import type { Database } from '../../db/client.js';
import { findLogin } from '../../db/identity.js';
import { createLoginGuards, type LockRule } from '../../db/login-guards.js';
import { notFound } from '../http/errors.js';
import type { Actor } from '../actor.js';
import { createTokenSigner } from './access-tokens.js';
import { admit } from './admission.js';
import { createAccount, ensureAdmin, normaliseEmail, type AdminAccount, type NewAccount } from './accounts.js';
import type { AuditService } from './audit.js';
import type { Credentials } from './asked.js';
import { createAuthenticate } from './authenticate.js';
import {
  refreshToken,
  tokenSignIn,
  type RefreshServiceAccount,
  type ServiceAccountSession,
  type TokenSignIn,
} from './auth-tokens.js';
import type { SignupMode } from './signup-policy.js';
import { logout, openSession, record, refresh, type Client, type PresentedRefresh, type SignedIn } from './sessions.js';
import { login, proveIdentity, type Proved, type ProveFactor, type SignIn, type SignInDeps } from './sign-in.js';

export type { Credentials } from './asked.js';
export type { RefreshServiceAccount, ServiceAccountSession } from './auth-tokens.js';
export type { Client, PresentedRefresh, SignedIn } from './sessions.js';

export interface AuthService {
  /** The actor, or 401 for a missing or bad credential, 403 for a workspace the user is no member of. */
  readonly authenticate: (credentials: Credentials) => Promise<Actor>;
  readonly signup: (account: NewAccount, client: Client) => Promise<SignedIn>;
  readonly login: (given: SignIn, client: Client) => Promise<SignedIn>;
  /** The same for callers of the Service surface: members of several organisations name one, and an address that fails often waits. */
  readonly token: (given: TokenSignIn, client: Client) => Promise<SignedIn>;
  /** A session for somebody whose identity was proved otherwise (single sign-on, registration). */
  readonly openSession: (email: string, client: Client, proved?: ProvedOtherwise) => Promise<SignedIn>;
  /** As `login`, without a session. */
  readonly prove: (given: SignIn, client: Client) => Promise<Proved>;
  /** Each refresh token works once; using one again ends its session. */
  readonly refresh: (presented: PresentedRefresh, client: Client) => Promise<SignedIn>;
  /** The same for a token of a user or of a service account. */
  readonly refreshToken: (token: string, client: Client) => Promise<SignedIn | ServiceAccountSession>;
  /** Ends the session of the refresh token or, failing that, of the access token; false when there was none to end. */
  readonly logout: (
    presented: PresentedRefresh & { readonly accessToken: string | undefined },
    client: Client,
  ) => Promise<boolean>;
  /** The platform administrator of a first start; does nothing when there is one of that e-mail address. */
  readonly ensureAdmin: (admin: { readonly email: string; readonly password: string }) => Promise<AdminAccount>;
}

/** How somebody's identity was proved otherwise. */
export interface ProvedOtherwise {
  readonly hasMfa: boolean;
  /** The organisation to begin in. */
  readonly tenantId?: string;
  /** It was that organisation's word: the session opens no other. */
  readonly isBound?: boolean;
}

export interface AuthDeps {
  readonly db: Database;
  readonly masterKey: Buffer;
  readonly audit: AuditService;
  readonly adminToken?: string | undefined;
  /** KEELSON_SIGNUP. */
  readonly signup: SignupMode;
  readonly lock?: LockRule;
  readonly proveFactor?: ProveFactor;
  /** Asked first for the refresh token of a service account. */
  readonly refreshServiceAccount?: RefreshServiceAccount;
  /** Told of each new account, to mail its owner behind the answer. */
  readonly onSignup?: (user: { readonly id: string; readonly email: string }) => void;
  readonly trustedOrigins?: readonly string[];
  readonly onError?: (error: unknown) => void;
}

export const defaultLock: LockRule = { failures: 5, windowMinutes: 15, lockMinutes: 60 };

export function createAuthService(deps: AuthDeps): AuthService {
  const { db, adminToken, trustedOrigins = [], onError = () => undefined, lock = defaultLock } = deps;
  const signer = createTokenSigner(deps.masterKey);
  const context: Context = { ...deps, signer, guards: createLoginGuards(db, lock) };
  return {
    authenticate: createAuthenticate({ db, signer, adminToken, trustedOrigins, onError }),
    signup: (account, client) => signup(context, account, client),
    login: (given, client) => login(context, given, client),
    token: (given, client) => tokenSignIn(context, given, client),
    openSession: async (email, client, proved = { hasMfa: false }) => {
      const user = await findLogin(db, normaliseEmail(email));
      if (user === undefined) throw notFound('account', email);
      return openSession(context, user, { client, ...proved });
    },
    prove: (given, client) => proveIdentity(context, given, client),
    refresh: (presented, client) => refresh(context, presented, client),
    refreshToken: (token, client) => refreshToken(context, token, client),
    logout: (presented, client) => logout(context, presented, client),
    ensureAdmin: (admin) => ensureAdmin(db, admin),
  };
}

type Context = AuthDeps & SignInDeps;

async function signup(context: Context, account: NewAccount, client: Client): Promise<SignedIn> {
  const { email, invite_token: token } = account;
  const admitted = { email: normaliseEmail(email), token };
  const user = await admit(context, admitted, (redeem) => createAccount(context.db, account, redeem));
  const signedIn = await openSession(
    context,
    { ...user, is_verified: false, has_mfa: false },
    { client, hasMfa: false },
  );
  await record(context, client, {
    action: 'auth.signup',
    userId: user.id,
    workspaceId: signedIn.workspace?.id ?? null,
  });
  context.onSignup?.(user);
  return signedIn;
}
