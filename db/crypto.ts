import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

/** Which secret a ciphertext belongs to. It is bound in: a row copied to another workspace or name does not open. */
export interface SecretRef {
  readonly workspaceId: string;
  readonly name: string;
}

export interface Vault {
  /** `ec1:<key id>:<nonce, ciphertext and tag>`. */
  readonly seal: (ref: SecretRef, plaintext: string) => string;
  readonly open: (ref: SecretRef, sealed: string) => string;
}

const MASTER_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 'ec1';

/** AES-256-GCM with one key a workspace, all derived from the master key. */
export function createVault(masterKey: Buffer): Vault {
  const keyId = deriveKey(masterKey, 'key-id').subarray(0, 4).toString('hex');
  return {
    seal: (ref, plaintext) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', workspaceKey(masterKey, ref), nonce).setAAD(boundTo(ref));
      const sealed = Buffer.concat([nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${VERSION}:${keyId}:${sealed.toString('base64url')}`;
    },
    open: (ref, sealed) => {
      const [version, sealedWith, text] = sealed.split(':');
      if (version !== VERSION || sealedWith === undefined || text === undefined) {
        throw new Error(`Secret ${ref.name} is not in a form this version reads (expected ${VERSION}:...).`);
      }
      if (sealedWith !== keyId) {
        throw new Error(
          `Secret ${ref.name} was sealed with master key ${sealedWith}, this process has ${keyId}: ` +
            'start it with the KEELSON_MASTER_KEY the secret was written with, or set the secret again.',
        );
      }
      return decrypt(masterKey, ref, Buffer.from(text, 'base64url'));
    },
  };
}

function decrypt(masterKey: Buffer, ref: SecretRef, sealed: Buffer): string {
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', workspaceKey(masterKey, ref), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(ref)).setAuthTag(sealed.subarray(-TAG_BYTES));
    const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([plaintext, decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new Error(`Secret ${ref.name} is damaged or was copied from elsewhere: set it again.`, { cause });
  }
}

const workspaceKey = (masterKey: Buffer, ref: SecretRef): Buffer => deriveKey(masterKey, `secrets/${ref.workspaceId}`);
const boundTo = (ref: SecretRef): Buffer => Buffer.from(`${ref.workspaceId}\0${ref.name}`);

/** One key for one purpose (`jwt`, `secrets/<workspace>`): knowing one tells nothing of another. */
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
