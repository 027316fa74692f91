import {
  listServiceAccountTokens,
  revokeServiceAccountToken,
  type ServiceAccountTokenFilter,
  type ServiceAccountTokenRow,
} from '../../db/service-accounts.js';
import type { Actor } from '../actor.js';
import { badRequest, forbidden } from '../http/errors.js';
import type { AuditEntry, AuditService } from './audit.js';
import { atLeast } from './roles.js';
import { allScopes, hasScope } from './scopes.js';
import { issueToken, type IssueDeps, type IssuedToken } from './service-account-issue.js';
import {
  proveRequest,
  type Proof,
  type ServiceAccountRequest,
  type ServiceAccountTrust,
} from './service-account-proof.js';
import type { Client } from './sessions.js';
import { holdToLimits } from './special-limits.js';

export interface OperatorHeaders {
  /** X-Operator-Override: true. */
  readonly override: boolean;
  /** X-Operator-Reason. */
  readonly reason: string | undefined;
}

export interface TokenQuery extends ServiceAccountTokenFilter {
  readonly tenant_id?: string | undefined;
  readonly include_global: boolean;
}

export interface Person {
  readonly actor: Actor;
  readonly operator: OperatorHeaders;
  readonly client: Client;
}

export interface ServiceAccountService {
  /** For a vault, which signs what it asks for. */
  readonly issue: (request: ServiceAccountRequest, proof: Proof, client: Client) => Promise<IssuedToken>;
  /** For a person: an administrator for their organisation, or an operator who says why. */
  readonly browserIssue: (
    request: ServiceAccountRequest & { readonly reason: string },
    who: Person,
  ) => Promise<IssuedToken>;
  readonly list: (
    query: TokenQuery,
    actor: Actor,
  ) => Promise<{ readonly items: readonly ServiceAccountTokenRow[]; readonly total: number }>;
  /** Says nothing of whether there was such a token. */
  readonly revoke: (jti: string, who: { readonly actor: Actor; readonly reason: string | undefined }) => Promise<void>;
}

export interface ServiceAccountDeps extends IssueDeps {
  readonly trust: ServiceAccountTrust;
  readonly audit: AuditService;
}

const PER_ACCOUNT = 5;
const ALTOGETHER = 30;
const DEFAULT_REASON = 'tenant_admin_manual_revoke';

export function createServiceAccountService(deps: ServiceAccountDeps): ServiceAccountService {
  const { db, trust } = deps;
  return {
    issue: async (request, proof, client) => {
      const by = await proveRequest({ db, trust }, request, proof);
      await holdToIssueLimits(deps, 'vault', request.account);
      const issued = await issueToken(deps, request, { by, reason: null });
      await record(deps, issued, { client, workspaceId: null, actorType: 'vault', actorId: by });
      return issued;
    },
    browserIssue: (request, who) => browserIssue(deps, request, who),
    list: async (query, actor) => {
      const { tenant_id: tenantId, include_global: includeGlobal, ...filter } = query;
      if (isOperator(actor)) return listServiceAccountTokens(db, { tenantId: tenantId ?? null, includeGlobal }, filter);
      requireAdmin(actor);
      if (includeGlobal) throw forbidden('include_global: only operators see the tokens of the whole installation.');
      if (tenantId !== undefined && tenantId !== actor.tenantId) throw forbidden(foreign);
      return listServiceAccountTokens(db, { tenantId: actor.tenantId, includeGlobal: false }, filter);
    },
    revoke: async (jti, { actor, reason }) => {
      if (isOperator(actor)) {
        if (!reason) throw badRequest('reason: an operator says why, here or in X-Operator-Reason.', 'reason');
        return revokeServiceAccountToken(db, { jti, tenantId: null, reason });
      }
      requireAdmin(actor);
      return revokeServiceAccountToken(db, { jti, tenantId: actor.tenantId, reason: reason || DEFAULT_REASON });
    },
  };
}

const foreign = 'tenant_id: you administer another organisation.';

const isOperator = ({ scopes }: Actor): boolean => scopes.has('support:*') || scopes.has('platform:operator');

function requireAdmin({ role }: Actor): void {
  if (role === null || !atLeast(role, 'admin')) {
    throw forbidden('This needs the role "admin" in the organisation, or an operator.');
  }
}

async function browserIssue(
  deps: ServiceAccountDeps,
  { reason, ...request }: ServiceAccountRequest & { readonly reason: string },
  { actor, operator, client }: Person,
): Promise<IssuedToken> {
  if (actor.type !== 'user' && actor.type !== 'admin') {
    throw forbidden(
      'Only a person may have tokens issued here: a program asks POST /api/v1/auth/service-accounts/issue.',
    );
  }
  const asked = operator.override ? forOperator(actor, request, operator) : forAdmin(actor, request);
  await holdToIssueLimits(deps, `browser:${asked.tenant_id ?? 'platform'}`, request.account);
  const why = operator.override ? `${reason} (operator: ${operator.reason ?? ''})` : reason;
  const issued = await issueToken(deps, asked, { by: `${actor.type}:${actor.id}`, reason: why });
  await record(deps, issued, {
    client,
    workspaceId: actor.workspaceId || null,
    actorType: actor.type,
    actorId: actor.id,
    reason: why,
  });
  return issued;
}

/** Under the id of the token, which the answer's own fields do not lead the kit to. */
function record(
  { audit }: ServiceAccountDeps,
  { jti, account, tenant_id, scopes }: IssuedToken,
  {
    client,
    reason,
    ...who
  }: Pick<AuditEntry, 'workspaceId' | 'actorType' | 'actorId'> & {
    readonly client: Client;
    readonly reason?: string;
  },
): Promise<void> {
  return audit.record({
    ...who,
    action: 'serviceAccounts.issue',
    entityType: 'service_account_token',
    entityId: jti,
    metadata: { account, tenant_id, scopes: [...scopes], ...(reason === undefined ? {} : { reason }) },
    ip: client.ip,
    requestId: client.requestId,
  });
}

function forOperator(
  actor: Actor,
  request: ServiceAccountRequest,
  { reason = '' }: OperatorHeaders,
): ServiceAccountRequest {
  if (!isOperator(actor)) throw forbidden('X-Operator-Override needs the scope "support:*" or "platform:operator".');
  if (reason.length < 10 || reason.length > 512) {
    throw badRequest('X-Operator-Reason: say why in 10 to 512 characters.', 'X-Operator-Reason');
  }
  return request;
}

/** Nobody hands on what they have not got. Unknown scopes are the catalogue's to refuse. */
function forAdmin(actor: Actor, request: ServiceAccountRequest): ServiceAccountRequest {
  requireAdmin(actor);
  const tenantId = request.tenant_id || actor.tenantId;
  if (tenantId !== actor.tenantId) throw forbidden(foreign);
  const beyond = request.scopes.filter((scope) => allScopes.has(scope) && !hasScope(actor.scopes, scope));
  if (beyond.length > 0) throw forbidden(`scopes: you have not got ${beyond.join(', ')} yourself.`);
  return { ...request, tenant_id: tenantId };
}

async function holdToIssueLimits({ db }: IssueDeps, group: string, account: string): Promise<void> {
  await holdToLimits(db, [
    {
      key: `service-account:${group}:${account.slice(0, 100)}`,
      points: PER_ACCOUNT,
      seconds: 60,
      message: 'Too many tokens of this service account.',
    },
    {
      key: `service-account:${group}`,
      points: ALTOGETHER,
      seconds: 60,
      message: "Too many service accounts' tokens altogether.",
    },
  ]);
}
