import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { listMails, type MailRow } from '../../db/mails.js';
import type { TestApi } from './api.js';
import { send, type AnyBody, type Answered } from './http.js';
import { until } from './until.js';

export const PASSWORD = 'seven green lamps hum';
export const NEXT_PASSWORD = 'nine blue kettles sing';

export interface Account {
  readonly email: string;
  readonly userId: string;
  readonly tenantId: string;
  readonly token: string;
  readonly refresh: string;
  readonly session: string;
}

export interface Asked {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The caller's address, as the proxy in front tells it. */
  readonly ip?: string;
}

/** A caller of the API under test, which must trust its proxy where `ip` is given. */
export const caller =
  ({ url }: Pick<TestApi, 'url'>) =>
  (method: string, path: string, { token, body, headers = {}, ip }: Asked = {}): Promise<Answered> =>
    send(url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ip === undefined ? {} : { 'x-forwarded-for': ip }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

export const accountOf = (email: string, body: AnyBody): Account => ({
  email,
  userId: String(body['user_id']),
  tenantId: String(body['tenant_id']),
  token: String(body['access_token']),
  refresh: String(body['refresh_token']),
  session: String(body['session_id']),
});

/** A new account, signed in on the Service surface. */
export async function newAccount(api: TestApi): Promise<Account> {
  const call = caller(api);
  const email = `${randomBytes(6).toString('hex')}@example.com`;
  await call('POST', '/v1/auth/signup', { body: { email, password: PASSWORD } });
  return accountOf(email, (await call('POST', '/api/v1/auth/token', { body: { email, password: PASSWORD } })).body);
}

/** An address nobody had before. */
export const newIp = (): string => `198.18.${randomBytes(1)[0] ?? 0}.${randomBytes(1)[0] ?? 0}`;

/** The newest mail to an address with such a subject; it may still be on its way. */
export async function mailTo({ db }: TestApi, to: string, subject: RegExp): Promise<MailRow> {
  const find = async (): Promise<MailRow | undefined> =>
    (await listMails(db, { to, limit: 10 })).find((mail) => subject.test(mail.subject));
  const mail = await until(find, (found) => found !== undefined);
  if (mail === undefined) throw new Error(`no mail to ${to}`);
  return mail;
}

export const tokenIn = (text: string | null): string => /token=([\w-]+)/.exec(text ?? '')?.[1] ?? 'no token';

export const auditActions = async ({ db }: TestApi, entityId: string): Promise<readonly string[]> =>
  (await db.selectFrom('audit_events').select('action').where('entity_id', '=', entityId).orderBy('id').execute()).map(
    (row) => row.action,
  );

/** A limit that so many have been counted in. */
export async function countIn({ db }: TestApi, key: string, points: number): Promise<void> {
  const expire = String(Date.now() + 600_000);
  await sql`insert into rate_limits (key, points, expire) values (${key}, ${points}, ${expire})`.execute(db);
}
