import { sql } from 'kysely';
import type { Database } from './client.js';
import type { Vault } from './crypto.js';
import { scoped } from './scoped.js';

export interface SecretStore {
  readonly db: Database;
  readonly vault: Vault;
}

export interface SecretRow {
  readonly name: string;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const columns = ['name', 'created_at', 'updated_at'] as const;

/** The plain values of those of the named secrets that exist. For the worker alone: no reply or log may carry them. */
export async function readSecrets(
  { db, vault }: SecretStore,
  workspaceId: string,
  names: readonly string[],
): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const rows = await scoped(db, workspaceId)
    .select('secrets')
    .select(['name', 'ciphertext'])
    .where('name', 'in', names)
    .execute();
  return new Map(rows.map(({ name, ciphertext }) => [name, vault.open({ workspaceId, name }, ciphertext)]));
}

export async function listSecrets(
  db: Database,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: SecretRow[]; readonly total: number }> {
  const mine = scoped(db, workspaceId);
  const items = await mine
    .select('secrets')
    .select(columns)
    .orderBy('name')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await mine
    .select('secrets')
    .select(sql<number>`count(*)::int`.as('total'))
    .executeTakeFirstOrThrow();
  return { items, total };
}

export interface NewSecret {
  readonly workspaceId: string;
  readonly name: string;
  readonly value: string;
}

/** undefined when the name is taken. */
export const insertSecret = ({ db, vault }: SecretStore, secret: NewSecret): Promise<SecretRow | undefined> =>
  scoped(db, secret.workspaceId)
    .insert('secrets', { name: secret.name, ciphertext: vault.seal(secret, secret.value) })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).doNothing())
    .returning(columns)
    .executeTakeFirst();

/** undefined when there is none of that name. */
export const replaceSecret = ({ db, vault }: SecretStore, secret: NewSecret): Promise<SecretRow | undefined> =>
  scoped(db, secret.workspaceId)
    .update('secrets', secret.name)
    .set({ ciphertext: vault.seal(secret, secret.value), updated_at: sql<Date>`now()` })
    .returning(columns)
    .executeTakeFirst();

export async function deleteSecret(db: Database, workspaceId: string, name: string): Promise<boolean> {
  const row = await scoped(db, workspaceId).delete('secrets', name).returning('name').executeTakeFirst();
  return row !== undefined;
}
