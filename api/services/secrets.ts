import { z } from 'zod';
import {
  deleteSecret,
  insertSecret,
  listSecrets,
  replaceSecret,
  type NewSecret,
  type SecretRow,
  type SecretStore,
} from '../../db/secrets.js';
import { conflict, notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';

export const SecretName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'use capital letters, digits and _ (at most 64, a letter first), such as API_KEY');

const MAX_VALUE_BYTES = 32 * 1024;
export const SecretValue = z
  .string()
  .min(1, 'must not be empty; DELETE /v1/secrets/{name} removes a secret')
  .refine((value) => Buffer.byteLength(value) <= MAX_VALUE_BYTES, 'must be at most 32 KiB of UTF-8')
  .refine((value) => !value.includes('\0'), 'must not hold a NUL character');

export interface SecretPage {
  readonly items: SecretRow[];
  readonly total: number;
  readonly limit: number;
  readonly offset: number;
}

/** Values go in and never come out: only the worker reads them, with `readSecrets`. */
export interface SecretService {
  readonly list: (workspaceId: string, page: Page) => Promise<SecretPage>;
  readonly create: (secret: NewSecret) => Promise<SecretRow>;
  readonly replace: (secret: NewSecret) => Promise<SecretRow>;
  readonly remove: (workspaceId: string, name: string) => Promise<void>;
}

export const createSecretService = (store: SecretStore): SecretService => ({
  list: async (workspaceId, page) => ({ ...(await listSecrets(store.db, workspaceId, page)), ...page }),
  create: async (secret) => {
    const made = await insertSecret(store, secret);
    if (made !== undefined) return made;
    throw conflict(`name: secret ${secret.name} exists; PUT /v1/secrets/${secret.name} gives it a new value.`);
  },
  replace: async (secret) => {
    const changed = await replaceSecret(store, secret);
    if (changed === undefined) throw notFound('secret', secret.name);
    return changed;
  },
  remove: async (workspaceId, name) => {
    if (!(await deleteSecret(store.db, workspaceId, name))) throw notFound('secret', name);
  },
});
