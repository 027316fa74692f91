import { sql, type Kysely } from 'kysely';
import { ofSystem, protect } from '../row-security.js';

/** Data keys, wrapped by the master key or a key service, and how far their rotation is. */
const statements = [
  `create table data_keys (
    id text primary key,
    scope text not null,
    version int not null check (version > 0),
    wrapped text not null,
    wrapped_by text not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    unique (scope, version)
  )`,
  `create table key_rotations (
    id text primary key,
    started_at timestamptz not null default now(),
    finished_at timestamptz
  )`,
  // two that are started at once work on one rotation
  `create unique index key_rotations_open on key_rotations ((true)) where finished_at is null`,
  // who may open what is the vault's to say, whoever asks
  ...['data_keys', 'key_rotations'].flatMap((table) => protect(table, ofSystem)),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
