import type { Database } from '../../db/client.js';
import { randomToken } from '../../db/crypto.js';
import { ssoSecret } from '../../db/vault/sealed-columns.js';
import type { Vault } from '../../db/vault/vault.js';
import { newId } from '../../db/ids.js';
import { findProviderBySlug, type StoredProvider } from '../../db/sso-providers.js';
import { admitVouched, insertState, takeState, type Admitted, type Refusal } from '../../db/sso-sign-ins.js';
import { badRequest, conflict, forbidden, notFound, type ApiError } from '../http/errors.js';
import type { AuditService } from './audit.js';
import type { AuthService, Client, SignedIn } from './auth.js';
import type { Oidc, OidcProvider } from './oidc.js';
import { hashPassword } from './passwords.js';
import { readReturnTo } from './return-to.js';
import { readClaims, type ClaimedPerson } from './sso-claims.js';

export interface SsoStart {
  readonly slug: string;
  readonly returnTo: string | undefined;
  /** The Host header. */
  readonly host: string | undefined;
}

export interface SsoReturn {
  readonly slug: string;
  /** What the browser's cookie holds. */
  readonly browser: string | undefined;
  readonly state: string | undefined;
  readonly code: string | undefined;
  readonly iss: string | undefined;
  readonly error: string | undefined;
}

export interface SsoSignInService {
  /** Where the browser goes; `browser` is to be kept by it alone. */
  readonly start: (start: SsoStart) => Promise<{ readonly url: string; readonly browser: string }>;
  readonly finish: (
    came: SsoReturn,
    client: Client,
  ) => Promise<{ readonly signedIn: SignedIn; readonly returnTo: string | null }>;
}

export interface SsoSignInDeps {
  readonly db: Database;
  readonly vault: Pick<Vault, 'open'>;
  readonly oidc: Oidc;
  readonly auth: Pick<AuthService, 'openSession'>;
  readonly audit: Pick<AuditService, 'record'>;
  /** Where callers reach us; by the Host header without it. */
  readonly publicUrl: string | undefined;
  /** Origins besides our own that a sign-in may return to. */
  readonly origins: readonly string[];
}

export const createSsoSignInService = (deps: SsoSignInDeps): SsoSignInService => ({
  start: (start) => begin(deps, start),
  finish: (came, client) => finish(deps, came, client),
});

async function begin(deps: SsoSignInDeps, { slug, returnTo: asked, host }: SsoStart) {
  const { db, oidc, origins } = deps;
  const provider = await enabledProvider(db, slug);
  const returnTo = readReturnTo(asked, origins);
  const redirect = `${deps.publicUrl ?? hereOf(host)}/v1/auth/sso/${slug}/callback`;
  const { url, challenge } = await oidc.begin(await oidcProvider(deps, provider), redirect);
  const browser = randomToken();
  await insertState(db, { ...challenge, browser, providerId: provider.id, returnTo });
  return { url, browser };
}

function hereOf(host: string | undefined): string {
  if (host !== undefined && /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?$/i.test(host)) return `http://${host}`;
  throw badRequest('Host: name the host you ask.', 'Host');
}

async function finish(deps: SsoSignInDeps, came: SsoReturn, client: Client) {
  const { db, auth, oidc } = deps;
  const provider = await enabledProvider(db, came.slug);
  const { state = '', browser = '' } = came;
  const taken = await takeState(db, { state, browser, providerId: provider.id });
  if (taken === undefined) throw staleState(came.slug);
  if (came.code === undefined) throw notSignedIn(came.error);
  const { nonce, verifier, redirect_uri: redirectUri, return_to: returnTo } = taken;
  const iss = came.iss === undefined ? {} : { iss: came.iss };
  const claims = await oidc.finish(await oidcProvider(deps, provider), {
    challenge: { state, nonce, verifier, redirectUri },
    parameters: { state, code: came.code, ...iss },
  });
  const person = readClaims(claims, provider);
  const admitted = await admit(deps, provider, person);
  const proved = { hasMfa: person.hasMfa, tenantId: provider.tenant_id, isBound: true };
  const signedIn = await auth.openSession(admitted.email, client, proved);
  await record(deps, client, { provider, person, admitted, workspaceId: signedIn.workspace?.id ?? null });
  return { signedIn, returnTo };
}

async function enabledProvider(db: Database, slug: string): Promise<StoredProvider> {
  const provider = await findProviderBySlug(db, slug);
  if (provider === undefined) throw notFound('identity provider', slug);
  if (!provider.enabled) throw forbidden('This way of signing in is switched off: ask an administrator.');
  return provider;
}

const oidcProvider = async ({ vault }: SsoSignInDeps, provider: StoredProvider): Promise<OidcProvider> => ({
  issuer: provider.issuer,
  clientId: provider.client_id,
  clientSecret: await vault.open(
    ssoSecret({ tenantId: provider.tenant_id, id: provider.id }),
    provider.client_secret_sealed,
  ),
  scopes: provider.scopes,
  roleClaim: provider.role_claim,
});

const staleState = (slug: string): ApiError =>
  badRequest(
    `state: this sign-in is unknown, older than ten minutes, used already or was begun in another browser; start again at /v1/auth/sso/${slug}/start.`,
    'state',
  );

/** Only an error of the standard's own spelling is repeated. */
const notSignedIn = (error: string | undefined): ApiError =>
  forbidden(
    error !== undefined && /^[a-z_]{1,40}$/.test(error)
      ? `The identity provider did not sign you in (${error}).`
      : 'The identity provider did not sign you in.',
  );

const refusals: Readonly<Record<Refusal, () => ApiError>> = {
  other_organisation: () =>
    forbidden('This e-mail address cannot sign in here this way: ask an administrator of your organisation.'),
  operator: () =>
    forbidden('A platform administrator signs in with a password, unless role_map gives them the role "owner".'),
  disabled: () => forbidden('This account is disabled: ask an administrator of your organisation.'),
  last_owner: () =>
    conflict(
      'You are the last owner of the organisation, and your identity provider gives you another role: map your claim to "owner", or make somebody else an owner first.',
    ),
  no_workspace: () => forbidden('The organisation has no workspace: ask its administrator to make one.'),
};

async function admit({ db }: SsoSignInDeps, provider: StoredProvider, person: ClaimedPerson): Promise<Admitted> {
  const { tenant_id: tenantId, id: providerId } = provider;
  const made = { userId: newId('usr'), passwordHash: () => hashPassword(randomToken()) };
  const admitted = await admitVouched(db, { ...person, tenantId, providerId }, made);
  if (typeof admitted === 'string') throw refusals[admitted]();
  return admitted;
}

interface Done {
  readonly provider: StoredProvider;
  readonly person: ClaimedPerson;
  readonly admitted: Admitted;
  readonly workspaceId: string | null;
}

const record = (
  { audit }: SsoSignInDeps,
  { ip, requestId }: Client,
  { provider, person, admitted, workspaceId }: Done,
): Promise<void> =>
  audit.record({
    ...{ workspaceId, ip, requestId },
    ...{ actorType: 'user', actorId: admitted.userId, entityType: 'user', entityId: admitted.userId },
    action: admitted.isNew ? 'auth.sso_signup' : 'auth.sso_login',
    metadata: { provider_id: provider.id, role: person.role, mfa: person.hasMfa },
  });
