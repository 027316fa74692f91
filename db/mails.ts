import { sql, type Selectable } from 'kysely';
import type { Database } from './client.js';
import { newId } from './ids.js';
import { unscoped } from './scope.js';
import type { Tables } from './tables.js';

export type MailRow = Selectable<Tables['mails']>;

export interface NewMail {
  readonly to: string;
  readonly subject: string;
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  /** The same for a repeated send. */
  readonly key: string;
}

/** Puts a mail into the development outbox, once for each key. */
export async function keepMail(db: Database, { to, subject, text, html, key }: NewMail): Promise<void> {
  const insert = db
    .insertInto('mails')
    .values({ id: newId('mail'), key, to_address: to, subject, text: text ?? null, html: html ?? null })
    .onConflict((conflict) => conflict.column('key').doNothing());
  // the outbox is the installation's, whoever sends
  await unscoped(() => insert.execute());
}

/** Newest first. */
export function listMails(
  db: Database,
  { to, limit }: { readonly to?: string | undefined; readonly limit: number },
): Promise<MailRow[]> {
  const mails = db.selectFrom('mails').selectAll().orderBy('id', 'desc').limit(limit);
  return (to === undefined ? mails : mails.where(sql`lower(to_address)`, '=', to.toLowerCase())).execute();
}

/** Mails hold links that sign people in, so none is kept longer than a developer needs it. */
export async function purgeMails(db: Database): Promise<void> {
  await sql`delete from mails where created_at < now() - interval '1 day'`.execute(db);
}
