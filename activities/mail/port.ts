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

export interface MailSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS when the server offers it. */
  readonly secure?: boolean | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** The sender, such as `Keelson <keelson@example.com>`. */
  readonly from: string;
}
