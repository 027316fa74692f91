import { sql, type Kysely } from 'kysely';
import { ofSystem, protect } from '../row-security.js';

/** The development outbox, and the tokens that are sent by mail. */
const statements = [
  /* What would have been sent had there been a mail server; a repeated send of one key is one mail. */
  `create table mails (
    id text primary key,
    key text not null unique,
    to_address text not null,
    subject text not null,
    text text,
    html text,
    created_at timestamptz not null default now()
  )`,
  `create index mails_age on mails (created_at)`,
  `create index mails_to on mails (lower(to_address), id desc)`,
  `create table one_time_tokens (
    token_hash text primary key,
    user_id text not null references users on delete cascade,
    purpose text not null check (purpose in ('verify_email', 'reset_password')),
    email text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
  )`,
  `create index one_time_tokens_user on one_time_tokens (user_id, purpose)`,
  `create index one_time_tokens_age on one_time_tokens (expires_at)`,
  ...['mails', 'one_time_tokens'].flatMap((table) => protect(table, ofSystem)),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
