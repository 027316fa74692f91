import type { SmtpOptions } from '../../db/smtp.js';

export interface Mail {
  /** One address or several, separated by commas. */
  readonly to: string;
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  /** The Message-ID is derived from it, so mail systems can recognise a repeated send. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** The one way to send mail. Throws `NodeFailure`. */
export interface MailPort {
  readonly send: (mail: Mail) => Promise<{ readonly messageId: string }>;
}

export type MailSettings = SmtpOptions;
