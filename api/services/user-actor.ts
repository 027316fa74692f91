import { findPrincipal, type Principal } from '../../db/principals.js';
import type { Role } from '../../db/tables.js';
import { anonymous, type Actor } from '../actor.js';
import { ApiError, forbidden, notFound } from '../http/errors.js';
import type { Asked, AuthenticateDeps } from './asked.js';
import { wrongCredential } from './credentials.js';
import { reached } from './reached.js';
import { allCapabilities, atLeast, roleCapabilities, roles, strongestRole } from './roles.js';
import { allScopes, operatorScopes, roleScopes } from './scopes.js';
import type { Touch } from './touch.js';

interface SessionOf {
  readonly userId: string;
  readonly sessionId: string;
}

/** The actor a signed-in user is on a route. */
export function createUserActor(
  deps: AuthenticateDeps,
  touch: Touch,
): (asked: Asked, session: SessionOf) => Promise<Actor> {
  return async (asked, session) => {
    const [principal] = await Promise.all([
      reached(deps, findPrincipal(deps.db, { ...session, workspaceId: workspaceAsked(asked) })),
      asked.onUser?.(session.userId),
    ]);
    if (principal === undefined) throw wrongCredential(asked.auth);
    touch('sessions', { id: session.sessionId, lastUsedAt: principal.lastSeenAt });
    checkFactors(asked, principal);
    const user: Actor = {
      ...anonymous,
      type: 'user',
      id: session.userId,
      sessionId: session.sessionId,
      tenantId: principal.tenantId,
      role: principal.tenantRole,
    };
    if (asked.auth === 'user') return user;
    if (asked.auth === 'tenant') return inTenant(asked, user, principal);
    if (asked.auth !== 'admin') return inWorkspace(asked, user, principal);
    if (!principal.isPlatformAdmin) throw forbidden('This needs ADMIN_TOKEN or a platform administrator.');
    return { ...user, capabilities: allCapabilities, scopes: allScopes };
  };
}

/** The workspace to look at; undefined: the session's own. */
function workspaceAsked(asked: Asked): string | undefined {
  if (asked.auth === 'workspace') return asked.pathWorkspaceId ?? '';
  return asked.auth === 'member' || asked.auth === 'tenant' ? asked.workspaceHeader || undefined : undefined;
}

function checkFactors({ mfa = 'normal', verified }: Asked, { mfaPolicy, hasMfa, isVerified }: Principal): void {
  const isNeeded = mfa !== 'none' && (mfaPolicy === 'always' || (mfaPolicy === 'sensitive' && mfa === 'sensitive'));
  if (isNeeded && !hasMfa) {
    throw new ApiError(
      403,
      'Your organisation asks for a second factor here: prove yours with POST /v1/auth/mfa/step-up, or set one up with POST /v1/auth/mfa/enroll.',
      { extra: { code: 'mfa_required' } },
    );
  }
  if (verified === true && !isVerified) {
    throw new ApiError(403, 'Prove your e-mail address first: POST /api/v1/auth/email/send sends a link.', {
      extra: { code: 'email_not_verified' },
    });
  }
}

function inWorkspace(asked: Asked, user: Actor, { workspaceId, workspaceTenantId, roles: held }: Principal): Actor {
  const role = strongestRole(held);
  if (role !== undefined) {
    return { ...user, workspaceId, tenantId: workspaceTenantId ?? user.tenantId, capabilities: roleCapabilities[role] };
  }
  if (asked.auth === 'workspace') throw notFound('workspace', workspaceId);
  throw forbidden(
    asked.workspaceHeader
      ? `X-Workspace-Id: you are no member of workspace "${workspaceId}".`
      : 'The workspace of your session is gone or you left it: name another in X-Workspace-Id, or sign in again.',
  );
}

function inTenant(asked: Asked, user: Actor, principal: Principal): Actor {
  const { workspaceId, workspaceTenantId, isPlatformAdmin, roles: held } = principal;
  checkTenant(asked, principal);
  const role = lowered(tenantRoleOf(principal), asked.roleHeader);
  const here = strongestRole(held);
  return {
    ...user,
    workspaceId: workspaceTenantId === null ? '' : workspaceId,
    role,
    capabilities: here === undefined ? new Set() : roleCapabilities[weaker(here, role)],
    scopes: isPlatformAdmin ? new Set([...roleScopes[role], ...operatorScopes]) : roleScopes[role],
  };
}

function checkTenant(asked: Asked, { tenantId, workspaceId, workspaceTenantId }: Principal): void {
  if ((asked.tenantHeader || tenantId) !== tenantId) {
    throw forbidden('X-Tenant-Id: your session is in another organisation; sign in with tenant_id.');
  }
  if (asked.workspaceHeader && workspaceTenantId !== tenantId) {
    throw forbidden(`X-Workspace-Id: you are no member of workspace "${workspaceId}".`);
  }
}

/** A guest of single workspaces counts as an editor of the organisation at most. */
function tenantRoleOf({ tenantRole, roles: held }: Principal): Role {
  const guest = strongestRole(held);
  if (tenantRole !== null) return tenantRole;
  if (guest === undefined) throw forbidden('You are no member of this organisation any more.');
  return weaker(guest, 'editor');
}

const weaker = (a: Role, b: Role): Role => (atLeast(a, b) ? b : a);

/** X-Tenant-Role may only take rights away. `member` is the Service surface's word for an editor. */
function lowered(own: Role, asked: string | undefined): Role {
  if (asked === undefined || asked === '') return own;
  const wanted = roles.find((role) => role === (asked === 'member' ? 'editor' : asked));
  if (wanted === undefined) throw forbidden(`X-Tenant-Role: "${asked.slice(0, 40)}" is none of ${roles.join(', ')}.`);
  if (!atLeast(own, wanted)) throw forbidden(`X-Tenant-Role: your role is ${own} and cannot be raised to ${wanted}.`);
  return wanted;
}
