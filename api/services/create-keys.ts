import type { Database } from '../../db/client.js';
import { createLoginGuards, type LockRule } from '../../db/login-guards.js';
import { unscopedService } from '../../db/scope.js';
import { totpSecret } from '../../db/vault/sealed-columns.js';
import type { Vault } from '../../db/vault/vault.js';
import { createApiKeyService, type ApiKeyService } from './api-keys.js';
import type { AuditService } from './audit.js';
import type { AuthService } from './auth.js';
import { createInvitationService, type InvitationService } from './invitations.js';
import type { Mailer } from './mail.js';
import { createMemberService, type MemberService } from './members.js';
import { createMfaService, type MfaService } from './mfa.js';
import { createOrgSecurityService, type OrgSecurityService } from './org-security.js';
import { createOrgTokenService, type OrgTokenService } from './org-tokens.js';

/** Who may come in, and with what. */
export interface KeyServices {
  readonly mfa: MfaService;
  readonly apiKeys: ApiKeyService;
  readonly orgTokens: OrgTokenService;
  readonly members: MemberService;
  readonly invitations: InvitationService;
  readonly orgSecurity: OrgSecurityService;
}

export interface KeyDeps {
  readonly db: Database;
  readonly auth: AuthService;
  readonly audit: AuditService;
  readonly mfa: MfaService;
  readonly mailer: Mailer;
  readonly publicUrl: string;
}

export const createKeyServices = ({ mfa, ...deps }: KeyDeps): KeyServices => ({
  mfa,
  apiKeys: createApiKeyService(deps),
  orgTokens: createOrgTokenService(deps),
  members: createMemberService(deps),
  invitations: createInvitationService(deps),
  // a member's session begun in another organisation opens this one too
  orgSecurity: unscopedService(createOrgSecurityService(deps)),
});

/** By itself, because signing in needs it. */
export function createMfa({
  db,
  vault,
  lock,
  audit,
}: {
  readonly db: Database;
  readonly vault: Vault;
  readonly lock: LockRule;
  readonly audit: AuditService;
}): MfaService {
  return createMfaService({
    db,
    audit,
    guards: createLoginGuards(db, lock),
    seal: (userId, secret) => vault.seal(totpSecret({ userId }), secret),
    open: (userId, sealed) => vault.open(totpSecret({ userId }), sealed),
  });
}
