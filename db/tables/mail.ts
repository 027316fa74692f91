import type { Created } from './columns.js';

export type TokenPurpose = 'verify_email' | 'reset_password';

export interface MailTables {
  /** The development outbox: what would have been sent had there been a mail server. */
  mails: {
    id: string;
    /** A repeated send has the same one and is one mail. */
    key: string;
    to_address: string;
    subject: string;
    text: string | null;
    html: string | null;
    created_at: Created;
  };
  /** Links sent by mail; each works once. */
  one_time_tokens: {
    /** SHA-256. */
    token_hash: string;
    user_id: string;
    purpose: TokenPurpose;
    /** Where it was sent: it proves this address and no later one. */
    email: string;
    created_at: Created;
    expires_at: Date;
    used_at: Date | null;
  };
}
