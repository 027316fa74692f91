import { randomBytes } from 'node:crypto';
import type { MailRow } from '../../db/mails.js';
import type { Role } from '../../db/tables.js';
import { PASSWORD, startTestApi, type Person, type TestApi } from '../support/api.js';
import { send, type Answered } from '../support/http.js';
import { silentTemporal } from '../support/silent-temporal.js';

type Mail = Pick<MailRow, 'subject' | 'text'>;

/** An API and its outbox, and what tests of members do with them. */
export interface People {
  readonly api: TestApi;
  /** The last one. */
  readonly mailTo: (email: string) => Promise<Mail | undefined>;
  /** The token of the last invitation sent there. */
  readonly tokenTo: (email: string) => Promise<string>;
  readonly accept: (body: object) => Promise<Answered>;
  /** Somebody with an account who accepted an invitation into the owner's workspace. */
  readonly joined: (owner: Person, role: Role) => Promise<Person>;
}

export async function startPeople(): Promise<People> {
  const api = await startTestApi({ temporal: silentTemporal });
  const mailTo = (to: string): Promise<Mail | undefined> =>
    api.db
      .selectFrom('mails')
      .select(['subject', 'text'])
      .where('to_address', '=', to)
      .where('key', 'like', 'invitation/%')
      .orderBy('id', 'desc')
      .executeTakeFirst();
  const tokenTo = async (email: string): Promise<string> =>
    /[?]token=([\w-]+)/.exec((await mailTo(email))?.text ?? '')?.[1] ?? '';
  const accept = (body: object): Promise<Answered> =>
    send(`${api.url}/v1/auth/accept-invitation`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const joined = async (owner: Person, role: Role): Promise<Person> => {
    const person = await api.signUp();
    await invite(owner, { email: person.email, role });
    await accept({ token: await tokenTo(person.email), password: PASSWORD });
    return person;
  };
  return { api, mailTo, tokenTo, accept, joined };
}

export const address = (): string => `${randomBytes(6).toString('hex')}@example.com`;
export const invite = (by: Person, body: object, headers = {}): Promise<Answered> =>
  by.call('POST', '/v1/members', { body: { role: 'viewer', ...body }, headers });
export const inWorkspaceOf = (owner: Person): { readonly 'x-workspace-id': string } => ({
  'x-workspace-id': owner.workspace.id,
});
export const bearerOf = (answer: Answered): { readonly authorization: string } => ({
  authorization: `Bearer ${String(answer.body['access_token'])}`,
});

/** As the person sees it. */
export interface Seen {
  readonly user_id: string;
  readonly role: Role;
  readonly inherited: boolean;
}
export const membersOf = async (person: Person, headers = {}): Promise<readonly Seen[]> =>
  (await person.call('GET', '/v1/members', { headers })).body['items'] as Seen[];
