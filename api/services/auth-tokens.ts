import { badRefresh, refresh, type Client, type SignedIn } from './sessions.js';
import { login, type SignIn, type SignInDeps } from './sign-in.js';
import { addressKey, giveBack, holdToLimits } from './special-limits.js';

export type TokenSignIn = Pick<SignIn, 'email' | 'password' | 'totp_code' | 'tenant_id'>;

/** What a service account's refresh token is changed for. */
export interface ServiceAccountSession extends Omit<
  SignedIn,
  'tenant_id' | 'user_id' | 'email_verified' | 'session_id' | 'user' | 'workspace'
> {
  /** null: the whole platform. */
  readonly tenant_id: string | null;
  readonly account: string;
}

/** null: the token is revoked or over. */
export type RefreshServiceAccount = (token: string, client: Client) => Promise<ServiceAccountSession | null>;

const FAILURES = 50;
const WINDOW_SECONDS = 600;

/** One address may fail so often over all accounts, right sign-ins from it do not count. */
export async function tokenSignIn(context: SignInDeps, given: TokenSignIn, client: Client): Promise<SignedIn> {
  const limit = {
    key: addressKey('sign-in', client.ip),
    points: FAILURES,
    seconds: WINDOW_SECONDS,
    message: 'Too many failed sign-ins from your address.',
  };
  await holdToLimits(context.db, [limit]);
  const signedIn = await login(context, { ...given, must_name_tenant: true }, client);
  await giveBack(context.db, limit);
  return signedIn;
}

export async function refreshToken(
  context: SignInDeps & { readonly refreshServiceAccount?: RefreshServiceAccount },
  token: string,
  client: Client,
): Promise<SignedIn | ServiceAccountSession> {
  if ((await context.signer.verifyServiceAccount(token)) === null) return refresh(context, { token }, client);
  const refreshed = await context.refreshServiceAccount?.(token, client);
  if (refreshed === undefined || refreshed === null) throw badRefresh();
  return refreshed;
}
