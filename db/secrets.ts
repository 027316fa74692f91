import { sql } from 'kysely';
import type { Database } from './client.js';
import { workspaceSecret } from './vault/sealed-columns.js';
import type { Vault } from './vault/vault.js';
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
  const opened = rows.map(async ({ name, ciphertext }) => {
    const value = await vault.open(workspaceSecret({ workspaceId, name }), ciphertext);
    return [name, value] as const;
  });
  return new Map(await Promise.all(opened));
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

/** A secret that may be written. */
export interface SealedSecret {
  readonly workspaceId: string;
  readonly name: string;
  readonly ciphertext: string;
}

/** Asks for keys, so it stands before a transaction rather than in it. */
export const sealSecret = async (vault: Vault, secret: NewSecret): Promise<SealedSecret> => ({
  workspaceId: secret.workspaceId,
  name: secret.name,
  ciphertext: await vault.seal(workspaceSecret(secret), secret.value),
});

/** undefined when the name is taken. */
export const insertSealed = (db: Database, secret: SealedSecret): Promise<SecretRow | undefined> =>
  scoped(db, secret.workspaceId)
    .insert('secrets', { name: secret.name, ciphertext: secret.ciphertext })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).doNothing())
    .returning(columns)
    .executeTakeFirst();

export const insertSecret = async ({ db, vault }: SecretStore, secret: NewSecret): Promise<SecretRow | undefined> =>
  insertSealed(db, await sealSecret(vault, secret));

/** undefined when there is none of that name. */
export async function replaceSecret({ db, vault }: SecretStore, secret: NewSecret): Promise<SecretRow | undefined> {
  const { ciphertext } = await sealSecret(vault, secret);
  return scoped(db, secret.workspaceId)
    .update('secrets', secret.name)
    .set({ ciphertext, updated_at: sql<Date>`now()` })
    .returning(columns)
    .executeTakeFirst();
}

export async function deleteSecret(db: Database, workspaceId: string, name: string): Promise<boolean> {
  const row = await scoped(db, workspaceId).delete('secrets', name).returning('name').executeTakeFirst();
  return row !== undefined;
}
