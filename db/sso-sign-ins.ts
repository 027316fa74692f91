import { sql, type Selectable } from 'kysely';
import type { Database } from './client.js';
import { sha256Hex } from './crypto.js';
import { insertUser } from './identity.js';
import type { Role, Tables } from './tables.js';

/** What single sign-on writes: sign-ins under way, who a subject is, and the role the provider says. */

const STATE_MINUTES = 10;
export const STATE_SECONDS = STATE_MINUTES * 60;

export interface NewState {
  readonly state: string;
  /** What the browser keeps in a cookie. */
  readonly browser: string;
  readonly providerId: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
  readonly returnTo: string | null;
}

/** Those that nobody came back for in time go at the same moment. */
export async function insertState(db: Database, made: NewState): Promise<void> {
  await sql`delete from sso_states where expires_at < now()`.execute(db);
  await db
    .insertInto('sso_states')
    .values({
      state_hash: sha256Hex(made.state),
      provider_id: made.providerId,
      browser_hash: sha256Hex(made.browser),
      nonce: made.nonce,
      verifier: made.verifier,
      redirect_uri: made.redirectUri,
      return_to: made.returnTo,
      expires_at: sql<Date>`now() + make_interval(mins => ${STATE_MINUTES})`,
    })
    .execute();
}

export type TakenState = Pick<Selectable<Tables['sso_states']>, 'nonce' | 'verifier' | 'redirect_uri' | 'return_to'>;

/** Once, in time, in the browser it was begun in; else undefined. */
export const takeState = (
  db: Database,
  asked: { readonly state: string; readonly browser: string; readonly providerId: string },
): Promise<TakenState | undefined> =>
  db
    .deleteFrom('sso_states')
    .where('state_hash', '=', sha256Hex(asked.state))
    .where('browser_hash', '=', sha256Hex(asked.browser))
    .where('provider_id', '=', asked.providerId)
    .where(sql<boolean>`expires_at > now()`)
    .returning(['nonce', 'verifier', 'redirect_uri', 'return_to'])
    .executeTakeFirst();

/** A person as their organisation's provider describes them. */
export interface Vouched {
  readonly tenantId: string;
  readonly providerId: string;
  readonly subject: string;
  /** In lower case, and proved. */
  readonly email: string;
  readonly name: string;
  readonly role: Role;
}

export interface Admitted {
  readonly userId: string;
  readonly email: string;
  readonly isNew: boolean;
}

/** `last_owner`: the role would take the organisation its last owner. */
export type Refusal = 'other_organisation' | 'operator' | 'disabled' | 'last_owner' | 'no_workspace';

interface Found {
  readonly id: string;
  readonly email: string;
  readonly tenant_id: string;
  readonly is_disabled: boolean;
  readonly is_platform_admin: boolean;
}

const selectUsers = (db: Database) =>
  db
    .selectFrom('users')
    .select(['users.id', 'users.email', 'users.tenant_id', 'users.is_platform_admin'])
    .select(sql<boolean>`users.disabled_at is not null`.as('is_disabled'));

const findLinked = (db: Database, { providerId, subject }: Vouched): Promise<Found | undefined> =>
  selectUsers(db)
    .innerJoin('user_identities as i', 'i.user_id', 'users.id')
    .where('i.provider_id', '=', providerId)
    .where('i.subject', '=', subject)
    .executeTakeFirst();

const findByEmail = (db: Database, email: string): Promise<Found | undefined> =>
  selectUsers(db)
    .where('users.id', '=', sql<string>`(select user_by_email(${email}))`)
    .executeTakeFirst();

export interface NewAccount {
  readonly userId: string;
  /** Of a password that nobody knows. */
  readonly passwordHash: () => Promise<string>;
}

/** False when somebody else was quicker to take the address. */
const insertAccount = async (trx: Database, { tenantId, email, name }: Vouched, made: NewAccount): Promise<boolean> =>
  insertUser(trx, {
    ...{ id: made.userId, tenantId, email, name, isPlatformAdmin: false },
    passwordHash: await made.passwordHash(),
  });

const firstWorkspace = async (trx: Database, tenantId: string): Promise<string | undefined> =>
  (
    await trx
      .selectFrom('workspaces')
      .select('id')
      .where('tenant_id', '=', tenantId)
      .where('parent_id', 'is', null)
      .where('deleted_at', 'is', null)
      .orderBy('created_at')
      .orderBy('id')
      .executeTakeFirst()
  )?.id;

/** Finds, links or makes the account and gives it the role, all or nothing. */
export function admitVouched(db: Database, person: Vouched, made: NewAccount): Promise<Admitted | Refusal> {
  return db.transaction().execute(async (trx) => {
    const workspaceId = await firstWorkspace(trx, person.tenantId);
    if (workspaceId === undefined) return 'no_workspace';
    const known = (await findLinked(trx, person)) ?? (await findByEmail(trx, person.email));
    const isNew = known === undefined && (await insertAccount(trx, person, made));
    const user = known ?? (await findByEmail(trx, person.email));
    if (user === undefined) return 'other_organisation';
    const refusal = refusalOf(user, person);
    if (refusal !== null) return refusal;
    if (!(await giveRole(trx, { ...person, userId: user.id, workspaceId }))) return 'last_owner';
    await link(trx, person, user);
    return { userId: user.id, email: user.email, isNew };
  });
}

function refusalOf(user: Found, { tenantId, role }: Vouched): Refusal | null {
  // the word of one organisation's provider says nothing of the people of another
  if (user.tenant_id !== tenantId) return 'other_organisation';
  // administrators set up providers; whose word makes an operator is for owners to say
  if (user.is_platform_admin && role !== 'owner') return 'operator';
  return user.is_disabled ? 'disabled' : null;
}

async function link(trx: Database, person: Vouched, user: Found): Promise<void> {
  await trx
    .insertInto('user_identities')
    .values({
      provider_id: person.providerId,
      subject: person.subject,
      tenant_id: person.tenantId,
      user_id: user.id,
      email: person.email,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['provider_id', 'subject'])
        .doUpdateSet({ email: person.email, last_sign_in_at: sql<Date>`now()` }),
    )
    .execute();
  if (user.email !== person.email) return;
  await trx
    .updateTable('users')
    .set({ email_verified_at: sql<Date>`coalesce(email_verified_at, now())` })
    .where('id', '=', user.id)
    .execute();
}

/** In the organisation and its first workspace. False instead of taking the last owner away; one change of an organisation at a time. */
async function giveRole(
  trx: Database,
  { tenantId, userId, role, workspaceId }: Vouched & { readonly userId: string; readonly workspaceId: string },
): Promise<boolean> {
  await trx.selectFrom('tenants').select('id').where('id', '=', tenantId).forNoKeyUpdate().execute();
  const owners = await trx
    .selectFrom('tenant_members')
    .select('user_id')
    .where('tenant_id', '=', tenantId)
    .where('role', '=', 'owner')
    .execute();
  if (role !== 'owner' && owners.length === 1 && owners[0]?.user_id === userId) return false;
  await trx
    .insertInto('tenant_members')
    .values({ tenant_id: tenantId, user_id: userId, role })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'user_id']).doUpdateSet({ role }))
    .execute();
  await trx
    .insertInto('memberships')
    .values({ user_id: userId, workspace_id: workspaceId, role })
    .onConflict((conflict) => conflict.columns(['user_id', 'workspace_id']).doUpdateSet({ role }))
    .execute();
  return true;
}
