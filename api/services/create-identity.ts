import type { Database } from '../../db/client.js';
import { egressProblem } from '../../db/egress.js';
import type { Logger } from '../../db/log.js';
import type { Vault } from '../../db/vault/vault.js';
import type { ApiConfig } from '../config.js';
import { createTokenSigner } from './access-tokens.js';
import type { AuditService } from './audit.js';
import { createAuthService, type AuthService } from './auth.js';
import { createAccountServices, type AccountServices } from './create-account-services.js';
import { createAdmission, type AdmissionServices } from './create-admission.js';
import { createKeyServices, createMfa, type KeyServices } from './create-keys.js';
import { createSso, type SsoServices } from './create-sso.js';
import { refreshServiceAccount } from './service-account-refresh.js';

export interface IdentityDeps {
  readonly config: ApiConfig & { readonly masterKey: Buffer };
  readonly db: Database;
  readonly vault: Vault;
  readonly audit: AuditService;
  readonly log: Logger;
}

/** Who there is, how they come in, and what proves it. */
export interface IdentityServices extends AccountServices, AdmissionServices, KeyServices, SsoServices {
  readonly auth: AuthService;
}

export function createIdentity({ config, db, vault, audit, log }: IdentityDeps): IdentityServices {
  const mfa = createMfa({ db, vault, audit, lock: config.lock });
  const signer = createTokenSigner(config.masterKey);
  const publicUrl = config.publicUrl ?? `http://localhost:${config.port}`;
  const account = createAccountServices({ config, db, signer, audit, log, publicUrl });
  const rules = { urlProblem: (url: string) => egressProblem(url, config.egressAllow) };
  const auth = createAuthService({
    db,
    audit,
    masterKey: config.masterKey,
    signup: config.signup,
    lock: config.lock,
    proveFactor: mfa.proveFactor,
    onSignup: account.emailVerification.greet,
    refreshServiceAccount: (token) => refreshServiceAccount({ db, signer }, token),
    trustedOrigins: config.corsOrigins.filter((origin) => origin !== '*'),
    onError: (error) => log.warn({ reason: String(error) }, 'a last-used time was not written'),
    ...(config.adminToken === undefined ? {} : { adminToken: config.adminToken }),
  });
  const mail = { mailer: account.mailer, sendVerification: account.emailVerification.greet };
  return {
    auth,
    ...account,
    ...createAdmission({ db, vault, signer, config, auth, audit, log, rules, ...mail }),
    ...createSso({ db, vault, auth, audit, log, config }),
    ...createKeyServices({ db, auth, audit, mfa, mailer: account.mailer, publicUrl }),
  };
}
