import type { Database } from '../../db/client.js';
import { findHome } from '../../db/identity.js';
import { findTokenHolder, issueToken, useToken } from '../../db/one-time-tokens.js';
import { findCredential, lockUser, proveEmail } from '../../db/passwords.js';
import { badRequest, notFound } from '../http/errors.js';
import type { AuditService } from './audit.js';
import type { Behind } from './behind.js';
import { VERIFY_MINUTES, type Letters } from './letters.js';
import type { Mailer } from './mail.js';
import { record, type Client } from './sessions.js';
import { addressKey, holdToLimits, HOUR, limitKey } from './special-limits.js';

export interface EmailVerification {
  /** Mails a link to a signed-in user; answers true, and mails nothing, when the address is proved. */
  readonly send: (userId: string, client: Client) => Promise<boolean>;
  /** The link for a new account, behind the answer: a sign-up does not fail for its mail. */
  readonly greet: (user: { readonly id: string; readonly email: string }) => void;
  readonly verify: (token: string, client: Client) => Promise<void>;
}

export interface VerificationDeps {
  readonly db: Database;
  readonly audit: AuditService;
  readonly mailer: Mailer;
  readonly letters: Letters;
  readonly behind: Behind;
}

export function createEmailVerification(deps: VerificationDeps): EmailVerification {
  return {
    send: (userId, client) => send(deps, userId, client),
    greet: ({ id, email }) => deps.behind.run('the verification mail', () => mailLink(deps, id, email)),
    verify: (token, client) => verify(deps, token, client),
  };
}

async function send(deps: VerificationDeps, userId: string, client: Client): Promise<boolean> {
  const user = await findCredential(deps.db, userId);
  if (user === undefined) throw notFound('user', userId);
  if (user.isVerified) return true;
  const message = 'Too many verification mails.';
  await holdToLimits(deps.db, [
    { key: addressKey('verify-mail', client.ip), points: 10, seconds: HOUR, message },
    { key: limitKey('verify-mail/user', userId), points: 3, seconds: HOUR, message },
  ]);
  await mailLink(deps, userId, user.email);
  return false;
}

async function mailLink({ db, mailer, letters }: VerificationDeps, userId: string, email: string): Promise<void> {
  const token = await issueToken(db, { userId, email, purpose: 'verify_email', minutes: VERIFY_MINUTES });
  await mailer.send(letters.verifyEmail(email, token));
}

async function verify(deps: VerificationDeps, token: string, client: Client): Promise<void> {
  const presented = { token, purpose: 'verify_email' } as const;
  const userId = await deps.db.transaction().execute(async (trx) => {
    const holder = await findTokenHolder(trx, presented);
    if (holder === undefined) return null;
    await lockUser(trx, holder.userId);
    if (!(await useToken(trx, presented))) return null;
    await proveEmail(trx, holder.userId);
    return holder.userId;
  });
  if (userId === null) {
    throw badRequest('token: it was used, is too old or is not ours; ask for another verification mail.', 'token');
  }
  const workspaceId = (await findHome(deps.db, userId))?.id ?? null;
  await record(deps, client, { action: 'auth.email_verified', userId, workspaceId });
}
