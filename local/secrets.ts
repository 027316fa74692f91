import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { StartError } from './errors.js';
import { readPrivateJson, writePrivateJson } from './files.js';

const Secrets = z.object({
  /** 64 hex characters. Without it every secret stored in the database is lost. */
  masterKey: z.string().regex(/^[0-9a-f]{64}$/),
  adminPassword: z.string().min(8),
});
export type Secrets = z.output<typeof Secrets>;

export const secretsFile = (dataDir: string): string => path.join(dataDir, 'secrets.json');

/** What the first start made up, kept in the data folder for its owner's eyes only. */
export function keepSecrets(dataDir: string): Secrets {
  const kept = readKeptSecrets(dataDir);
  if (kept !== undefined) return kept;
  const fresh = { masterKey: randomBytes(32).toString('hex'), adminPassword: randomBytes(12).toString('base64url') };
  writePrivateJson(secretsFile(dataDir), fresh);
  return fresh;
}

/** A damaged file is never replaced: its key opens what is already stored. */
export function readKeptSecrets(dataDir: string): Secrets | undefined {
  const file = secretsFile(dataDir);
  try {
    const content = readPrivateJson(file);
    return content === undefined ? undefined : Secrets.parse(content);
  } catch {
    throw new StartError(
      `${file} is damaged: restore it from a backup, or remove the whole data folder to begin again.`,
    );
  }
}
