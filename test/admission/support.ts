import { createHmac, randomBytes } from 'node:crypto';
import { ADMIN_TOKEN, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

export const PASSWORD = 'Correct horse battery 9';
export const VAULT_KEY = 'the key a vault and this API share';

export interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where it comes from, as the proxy in front says. */
  readonly ip?: string;
}

export interface Admission extends TestApi {
  /** Nobody in particular, or whoever the headers say. */
  readonly call: (method: string, path: string, asked?: Asked) => Promise<Answered>;
  readonly admin: (method: string, path: string, asked?: Asked) => Promise<Answered>;
  readonly register: (given: Readonly<Record<string, unknown>>, ip?: string) => Promise<Answered>;
  /** The token of a new invite. */
  readonly invite: (
    input?: Readonly<Record<string, unknown>>,
  ) => Promise<{ readonly id: string; readonly token: string }>;
}

/** An API behind a proxy, so that a test may come from any address. */
export async function startAdmission(env: Readonly<Record<string, string>> = {}): Promise<Admission> {
  const api = await startTestApi({
    temporal: silentTemporal,
    env: { TRUST_PROXY: 'true', KEELSON_SERVICE_ACCOUNT_KEY: VAULT_KEY, ...env },
  });
  const call: Admission['call'] = (method, path, { body, headers = {}, ip = address() } = {}) =>
    send(`${api.url}${path}`, {
      method,
      headers: {
        'x-forwarded-for': ip,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const admin: Admission['admin'] = (method, path, asked = {}) =>
    call(method, path, { ...asked, headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...asked.headers } });
  return {
    ...api,
    call,
    admin,
    register: (given, ip) =>
      call('POST', '/api/v1/auth/register', { body: given, ...(ip === undefined ? {} : { ip }) }),
    invite: async (input = {}) => {
      const { body } = await admin('POST', '/api/v1/auth/invites', { body: input });
      return { id: String(body['id']), token: String(body['invite_token']) };
    },
  };
}

let addresses = 0;
/** Another network each time. */
export function address(): string {
  addresses += 1;
  return `198.18.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`;
}

/** A registration that is right as it stands. */
export function buildRegistration(overrides: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const name = randomBytes(6).toString('hex');
  return {
    email: `someone@${name}.example.com`,
    password: PASSWORD,
    tenant_name: `Shop ${name}`,
    accept_terms: true,
    ...overrides,
  };
}

export const bearer = (token: unknown): Record<string, string> => ({ authorization: `Bearer ${String(token)}` });

export async function tenantOf(api: TestApi, person: Person): Promise<string> {
  const { tenant_id } = await api.db
    .selectFrom('workspaces')
    .select('tenant_id')
    .where('id', '=', person.workspace.id)
    .executeTakeFirstOrThrow();
  return tenant_id;
}

export interface VaultRequest {
  readonly account: string;
  readonly scopes: readonly string[];
  readonly tenant_id?: string | null;
  readonly [key: string]: unknown;
}

/** The headers a vault sends with a request; `claims` replace its own. */
export function signed(
  request: VaultRequest,
  claims: Readonly<Record<string, unknown>> = {},
  key = VAULT_KEY,
): Record<string, string> {
  const now = Math.floor(Date.now() / 1_000);
  const { account, scopes, tenant_id } = request;
  const own = { iss: 'vault', aud: ['auth-service'], sub: 'ci', nonce: randomBytes(12).toString('hex') };
  const payload = Buffer.from(
    JSON.stringify({ ...own, iat: now, exp: now + 120, account, scopes, tenant_id, ...claims }),
  ).toString('base64url');
  const signature = createHmac('sha256', key).update(payload).digest('hex');
  return { authorization: `Bearer vault:${signature}`, 'x-vault-payload': payload };
}

/** For lists whose order says nothing. */
export const inAnyOrder = (values: readonly unknown[]): readonly string[] =>
  values.map(String).toSorted((a, b) => a.localeCompare(b));
/** The statuses of answers that came at once. */
export const statusesOf = (answers: readonly Answered[]): readonly number[] =>
  answers.map(({ status }) => status).toSorted((a, b) => a - b);
