import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { requestStatuses } from '../services/signup-requests.js';
import { InviteHours, IssuedInvite, SignupPage, SignupRequest } from './signup-schemas.js';

const requests = { tag: 'sign-up', auth: 'tenant', scope: 'auth:signup_requests', mfa: 'sensitive' } as const;
const one = '/api/v1/auth/signup-requests/:request_id' as const;

const Decision = z
  .object({ request: SignupRequest, invite: IssuedInvite.nullable() })
  .meta({ id: 'SignupRequestDecisionResponse' });
const Approval = z
  .object({ note: z.string().max(512).nullish(), invite_expires_in_hours: InviteHours })
  .meta({ id: 'SignupRequestApprovalRequest' });
const Rejection = z.object({ reason: z.string().max(512).nullish() }).meta({ id: 'SignupRequestRejectionRequest' });

const errors = { 404: 'there is no such request', 409: 'it was decided before' };
const audit = { entity: 'signup_request' };

export const signupRequestRoutes: readonly Route[] = [
  route({
    ...requests,
    id: 'signupRequests.list',
    method: 'GET',
    path: '/api/v1/auth/signup-requests',
    summary: 'List who asked to be let in, newest first',
    query: SignupPage.extend({ status: z.enum(requestStatuses).optional() }),
    reply: z
      .object({ requests: z.array(SignupRequest), total: z.number().int() })
      .meta({ id: 'SignupRequestListResponse' }),
    handle: ({ query }, { signupRequests }) => signupRequests.list(query),
  }),
  route({
    ...requests,
    id: 'signupRequests.approve',
    method: 'POST',
    path: `${one}/approve`,
    summary: 'Let them in: an invite for one use by that address, shown this once and mailed there',
    audit,
    body: Approval.nullish(),
    reply: Decision,
    errors,
    handle: async ({ params, body, actor }, { signupRequests }) => {
      const { note = null, invite_expires_in_hours: hours } = body ?? Approval.parse({});
      const decided = await signupRequests.approve({ id: params.request_id, by: actor.id, note, hours });
      return new Reply(decided, { headers: { 'cache-control': 'no-store' } });
    },
  }),
  route({
    ...requests,
    id: 'signupRequests.reject',
    method: 'POST',
    path: `${one}/reject`,
    summary: 'Turn them down',
    audit,
    body: Rejection.nullish(),
    reply: Decision,
    errors,
    handle: ({ params, body, actor }, { signupRequests }) =>
      signupRequests.reject({ id: params.request_id, by: actor.id, reason: body?.reason ?? null }),
  }),
];
