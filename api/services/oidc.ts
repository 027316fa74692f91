import * as client from 'openid-client';
import { EgressError } from '../../db/egress-error.js';
import { ApiError, unauthenticated } from '../http/errors.js';
import { claimAt, type Claims } from './sso-claims.js';

/** OpenID Connect with one provider: authorization code with PKCE, nothing else. */

export interface OidcProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  readonly roleClaim: string;
}

/** What a sign-in keeps while its user is away. */
export interface Challenge {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

export interface Oidc {
  /** Where the browser goes, and what is to be kept until it comes back. */
  readonly begin: (
    provider: OidcProvider,
    redirectUri: string,
  ) => Promise<{ readonly url: string; readonly challenge: Challenge }>;
  /** What the provider says of who came back. */
  readonly finish: (
    provider: OidcProvider,
    came: { readonly challenge: Challenge; readonly parameters: Readonly<Record<string, string>> },
  ) => Promise<Claims>;
}

export interface OidcDeps {
  /** The guarded one. */
  readonly fetch: typeof fetch;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

const TIMEOUT_SECONDS = 10;
/** Clocks of two machines differ. */
const CLOCK_TOLERANCE_SECONDS = 30;

export const createOidc = (deps: OidcDeps): Oidc => ({
  begin: async (provider, redirectUri) => {
    const config = await discover(deps, provider);
    const [state, nonce, verifier] = [client.randomState(), client.randomNonce(), client.randomPKCECodeVerifier()];
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: provider.scopes.join(' '),
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    if (!/^https?:$/.test(url.protocol)) throw unreachable();
    return { url: url.href, challenge: { state, nonce, verifier, redirectUri } };
  },
  finish: async (provider, came) => {
    const config = await discover(deps, provider);
    try {
      return await exchange(config, provider, came);
    } catch (error) {
      throw refusalOf(deps, error);
    }
  },
});

async function discover(deps: OidcDeps, { issuer, clientId, clientSecret }: OidcProvider) {
  const insecure = issuer.startsWith('http:') ? [client.allowInsecureRequests] : [];
  try {
    return await client.discovery(
      new URL(issuer),
      clientId,
      { client_secret: clientSecret, [client.clockTolerance]: CLOCK_TOLERANCE_SECONDS },
      clientAuth(clientSecret),
      {
        execute: [client.enableNonRepudiationChecks, ...insecure],
        [client.customFetch]: (url, options) => deps.fetch(url, options as RequestInit), // -- reason: a fetch by another name
        timeout: TIMEOUT_SECONDS,
      },
    );
  } catch (error) {
    deps.log.warn({ issuer, code: codeOf(error) }, 'an identity provider could not be asked');
    throw refusalIn(error) ?? unreachable();
  }
}

/** As the provider says it takes secrets; in the header where it says nothing. */
const clientAuth =
  (secret: string): client.ClientAuth =>
  (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const auth = methods.includes('client_secret_basic')
      ? client.ClientSecretBasic(secret)
      : client.ClientSecretPost(secret);
    return auth(server, ...rest);
  };

/** Issuer, audience, signature, nonce and PKCE are checked by the library; user information only fills gaps. */
async function exchange(
  config: client.Configuration,
  { roleClaim }: OidcProvider,
  { challenge, parameters }: Parameters<Oidc['finish']>[1],
): Promise<Claims> {
  const url = new URL(challenge.redirectUri);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const tokens = await client.authorizationCodeGrant(config, url, {
    expectedState: challenge.state,
    expectedNonce: challenge.nonce,
    pkceCodeVerifier: challenge.verifier,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  if (claims === undefined) throw unreachable();
  const isWhole = claims['email'] !== undefined && claimAt(claims, roleClaim) !== undefined;
  if (isWhole || config.serverMetadata().userinfo_endpoint === undefined) return claims;
  return { ...(await client.fetchUserInfo(config, tokens.access_token, claims.sub)), ...claims };
}

const unreachable = (): ApiError =>
  new ApiError(502, 'The identity provider does not answer as one: ask an administrator to check its issuer.');

/** Nothing that the provider wrote is repeated to anybody: it may hold tokens. */
function refusalOf({ log }: OidcDeps, error: unknown): ApiError {
  const code = codeOf(error);
  log.warn({ code }, 'an identity provider answered what is not accepted');
  const refused = refusalIn(error);
  if (refused !== undefined) return refused;
  return code.startsWith('OAUTH_')
    ? unauthenticated("The identity provider's answer is not accepted: start the sign-in again.")
    : unreachable();
}

/** Our own refusal, such as of a private address, wherever a library wrapped it. */
function refusalIn(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof EgressError) return error.fault === 'refused' ? new ApiError(502, error.message) : undefined;
  return error instanceof Error && error.cause !== undefined ? refusalIn(error.cause) : undefined;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
