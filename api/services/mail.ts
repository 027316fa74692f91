import type { Database } from '../../db/client.js';
import { keepMail, listMails, type MailRow } from '../../db/mails.js';
import type { SmtpSettings } from '../../db/settings.js';
import { createSmtp } from '../../db/smtp.js';
import { ApiError } from '../http/errors.js';

export interface Letter {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  /** The same for a repeated send. */
  readonly key: string;
}

/** The API's way to send mail. Both throw a 502 that says nothing of the addressee. */
export interface Mailer {
  readonly send: (letter: Letter) => Promise<void>;
  /** Whether the mail server takes mail at all; nothing is sent. */
  readonly check: () => Promise<void>;
}

const SEND_TIMEOUT_MS = 20_000;

/** By SMTP where it is configured, else into the development outbox. */
export function createMailer({
  db,
  smtp: settings,
}: {
  readonly db: Database;
  readonly smtp: SmtpSettings | undefined;
}): Mailer {
  if (settings === undefined) return { send: (letter) => keepMail(db, letter), check: () => Promise.resolve() };
  const smtp = createSmtp(settings);
  return {
    send: ({ key, ...mail }) =>
      delivered(smtp.send({ ...mail, idempotencyKey: key, signal: AbortSignal.timeout(SEND_TIMEOUT_MS) })),
    check: () => delivered(smtp.verify()),
  };
}

async function delivered(sending: Promise<unknown>): Promise<void> {
  try {
    await sending;
  } catch (cause) {
    throw undelivered(cause);
  }
}

/** The mail server's own words stay out of the answer: they can name accounts and machines. */
function undelivered(cause: unknown): ApiError {
  const error = new ApiError(502, 'The mail could not be sent: the mail server did not take it. Try again later.');
  error.cause = cause;
  return error;
}

export interface DevOutbox {
  /** Newest first. */
  readonly list: (filter: { readonly to?: string | undefined; readonly limit: number }) => Promise<readonly MailRow[]>;
}

export const createDevOutbox = ({ db }: { readonly db: Database }): DevOutbox => ({
  list: (filter) => listMails(db, filter),
});
