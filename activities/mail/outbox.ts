import type { Database } from '../../db/client.js';
import { keepMail } from '../../db/mails.js';
import type { MailPort } from './port.js';
import { checkRecipients } from './recipients.js';

export interface OutboxDeps {
  readonly db: Database;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

/** Without a mail server: a mail is not sent but kept where a developer sees it, `/dev/outbox` of the API. */
export const createOutboxPort = ({ db, log }: OutboxDeps): MailPort => ({
  send: async ({ to, subject, text, html, idempotencyKey }) => {
    checkRecipients(to);
    await keepMail(db, { to, subject, text, html, key: idempotencyKey });
    log.warn({ key: idempotencyKey }, 'no mail server is set: a mail went to the development outbox');
    return { messageId: `<${idempotencyKey}@outbox.invalid>` };
  },
});
