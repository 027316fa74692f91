import type { Database } from '../../db/client.js';
import {
  findHome,
  findLogin,
  insertMembership,
  insertTenant,
  insertTenantMember,
  insertUser,
  PLATFORM_TENANT,
  verifyAddress,
} from '../../db/identity.js';
import { newId } from '../../db/ids.js';
import { insertWorkspace, slugOf } from '../../db/workspaces.js';
import { randomBytes } from 'node:crypto';
import { conflict, invalid } from '../http/errors.js';
import { hashPassword, passwordProblem } from './passwords.js';

export interface NewAccount {
  readonly email: string;
  readonly password: string;
  readonly name?: string | undefined;
  readonly workspace_name?: string | undefined;
  /** Where sign-up is not open to everybody. */
  readonly invite_token?: string | undefined;
}

/** What is done in the transaction that makes an account: when it fails there is no account. */
export type WithAccount = (trx: Database, account: Account) => Promise<void>;

export interface Account {
  readonly id: string;
  readonly tenant_id: string;
  readonly email: string;
  readonly name: string;
}

export interface AdminAccount {
  readonly userId: string;
  readonly workspaceId: string;
  /** False when it was there before. */
  readonly created: boolean;
}

/** Unique without asking: organisations may share a name. */
export const tenantSlug = (name: string): string => `${slugOf(name)}-${randomBytes(3).toString('hex')}`;

export const normaliseEmail = (email: string): string => email.normalize('NFKC').trim().toLowerCase();

/** A person, their organisation, its first workspace and their ownership of it: all or nothing. */
export function createAccount(db: Database, given: NewAccount, withAccount?: WithAccount): Promise<Account> {
  const email = normaliseEmail(given.email);
  const name = given.name?.trim() || (email.split('@')[0] ?? email);
  const workspaceName = given.workspace_name?.trim() || `${name}'s workspace`;
  return insertAccount(db, {
    account: { id: newId('usr'), tenant_id: newId('ten'), email, name },
    tenantName: workspaceName,
    workspaceName,
    password: given.password,
    isPlatformAdmin: false,
    ...(withAccount === undefined ? {} : { withAccount }),
  });
}

export interface NewTenant {
  readonly email: string;
  readonly password: string;
  readonly name: string;
  readonly tenant: { readonly name: string; readonly slug: string };
}

/** As `createAccount`, under the strict rule for passwords, with an organisation that is named. */
export function createTenantAccount(db: Database, given: NewTenant, withAccount: WithAccount): Promise<Account> {
  return insertAccount(db, {
    account: { id: newId('usr'), tenant_id: newId('ten'), email: given.email, name: given.name },
    tenantName: given.tenant.name,
    tenantSlug: given.tenant.slug,
    workspaceName: given.tenant.name,
    password: given.password,
    policy: 'strict',
    isPlatformAdmin: false,
    withAccount,
  });
}

async function insertAccount(
  db: Database,
  made: {
    readonly account: Account;
    readonly tenantName: string;
    readonly tenantSlug?: string;
    readonly workspaceName: string;
    readonly password: string;
    readonly policy?: 'strict';
    readonly isPlatformAdmin: boolean;
    readonly withAccount?: WithAccount;
  },
): Promise<Account> {
  const { account, isPlatformAdmin } = made;
  const problem = await passwordProblem(made.password, account.email, made.policy);
  if (problem !== null) throw invalid([{ field: 'password', message: problem }]);
  const passwordHash = await hashPassword(made.password);
  const { id, tenant_id: tenantId, email, name } = account;
  await db.transaction().execute(async (trx) => {
    await insertTenant(trx, {
      id: tenantId,
      name: made.tenantName,
      slug: made.tenantSlug ?? tenantSlug(made.tenantName),
    });
    if (!(await insertUser(trx, { id, tenantId, email, name, passwordHash, isPlatformAdmin }))) {
      throw conflict('email: an account with this e-mail address exists; sign in instead.');
    }
    const workspace = { id: newId('ws'), tenantId, parentId: null, name: made.workspaceName };
    const { id: workspaceId } = await insertWorkspace(trx, workspace);
    await insertTenantMember(trx, { tenantId, userId: id, role: 'owner' });
    await insertMembership(trx, { userId: id, workspaceId, role: 'owner' });
    await made.withAccount?.(trx, account);
  });
  return account;
}

/** Safe to call from several processes at once. An ordinary account of that address is never promoted: anybody can sign up first. */
export async function ensureAdmin(
  db: Database,
  admin: { readonly email: string; readonly password: string },
): Promise<AdminAccount> {
  const email = normaliseEmail(admin.email);
  const created = (await findLogin(db, email)) === undefined && (await insertAdmin(db, email, admin.password));
  const user = await findLogin(db, email);
  if (user?.is_platform_admin !== true) {
    throw new Error(`KEELSON_ADMIN_EMAIL: ${email} belongs to an ordinary account; choose another address.`);
  }
  const home = await findHome(db, user.id);
  if (home === undefined) throw new Error(`KEELSON_ADMIN_EMAIL: ${email} is a member of no workspace.`);
  return { userId: user.id, workspaceId: home.id, created };
}

/** False when another process was quicker. */
async function insertAdmin(db: Database, email: string, password: string): Promise<boolean> {
  try {
    await insertAccount(db, {
      account: { id: newId('usr'), tenant_id: PLATFORM_TENANT, email, name: 'Administrator' },
      tenantName: 'Platform',
      tenantSlug: 'platform',
      workspaceName: 'Default',
      password,
      isPlatformAdmin: true,
      // the operator's own setting vouches for the address
      withAccount: (trx, { id }) => verifyAddress(trx, id),
    });
    return true;
  } catch (error) {
    if ((await findLogin(db, email)) !== undefined) return false;
    throw error;
  }
}
