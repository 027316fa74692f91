import { revokeKeysBeyond, workspacesWithKeysOf } from '../../db/api-keys.js';
import type { Database } from '../../db/client.js';
import {
  deleteMemberships,
  findMember,
  findTenantRole,
  hasOwnerWithout,
  hasTenantOwnerBesides,
  listMembers,
  rolesInTenant,
  setTenantRole,
  type MemberRow,
  type MembershipRow,
} from '../../db/members.js';
import { scoped } from '../../db/scoped.js';
import type { Role } from '../../db/tables.js';
import { findRoles, lockTree } from '../../db/workspaces.js';
import type { Actor } from '../actor.js';
import { conflict, forbidden, notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import { atLeast, roleCapabilities, strongestRole } from './roles.js';
import { grantableScopes, roleScopes } from './scopes.js';

export interface MemberView {
  readonly user_id: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  /** The membership is of a workspace above this one, and is changed there. */
  readonly inherited: boolean;
  readonly is_active: boolean;
  readonly joined_at: Date;
}

/** Who is in a workspace. Nobody acts on a stronger role or hands one out, and an owner always stays. */
export interface MemberService {
  readonly list: (
    workspaceId: string,
    page: Page,
  ) => Promise<Page & { readonly items: readonly MemberView[]; readonly total: number }>;
  readonly change: (
    actor: Actor,
    userId: string,
    role: Role,
  ) => Promise<{ readonly user_id: string; readonly role: Role }>;
  /** Out of the workspace and all below it. Others need `member.write`; anybody may leave. */
  readonly remove: (actor: Actor, userId: string) => Promise<void>;
}

export const createMemberService = ({ db }: { readonly db: Database }): MemberService => ({
  list: async (workspaceId, page) => {
    const { items, total } = await listMembers(db, workspaceId, page);
    return { items: items.map(present), total, ...page };
  },
  change: async (actor, userId, role) => {
    await act(db, { actor, userId, role });
    return { user_id: userId, role };
  },
  remove: (actor, userId) => {
    if (actor.id !== userId && !actor.capabilities.has('member.write')) {
      throw forbidden('This needs the capability "member.write", which starts at the role "admin".');
    }
    return act(db, { actor, userId, role: null });
  },
});

const present = ({ roles, direct_role, ...row }: MemberRow): MemberView => ({
  ...row,
  role: strongestRole(roles) ?? 'viewer',
  inherited: direct_role === null,
});

interface Act {
  readonly actor: Actor;
  readonly userId: string;
  /** null: out. */
  readonly role: Role | null;
}

/** One change of an organisation's people at a time, so that two owners cannot lower each other at once. */
async function act(db: Database, { actor, userId, role }: Act): Promise<void> {
  const { workspaceId, tenantId } = actor;
  await db.transaction().execute(async (trx) => {
    await lockTree(trx, tenantId);
    const target = await findMember(trx, { workspaceId, userId });
    if (target === undefined) throw notFound('member of this workspace itself', userId);
    await checkMay(trx, { actor, target, role });
    const isLastOwner = target.role === 'owner' && !(await hasOwnerWithout(trx, { workspaceId, userId }));
    if (isLastOwner && role !== 'owner') {
      throw conflict('This is the last owner of the workspace: make somebody else an owner first.');
    }
    if (role === null) await deleteMemberships(trx, { workspaceId, userId });
    else await scoped(trx, workspaceId).update('memberships', userId).set({ role }).execute();
    await settle(trx, { tenantId, userId });
  });
}

/** The strongest role of whoever acts on members, or 403. */
export async function ownRole(db: Database, { type, id, workspaceId }: Actor): Promise<Role> {
  const role = type === 'user' ? strongestRole(await findRoles(db, { userId: id, workspaceId })) : undefined;
  if (role === undefined) throw forbidden('Members are managed by people: sign in and send the access token.');
  return role;
}

async function checkMay(
  trx: Database,
  { actor, target, role }: { readonly actor: Actor; readonly target: MembershipRow; readonly role: Role | null },
): Promise<void> {
  const own = await ownRole(trx, actor);
  if (role !== null && !atLeast(own, role))
    throw forbidden(`role: yours is ${own}, so you cannot make anybody ${role}.`);
  if (target.user_id === actor.id) return;
  if (!atLeast(own, target.role)) throw forbidden(`Your role here is ${own}; you cannot act on an ${target.role}.`);
  const ownInTenant = await findTenantRole(trx, { tenantId: actor.tenantId, userId: actor.id });
  const isAbove = target.tenant_role !== null && !atLeast(ownInTenant ?? 'viewer', target.tenant_role);
  if (isAbove && atLeast(target.tenant_role, 'admin')) {
    throw forbidden(`They are ${target.tenant_role} of the whole organisation; only such a one can change them.`);
  }
}

const nothing = { scopes: new Set<string>(), capabilities: new Set<never>() };

/** What somebody held beyond their workspaces shrinks with them: their role in the organisation and their keys. */
async function settle(trx: Database, person: { readonly tenantId: string; readonly userId: string }): Promise<void> {
  const current = await findTenantRole(trx, person);
  const left = strongestRole(await rolesInTenant(trx, person)) ?? null;
  const isLess = current !== null && (left === null || !atLeast(left, current));
  if (isLess) {
    if (current === 'owner' && !(await hasTenantOwnerBesides(trx, person))) {
      throw conflict('This is the last owner of the organisation: make somebody else an owner first.');
    }
    await setTenantRole(trx, { ...person, role: left });
  }
  const { tenantId, userId } = person;
  for (const workspaceId of await workspacesWithKeysOf(trx, { tenantId, userId })) {
    const role = strongestRole(await findRoles(trx, { userId, workspaceId }));
    const held = role === undefined ? nothing : { scopes: roleScopes[role], capabilities: roleCapabilities[role] };
    await revokeKeysBeyond(trx, { workspaceId, userId, allowed: grantableScopes(held) });
  }
}
