import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deriveKey } from '../crypto.js';

/** Keeps data keys shut while they lie in the database. */
export interface KeyWrapper {
  /** Stands beside what it wrapped, so that it is found again to open it. */
  readonly id: string;
  /** `context` says what the key is for; only the same opens it again. */
  readonly wrap: (key: Buffer, context: string) => Promise<string>;
  readonly unwrap: (wrapped: string, context: string) => Promise<Buffer>;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM: nonce, ciphertext and tag as one text. */
export function encrypt(key: Buffer, plaintext: Buffer, boundTo: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(boundTo));
  const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return sealed.toString('base64url');
}

/** Throws when the text, the key or what it is bound to is another. */
export function decrypt(key: Buffer, text: string, boundTo: string): Buffer {
  const sealed = Buffer.from(text, 'base64url');
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(boundTo)).setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}

/** Wraps under a master key that this process holds. */
export function createLocalWrapper(masterKey: Buffer): KeyWrapper {
  const key = deriveKey(masterKey, 'data-keys');
  return {
    id: `local:${deriveKey(masterKey, 'key-id').subarray(0, 4).toString('hex')}`,
    wrap: (plain, context) => Promise.resolve(encrypt(key, plain, context)),
    unwrap: (wrapped, context) => Promise.resolve().then(() => decrypt(key, wrapped, context)),
  };
}
