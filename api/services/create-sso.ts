import type { Database } from '../../db/client.js';
import { egressProblem } from '../../db/egress.js';
import { guardedFetch } from '../../db/egress-fetch.js';
import type { Vault } from '../../db/vault/vault.js';
import type { ApiConfig } from '../config.js';
import type { AuditService } from './audit.js';
import type { AuthService } from './auth.js';
import { createOidc, type OidcDeps } from './oidc.js';
import { createSsoProviderService, type SsoProviderService } from './sso-providers.js';
import { createSsoSignInService, type SsoSignInService } from './sso-sign-in.js';

/** Single sign-on with the identity providers of organisations. */
export interface SsoServices {
  readonly ssoProviders: SsoProviderService;
  readonly ssoSignIn: SsoSignInService;
}

export interface SsoDeps {
  readonly db: Database;
  readonly vault: Vault;
  readonly auth: AuthService;
  readonly audit: AuditService;
  readonly log: OidcDeps['log'];
  readonly config: Pick<ApiConfig, 'egressAllow' | 'publicUrl' | 'corsOrigins'>;
}

export function createSso({ config, log, ...deps }: SsoDeps): SsoServices {
  const { egressAllow: allow, publicUrl, corsOrigins } = config;
  return {
    ssoProviders: createSsoProviderService({ ...deps, urlProblem: (url) => egressProblem(url, allow) }),
    ssoSignIn: createSsoSignInService({
      ...deps,
      publicUrl,
      origins: corsOrigins,
      oidc: createOidc({ fetch: guardedFetch({ allow }), log }),
    }),
  };
}
