import { z } from 'zod';
import { hostOf, portOf } from '../egress.js';
import { createEgressClient, EgressError, type EgressClient } from '../egress-client.js';
import { KeyServiceError } from './errors.js';
import type { KeyWrapper } from './wrapper.js';

/** A key service that speaks the transit protocol of HashiCorp Vault and OpenBao. */
export interface KmsSettings {
  readonly url: string;
  /** Name of the key there. */
  readonly key: string;
  readonly token: string;
}

const TIMEOUT_MS = 10_000;
const REPLY_LIMIT_BYTES = 64 * 1024;

const Encrypted = z.object({ data: z.object({ ciphertext: z.string().min(1) }) });
const Decrypted = z.object({ data: z.object({ plaintext: z.base64() }) });
const Refused = z.object({ errors: z.array(z.string()) });

/** The master key never leaves the service: it wraps and unwraps the data keys there. */
export function createKmsWrapper(settings: KmsSettings): KeyWrapper {
  const url = new URL(settings.url);
  // the operator's own address, so it may be a private one
  const client = createEgressClient({ allow: [{ host: hostOf(url), port: portOf(url) }] });
  const ask = (operation: 'encrypt' | 'decrypt', body: Readonly<Record<string, string>>): Promise<unknown> =>
    call(client, settings, { operation, body });
  return {
    id: `kms:${settings.key}`,
    wrap: async (key, context) => {
      const sent = { plaintext: key.toString('base64'), associated_data: base64(context) };
      return understood(Encrypted, await ask('encrypt', sent)).data.ciphertext;
    },
    unwrap: async (wrapped, context) => {
      const sent = { ciphertext: wrapped, associated_data: base64(context) };
      return Buffer.from(understood(Decrypted, await ask('decrypt', sent)).data.plaintext, 'base64');
    },
  };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function understood<T>(schema: z.ZodType<T>, answer: unknown): T {
  const read = schema.safeParse(answer);
  if (read.success) return read.data;
  throw new KeyServiceError('KEY_SERVICE_REFUSED', 'KEELSON_KMS_URL: the key service answered in an unknown form.');
}

interface Asked {
  readonly operation: 'encrypt' | 'decrypt';
  readonly body: Readonly<Record<string, string>>;
}

async function call(client: EgressClient, { url, key, token }: KmsSettings, asked: Asked): Promise<unknown> {
  const { status, bytes } = await client
    .send({
      method: 'POST',
      url: `${url.replace(/\/+$/, '')}/v1/transit/${asked.operation}/${encodeURIComponent(key)}`,
      headers: { 'x-vault-token': token, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(asked.body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      replyLimitBytes: REPLY_LIMIT_BYTES,
    })
    .catch((error: unknown) => {
      const why = error instanceof EgressError ? error.message : 'it could not be called.';
      throw new KeyServiceError('KEY_SERVICE_DOWN', `KEELSON_KMS_URL: the key service does not answer. ${why}`);
    });
  const answer = parsed(bytes);
  if (status === 200) return answer;
  throw refusal(status, answer);
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function refusal(status: number, answer: unknown): KeyServiceError {
  if (status === 403)
    return new KeyServiceError('KEY_SERVICE_REFUSED', 'KEELSON_KMS_TOKEN: the key service refuses it.');
  const said = Refused.safeParse(answer).data?.errors.join('; ').slice(0, 200) ?? '';
  const code = status === 429 || status >= 500 ? 'KEY_SERVICE_DOWN' : 'KEY_SERVICE_REFUSED';
  return new KeyServiceError(code, `KEELSON_KMS_KEY: the key service answered ${status}${said && `: ${said}`}.`);
}
