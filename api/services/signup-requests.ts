import { newId } from '../../db/ids.js';
import {
  decideSignupRequest,
  findSignupRequest,
  insertSignupRequest,
  listSignupRequests,
  requestStatuses,
  type RequestStatus,
  type SignupRequestRow,
} from '../../db/signup-requests.js';
import { conflict, forbidden, notFound, tooMany } from '../http/errors.js';
import { networkOf } from '../address.js';
import { normaliseEmail } from './accounts.js';
import { sendInvite, writeInvite, type InviteDeps, type IssuedInvite } from './invites.js';
import { policyOf, type SignupMode, type SignupPolicy } from './signup-policy.js';

export { requestStatuses };

/** Of one network, undecided. */
const MAX_PENDING = 3;
const RETRY_SECONDS = 3_600;

export interface AccessRequest {
  readonly email: string;
  readonly organization: string;
  readonly full_name: string;
  readonly message?: string | null | undefined;
  /** A field people do not see: who fills it in is a program. */
  readonly honeypot?: string | null | undefined;
}

export interface Decided {
  readonly request: SignupRequestRow;
  readonly invite: IssuedInvite | null;
}

export interface SignupRequestService {
  readonly policy: () => SignupPolicy;
  /** Answers the same whether it was kept, was there before or was dropped. */
  readonly ask: (request: AccessRequest, ip: string) => Promise<SignupPolicy>;
  readonly list: (filter: {
    readonly status?: RequestStatus | undefined;
    readonly limit: number;
    readonly offset: number;
  }) => Promise<{ readonly requests: readonly SignupRequestRow[]; readonly total: number }>;
  /** Makes an invite for one use by that address; it is mailed there. */
  readonly approve: (decision: {
    readonly id: string;
    readonly by: string;
    readonly note: string | null;
    readonly hours: number | null;
  }) => Promise<Decided>;
  readonly reject: (decision: {
    readonly id: string;
    readonly by: string;
    readonly reason: string | null;
  }) => Promise<Decided>;
}

export interface SignupRequestDeps extends InviteDeps {
  readonly signup: SignupMode;
}

export function createSignupRequestService(deps: SignupRequestDeps): SignupRequestService {
  const { db, signup } = deps;
  return {
    policy: () => policyOf[signup],
    ask: (request, ip) => ask(deps, request, ip),
    list: (filter) => listSignupRequests(db, filter),
    approve: async ({ id, by, note, hours }) => {
      const decided = await db.transaction().execute(async (trx) => {
        const request = await decide(trx, { id, by, status: 'approved', reason: note });
        const input = { max_redemptions: 1, expires_in_hours: hours, invited_email: request.email, note };
        return { request, invite: await writeInvite(trx, { ...input, signup_request_id: id }, by) };
      });
      await sendInvite(deps, decided.invite);
      const { token_hint: hint } = decided.invite;
      return { ...decided, request: { ...decided.request, invite_token_hint: hint } };
    },
    reject: async ({ id, by, reason }) => ({
      request: await decide(db, { id, by, status: 'rejected', reason }),
      invite: null,
    }),
  };
}

async function ask({ db, signup }: SignupRequestDeps, request: AccessRequest, ip: string): Promise<SignupPolicy> {
  if (signup === 'closed') throw forbidden('Sign-up is closed on this installation: requests are not taken.');
  const policy = policyOf[signup];
  const { email, organization, full_name, message, honeypot } = request;
  if (honeypot) return policy;
  const row = { id: newId('sur'), email: normaliseEmail(email), organization, full_name, message: message ?? null };
  const outcome = await insertSignupRequest(db, { ...row, network: networkOf(ip) }, MAX_PENDING);
  if (outcome === 'full') {
    throw tooMany(`${MAX_PENDING} requests from your network wait for a decision: wait for it.`, RETRY_SECONDS);
  }
  return policy;
}

async function decide(
  db: SignupRequestDeps['db'],
  decision: Parameters<typeof decideSignupRequest>[1],
): Promise<SignupRequestRow> {
  const done = await decideSignupRequest(db, decision);
  const request = await findSignupRequest(db, decision.id);
  if (request === undefined) throw notFound('sign-up request', decision.id);
  if (!done) throw conflict(`The request was ${request.status} before; it cannot be decided again.`);
  return request;
}
