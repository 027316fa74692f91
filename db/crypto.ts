import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

const MASTER_KEY_BYTES = 32;

/** One key for one purpose (`jwt`, `data-keys`): knowing one tells nothing of another. */
export function deriveKey(masterKey: Buffer, purpose: string): Buffer {
  if (masterKey.length !== MASTER_KEY_BYTES) {
    throw new Error(`The master key must be ${MASTER_KEY_BYTES} bytes, not ${masterKey.length}.`);
  }
  return Buffer.from(hkdfSync('sha256', masterKey, 'keelson', purpose, 32));
}

export const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/** 32 random bytes as 43 characters. */
export const randomToken = (): string => randomBytes(32).toString('base64url');

export const hmacToken = (key: Buffer, text: string): string =>
  createHmac('sha256', key).update(text).digest('base64url');

/** Takes the same time wherever the two differ, and whatever their lengths. */
export function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
