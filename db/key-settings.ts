import { z } from 'zod';
import { hint, SettingsError } from './variables.js';

const KEY = '32 random bytes as 64 hex characters or as base64; `openssl rand -hex 32` makes one';

const masterKey = () => z.string().transform(toKey).optional();

/** What keeps stored secrets shut. */
export const keyVariables = {
  KEELSON_MASTER_KEY: masterKey(),
  KEELSON_MASTER_KEY_FILE: z.string().optional(),
  KEELSON_MASTER_KEY_OLD: masterKey(),
  KEELSON_KMS_URL: z
    .string()
    .refine(isHttpUrl, hint('the http or https address of a key service, such as https://vault.example.com:8200'))
    .optional(),
  KEELSON_KMS_KEY: z
    .string()
    .regex(/^[\w.-]{1,100}$/, hint('the name of a key of that service'))
    .optional(),
  KEELSON_KMS_TOKEN: z.string().optional(),
};

type Given = z.output<z.ZodObject<typeof keyVariables>>;

export interface KeySettings {
  /** 32 bytes; absent where a file or a key service stands for it. */
  readonly masterKey: Buffer | undefined;
  /** Where the master key lies; made when there is none. */
  readonly masterKeyFile?: string;
  /** The one before: still opens what was wrapped under it. */
  readonly oldMasterKey?: Buffer;
  readonly kms?: { readonly url: string; readonly key: string; readonly token: string };
}

export function keySettings(given: Given): KeySettings {
  const kms = kmsSettings(given);
  const { KEELSON_MASTER_KEY: key, KEELSON_MASTER_KEY_FILE: file, KEELSON_MASTER_KEY_OLD: old } = given;
  if (key === undefined && file === undefined && kms === undefined)
    throw new SettingsError(`KEELSON_MASTER_KEY is not set: give ${KEY}, or name a file in KEELSON_MASTER_KEY_FILE.`);
  return {
    masterKey: key,
    ...(key === undefined && file !== undefined ? { masterKeyFile: file } : {}),
    ...(old === undefined ? {} : { oldMasterKey: old }),
    ...(kms === undefined ? {} : { kms }),
  };
}

function kmsSettings(given: Given): KeySettings['kms'] {
  const { KEELSON_KMS_URL: url, KEELSON_KMS_KEY: key, KEELSON_KMS_TOKEN: token } = given;
  if (url === undefined && key === undefined && token === undefined) return undefined;
  if (url === undefined) throw missing('KEELSON_KMS_URL', 'give the address of the key service');
  if (key === undefined) throw missing('KEELSON_KMS_KEY', 'name the key that wraps the data keys');
  if (token === undefined)
    throw missing('KEELSON_KMS_TOKEN', 'give a token that may encrypt and decrypt with that key');
  return { url, key, token };
}

const missing = (name: string, fix: string): SettingsError => new SettingsError(`${name} is not set: ${fix}.`);

function toKey(text: string, context: z.RefinementCtx): Buffer {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  const bytes = Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text) && bytes.length === 32) return bytes;
  context.addIssue(`must be ${KEY}`);
  return z.NEVER;
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}
