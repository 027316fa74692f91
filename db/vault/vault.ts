import type { DataKeys } from './data-keys.js';
import { DamagedSecret } from './errors.js';
import { decrypt, encrypt } from './wrapper.js';

/** Which secret a sealed text is. It is bound in: a row copied to another scope or name does not open. */
export interface SecretRef {
  /** The id of the workspace or organisation it belongs to, or `PLATFORM_SCOPE`; each has data keys of its own. */
  readonly scope: string;
  readonly name: string;
}

/** What belongs to no workspace and no organisation. */
export const PLATFORM_SCOPE = 'platform';

export interface Vault {
  /** `ec2:<data key id>:<nonce, ciphertext and tag>`. */
  readonly seal: (ref: SecretRef, plaintext: string) => Promise<string>;
  readonly open: (ref: SecretRef, sealed: string) => Promise<string>;
}

const VERSION = 'ec2';

/** AES-256-GCM with the newest data key of the scope; earlier ones open what they sealed. */
export const createVault = (keys: Pick<DataKeys, 'newest' | 'find'>): Vault => ({
  seal: async (ref, plaintext) => {
    const { id, key } = await keys.newest(ref.scope);
    return `${VERSION}:${id}:${encrypt(key, Buffer.from(plaintext, 'utf8'), boundTo(ref))}`;
  },
  open: async (ref, sealed) => {
    const [version, keyId, text] = sealed.split(':');
    if (version !== VERSION || keyId === undefined || text === undefined) {
      throw new Error(`Secret ${ref.name} is not in a form this version reads (expected ${VERSION}:...).`);
    }
    const key = await keys.find(ref.scope, keyId);
    if (key === undefined) throw damaged(ref);
    try {
      return decrypt(key, text, boundTo(ref)).toString('utf8');
    } catch (cause) {
      throw damaged(ref, cause);
    }
  },
});

const boundTo = ({ scope, name }: SecretRef): string => `${scope}\0${name}`;

const damaged = ({ name }: SecretRef, cause?: unknown): DamagedSecret =>
  new DamagedSecret(`Secret ${name} is damaged or was copied from elsewhere: set it again.`, { cause });
