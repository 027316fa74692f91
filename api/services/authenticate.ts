import { equalSecrets, sha256Hex } from '../../db/crypto.js';
import { PLATFORM_TENANT } from '../../db/identity.js';
import {
  findApiKey,
  findDeployment,
  findOrgToken,
  findServiceAccount,
  findToken,
  type TokenHolder,
} from '../../db/principals.js';
import { findWorkspace } from '../../db/workspaces.js';
import { forbidden, notFound } from '../http/errors.js';
import { anonymous, type Actor, type ActorType } from '../actor.js';
import type { Asked, AuthenticateDeps, Credentials } from './asked.js';
import { checkOrigin, presentedToken, wrongCredential } from './credentials.js';
import { reached } from './reached.js';
import { allCapabilities, roleCapabilities, tokenCapabilities } from './roles.js';
import { allScopes, scopeCapabilities } from './scopes.js';
import { createTouch, type Touch } from './touch.js';
import { createUserActor } from './user-actor.js';

type CredentialKind = Exclude<ActorType, 'anonymous'>;

/** Which credentials open which routes; every other is wrong there. */
const accepted: Readonly<Record<Asked['auth'], ReadonlySet<CredentialKind>>> = {
  user: new Set(['user', 'workspace_token', 'org_token', 'api_key', 'admin']),
  member: new Set(['user', 'workspace_token', 'api_key', 'admin']),
  workspace: new Set(['user', 'workspace_token', 'org_token', 'api_key', 'admin']),
  tenant: new Set(['user', 'api_key', 'service_account', 'admin']),
  embed: new Set(['embed_token']),
  admin: new Set(['user', 'org_token', 'admin']),
};

interface Presented {
  readonly asked: Asked;
  readonly token: string;
}

type Identify = (deps: AuthenticateDeps, presented: Presented, touch: Touch) => Promise<Actor>;

export function createAuthenticate(deps: AuthenticateDeps): (credentials: Credentials) => Promise<Actor> {
  const touch = createTouch(deps);
  const userActor = createUserActor(deps, touch);
  const identify: Readonly<Record<Exclude<CredentialKind, 'user' | 'service_account'>, Identify>> = {
    admin: adminActor,
    workspace_token: tokenActor,
    org_token: orgActor,
    api_key: keyActor,
    embed_token: embedActor,
  };
  return async (credentials) => {
    const { auth } = credentials;
    if (auth === 'none') return anonymous;
    const asked = { ...credentials, auth };
    const token = presentedToken(asked, deps.trustedOrigins);
    const kind = kindOf(token, deps.adminToken);
    if (kind === 'jwt') {
      const verified = await deps.signer.verifyAccess(token);
      if (verified === null || !accepted[auth].has(verified.kind)) throw wrongCredential(auth);
      return verified.kind === 'user' ? userActor(asked, verified) : serviceActor(deps, asked, verified.jti);
    }
    if (!accepted[auth].has(kind)) throw wrongCredential(auth);
    return identify[kind](deps, { asked, token }, touch);
  };
}

function kindOf(
  token: string,
  adminToken: string | undefined,
): Exclude<CredentialKind, 'user' | 'service_account'> | 'jwt' {
  if (adminToken !== undefined && equalSecrets(token, adminToken)) return 'admin';
  if (/^as_(live|test)_/.test(token)) return 'api_key';
  if (token.startsWith('org_')) return 'org_token';
  if (token.startsWith('cdp_')) return 'embed_token';
  return token.split('.').length === 3 ? 'jwt' : 'workspace_token';
}

async function adminActor(deps: AuthenticateDeps, { asked }: Presented): Promise<Actor> {
  if (asked.auth === 'member') {
    throw forbidden('ADMIN_TOKEN opens /workspaces and /admin; here use a workspace token or a signed-in user.');
  }
  const admin: Actor = {
    ...anonymous,
    type: 'admin',
    id: 'admin',
    capabilities: allCapabilities,
    scopes: allScopes,
    role: 'owner',
  };
  if (asked.auth === 'tenant') return { ...admin, tenantId: asked.tenantHeader || PLATFORM_TENANT };
  if (asked.auth !== 'workspace') return admin;
  const workspaceId = asked.pathWorkspaceId ?? '';
  const workspace = await reached(deps, findWorkspace(deps.db, workspaceId));
  if (workspace === undefined) throw notFound('workspace', workspaceId);
  return { ...admin, workspaceId, tenantId: workspace.tenant_id };
}

async function tokenActor(deps: AuthenticateDeps, { asked, token }: Presented, touch: Touch): Promise<Actor> {
  const holder = await found(asked, reached(deps, findToken(deps.db, sha256Hex(token))));
  requireOwn(asked, holder.workspaceId);
  touch('workspace_tokens', holder);
  return { ...of(holder), type: 'workspace_token', capabilities: tokenCapabilities };
}

async function keyActor(deps: AuthenticateDeps, { asked, token }: Presented, touch: Touch): Promise<Actor> {
  const holder = await found(asked, reached(deps, findApiKey(deps.db, sha256Hex(token))));
  requireOwn(asked, holder.workspaceId);
  requireTenant(asked, holder.tenantId);
  touch('api_keys', holder);
  return {
    ...of(holder),
    type: 'api_key',
    capabilities: scopeCapabilities(holder.scopes),
    scopes: new Set(holder.scopes),
    isLive: holder.environment === 'live',
    ...(holder.rateLimit === null ? {} : { ratePerMinute: holder.rateLimit }),
  };
}

/** Opens every workspace of its organisation as an administrator would. */
async function orgActor(deps: AuthenticateDeps, { asked, token }: Presented, touch: Touch): Promise<Actor> {
  const workspaceId = asked.auth === 'workspace' ? (asked.pathWorkspaceId ?? '') : '';
  const holder = await found(asked, reached(deps, findOrgToken(deps.db, { tokenHash: sha256Hex(token), workspaceId })));
  if (holder.workspaceId !== workspaceId) throw wrongCredential(asked.auth);
  touch('org_tokens', holder);
  return { ...of(holder), type: 'org_token', capabilities: roleCapabilities.admin, role: 'admin' };
}

/** Requests a minute of a deployment's token, unless its workspace caps its agents otherwise. */
const EMBED_RATE = 60;

async function embedActor(deps: AuthenticateDeps, { asked, token }: Presented, touch: Touch): Promise<Actor> {
  const holder = await found(asked, reached(deps, findDeployment(deps.db, sha256Hex(token))));
  checkOrigin(asked.origin, holder.allowedOrigins);
  touch('deployments', holder);
  const { definitionId, rpmCap } = holder;
  return { ...of(holder), type: 'embed_token', definitionId, ratePerMinute: rpmCap ?? EMBED_RATE };
}

async function serviceActor(deps: AuthenticateDeps, asked: Asked, jti: string): Promise<Actor> {
  const holder = await found(asked, reached(deps, findServiceAccount(deps.db, jti)));
  if (holder.tenantId !== null) requireTenant(asked, holder.tenantId);
  const tenantId = holder.tenantId ?? asked.tenantHeader ?? '';
  const scopes = new Set(holder.scopes);
  const { account, workspaceId } = holder;
  const capabilities = scopeCapabilities(scopes);
  return { ...anonymous, type: 'service_account', id: account, workspaceId, tenantId, capabilities, scopes };
}

const of = ({ id, workspaceId, tenantId }: TokenHolder): Actor => ({ ...anonymous, id, workspaceId, tenantId });

async function found<T>(asked: Asked, query: Promise<T | undefined>): Promise<T> {
  const holder = await query;
  if (holder === undefined) throw wrongCredential(asked.auth);
  return holder;
}

function requireOwn(asked: Asked, workspaceId: string): void {
  if (asked.auth === 'workspace' && asked.pathWorkspaceId !== workspaceId) throw wrongCredential(asked.auth);
  if (asked.auth === 'member' && (asked.workspaceHeader || workspaceId) !== workspaceId) {
    throw forbidden(`X-Workspace-Id: this token belongs to ${workspaceId} and opens no other workspace.`);
  }
}

function requireTenant(asked: Asked, tenantId: string): void {
  if (asked.auth === 'tenant' && (asked.tenantHeader || tenantId) !== tenantId) {
    throw forbidden('X-Tenant-Id: this credential belongs to another organisation.');
  }
}
