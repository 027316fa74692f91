import type { Database } from '../../db/client.js';
import { unscopedService } from '../../db/scope.js';
import type { Vault } from '../../db/vault/vault.js';
import type { ApiConfig } from '../config.js';
import type { TokenSigner } from './access-tokens.js';
import type { AuditService } from './audit.js';
import type { AuthService } from './auth.js';
import type { Mailer } from './mail.js';
import { createInviteService, type InviteService } from './invites.js';
import { createRegistrationService, type RegistrationDeps, type RegistrationService } from './registration.js';
import { createServiceAccountService, type ServiceAccountService } from './service-accounts.js';
import { createSignupRequestService, type SignupRequestService } from './signup-requests.js';
import { createFollowWebhookUrl } from './tenant-webhook.js';
import { createTenantService, type TenantService } from './tenants.js';

/** Who comes in, and for which organisation. */
export interface AdmissionServices {
  readonly registration: RegistrationService;
  readonly invites: InviteService;
  readonly signupRequests: SignupRequestService;
  readonly serviceAccounts: ServiceAccountService;
  readonly tenants: TenantService;
}

export interface AdmissionServiceDeps {
  readonly db: Database;
  readonly vault: Vault;
  readonly signer: TokenSigner;
  readonly config: Pick<ApiConfig, 'signup' | 'serviceAccounts' | 'publicUrl'>;
  readonly auth: AuthService;
  readonly audit: AuditService;
  readonly log: { readonly warn: (fields: object, message: string) => void };
  readonly rules: { readonly urlProblem: (url: string) => string | null };
  readonly mailer?: Mailer;
  readonly sendVerification?: RegistrationDeps['sendVerification'];
}

export function createAdmission(deps: AdmissionServiceDeps): AdmissionServices {
  const { db, vault, signer, config, auth, audit, log, rules, mailer, sendVerification } = deps;
  const { signup, publicUrl } = config;
  const onError = (error: unknown): void => log.warn({ reason: String(error) }, 'a mail was not sent');
  const mail = { db, mailer, publicUrl, onError };
  return {
    registration: createRegistrationService({ db, signup, audit, auth, sendVerification }),
    // of people who are not in yet
    invites: unscopedService(createInviteService(mail)),
    signupRequests: unscopedService(createSignupRequestService({ ...mail, signup })),
    // operators look at every organisation's
    serviceAccounts: unscopedService(
      createServiceAccountService({
        db,
        vault,
        signer,
        trust: config.serviceAccounts,
        audit,
      }),
    ),
    tenants: createTenantService({ db, ...rules, followWebhookUrl: createFollowWebhookUrl({ vault }) }),
  };
}
