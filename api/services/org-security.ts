import type { Database } from '../../db/client.js';
import { endSessions, findMfaPolicy, isInTenant, setMfaPolicy } from '../../db/members.js';
import type { MfaPolicy } from '../../db/tables.js';
import type { Actor } from '../actor.js';
import { notFound } from '../http/errors.js';

export interface MfaPolicyView {
  readonly mfa_policy: MfaPolicy;
}

/** What an organisation rules over its people. */
export interface OrgSecurityService {
  readonly get: (tenantId: string) => Promise<MfaPolicyView>;
  readonly set: (tenantId: string, policy: MfaPolicy) => Promise<MfaPolicyView>;
  /** Ends every session of everybody in the organisation, the caller's too, or of one of them. */
  readonly revokeAll: (actor: Actor, userId: string | undefined) => Promise<{ readonly revoked: number }>;
}

export const createOrgSecurityService = ({ db }: { readonly db: Database }): OrgSecurityService => ({
  get: async (tenantId) => existing(tenantId, await findMfaPolicy(db, tenantId)),
  set: async (tenantId, policy) => existing(tenantId, await setMfaPolicy(db, { tenantId, policy })),
  revokeAll: async ({ tenantId }, userId) => {
    if (userId !== undefined && !(await isInTenant(db, { tenantId, userId }))) throw notFound('member', userId);
    return { revoked: await endSessions(db, { tenantId, userId }) };
  },
});

function existing(tenantId: string, policy: MfaPolicyView | undefined): MfaPolicyView {
  if (policy === undefined) throw notFound('organisation', tenantId);
  return policy;
}
