import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { inviteStatuses } from '../services/invites.js';
import { Invite, InviteHours, IssuedInvite, SignupPage } from './signup-schemas.js';

const invites = { tag: 'sign-up', auth: 'tenant', scope: 'auth:invites', mfa: 'sensitive' } as const;

const NewInvite = z
  .object({
    invited_email: z.string().trim().max(254).pipe(z.email('must be an e-mail address')).nullish(),
    max_redemptions: z.number().int().min(1).max(10).default(1),
    expires_in_hours: InviteHours,
    note: z.string().max(512).nullish(),
    signup_request_id: z.string().max(100).nullish(),
  })
  .meta({ id: 'SignupInviteIssueRequest' });

/** Issuing honours no Idempotency-Key: a replay would mean keeping the token in plain text. */
export const inviteRoutes: readonly Route[] = [
  route({
    ...invites,
    id: 'invites.list',
    method: 'GET',
    path: '/api/v1/auth/invites',
    summary: 'List invites, newest first',
    query: SignupPage.extend({
      status: z.enum(inviteStatuses).optional(),
      email: z.string().max(254).optional(),
      request_id: z.string().max(100).optional(),
    }),
    reply: z.object({ invites: z.array(Invite), total: z.number().int() }).meta({ id: 'SignupInviteListResponse' }),
    handle: ({ query }, { invites: service }) => service.list(query),
  }),
  route({
    ...invites,
    id: 'invites.issue',
    method: 'POST',
    path: '/api/v1/auth/invites',
    summary: 'Issue an invite; its token is shown this once, and mailed to the address it is bound to',
    audit: { entity: 'signup_invite' },
    body: NewInvite,
    reply: IssuedInvite,
    status: 201,
    errors: { 404: 'there is no such sign-up request' },
    handle: async ({ body, actor }, { invites: service }) =>
      new Reply(await service.issue(body, actor.id), { status: 201, headers: { 'cache-control': 'no-store' } }),
  }),
  route({
    ...invites,
    id: 'invites.revoke',
    method: 'POST',
    path: '/api/v1/auth/invites/:invite_id/revoke',
    summary: 'Take an invite back',
    audit: { entity: 'signup_invite' },
    reply: Invite,
    errors: { 404: 'unknown or already revoked' },
    handle: ({ params }, { invites: service }) => service.revoke(params.invite_id),
  }),
];
