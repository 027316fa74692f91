import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface KeyService {
  readonly url: string;
  /** Every call answers this status until told otherwise. */
  readonly fail: (status: number | undefined) => void;
  readonly close: () => Promise<void>;
}

interface Sent {
  readonly plaintext?: string;
  readonly ciphertext?: string;
  readonly associated_data?: string;
}

type Answer = readonly [number, object];

const NONCE_BYTES = 12;
const errors = (status: number, message: string): Answer => [status, { errors: [message] }];
const data = (fields: object): Answer => [
  200,
  {
    request_id: randomBytes(8).toString('hex'),
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: fields,
    wrap_info: null,
    warnings: null,
    auth: null,
    mount_type: 'transit',
  },
];

/** The transit engine of HashiCorp Vault as its documentation tells it: aes256-gcm96 keys, `vault:v1:` texts, one token. */
export async function startKeyService(of: {
  readonly token: string;
  readonly keys: readonly string[];
}): Promise<KeyService> {
  const keys = new Map(of.keys.map((name) => [name, randomBytes(32)]));
  let failure: number | undefined;
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    if (failure !== undefined) return errors(failure, 'the service is sealed');
    if (request.headers['x-vault-token'] !== of.token) return errors(403, 'permission denied');
    const [, operation, name = ''] = /^\/v1\/transit\/(encrypt|decrypt)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    if (operation === undefined || request.method !== 'POST') return errors(404, 'no handler for route');
    const key = keys.get(name);
    if (key === undefined) return errors(400, `encryption key not found: ${name}`);
    const sent = (await json(request)) as Sent; // -- reason: the one client of this peer is ours
    return operation === 'encrypt' ? encrypt(key, sent) : decrypt(key, sent);
  };
  const server = createServer((request, response) => {
    void answer(request).then(([status, body]) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // -- reason: it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    fail: (status) => {
      failure = status;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function encrypt(key: Buffer, { plaintext, associated_data: bound = '' }: Sent): Answer {
  if (plaintext === undefined) return errors(400, "missing 'plaintext' to encrypt");
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound, 'base64'));
  const sealed = Buffer.concat([nonce, cipher.update(Buffer.from(plaintext, 'base64')), cipher.final()]);
  const text = Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64');
  return data({ ciphertext: `vault:v1:${text}`, key_version: 1 });
}

function decrypt(key: Buffer, { ciphertext = '', associated_data: bound = '' }: Sent): Answer {
  const [, text] = /^vault:v1:(.+)$/.exec(ciphertext) ?? [];
  if (text === undefined) return errors(400, 'invalid ciphertext: no prefix');
  const bytes = Buffer.from(text, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
    decipher.setAAD(Buffer.from(bound, 'base64')).setAuthTag(bytes.subarray(-16));
    const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -16)), decipher.final()]);
    return data({ plaintext: plain.toString('base64') });
  } catch {
    return errors(400, 'cipher: message authentication failed');
  }
}
