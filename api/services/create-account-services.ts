import type { Database } from '../../db/client.js';
import { unscopedService } from '../../db/scope.js';
import type { Logger } from '../../db/log.js';
import type { ApiConfig } from '../config.js';
import type { TokenSigner } from './access-tokens.js';
import type { AuditService } from './audit.js';
import { createBehind, type Behind } from './behind.js';
import { createEmailVerification, type EmailVerification } from './email-verification.js';
import { createLetters } from './letters.js';
import { createDevOutbox, createMailer, type DevOutbox, type Mailer } from './mail.js';
import { createPasswordService, type PasswordService } from './password-changes.js';
import { createUserSessionService, type UserSessionService } from './user-sessions.js';

/** What people do with their own account, and the mail about it. */
export interface AccountServices {
  readonly mailer: Mailer;
  readonly behind: Behind;
  readonly devOutbox: DevOutbox;
  readonly emailVerification: EmailVerification;
  readonly passwords: PasswordService;
  readonly userSessions: UserSessionService;
}

export interface AccountServiceDeps {
  readonly config: Pick<ApiConfig, 'smtp'>;
  readonly signer: TokenSigner;
  readonly db: Database;
  readonly audit: AuditService;
  readonly log: Logger;
  /** Where the links of mails lead. */
  readonly publicUrl: string;
}

export function createAccountServices({
  config,
  db,
  signer,
  audit,
  log,
  publicUrl,
}: AccountServiceDeps): AccountServices {
  const mailer = createMailer({ db, smtp: config.smtp });
  const behind = createBehind(log);
  const letters = createLetters(publicUrl);
  const deps = { db, audit, mailer, behind, letters };
  return {
    mailer,
    behind,
    devOutbox: createDevOutbox({ db }),
    emailVerification: createEmailVerification(deps),
    // a person's, in whichever organisations they are
    passwords: unscopedService(createPasswordService(deps)),
    userSessions: createUserSessionService({ db, audit, signer }),
  };
}
