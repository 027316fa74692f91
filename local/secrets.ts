import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { StartError } from './errors.js';
import { readPrivateJson, writePrivateJson } from './files.js';

const Secrets = z.object({
  /** 64 hex characters. Without it every secret stored in the database is lost. */
  masterKey: z.string().regex(/^[0-9a-f]{64}$/),
  adminPassword: z.string().min(8),
  /** The platform administrator's bearer token. */
  adminToken: z.string().min(16),
});
export type Secrets = z.output<typeof Secrets>;

/** Files of earlier versions hold less; what is missing is made up and added. */
const Kept = Secrets.partial({ adminToken: true });

export const secretsFile = (dataDir: string): string => path.join(dataDir, 'secrets.json');

/** What the first start made up, kept in the data folder for its owner's eyes only. */
export function keepSecrets(dataDir: string): Secrets {
  const kept = readKeptSecrets(dataDir);
  const whole = Secrets.safeParse(kept);
  if (whole.success) return whole.data;
  const fresh = {
    masterKey: randomBytes(32).toString('hex'),
    adminPassword: randomBytes(12).toString('base64url'),
    ...kept,
    adminToken: kept?.adminToken ?? randomBytes(32).toString('base64url'),
  };
  writePrivateJson(secretsFile(dataDir), fresh);
  return fresh;
}

/** A damaged file is never replaced: its key opens what is already stored. */
export function readKeptSecrets(dataDir: string): z.output<typeof Kept> | undefined {
  const file = secretsFile(dataDir);
  try {
    const content = readPrivateJson(file);
    return content === undefined ? undefined : Kept.parse(content);
  } catch {
    throw new StartError(
      `${file} is damaged: restore it from a backup, or remove the whole data folder to begin again.`,
    );
  }
}
