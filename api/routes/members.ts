import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Email, Empty, Page, pageOf, Time } from '../http/schemas.js';
import { headers, Session, sessionCookies, withoutRefresh } from './auth.js';
import { clientOf } from './client.js';

const tag = 'members';
const Role = z.enum(['owner', 'admin', 'developer', 'editor', 'viewer']);

const Member = z
  .object({
    user_id: z.string(),
    email: z.string(),
    name: z.string(),
    role: Role,
    inherited: z.boolean(),
    is_active: z.boolean(),
    joined_at: Time,
  })
  .meta({ id: 'Member' });

const Invitation = z
  .object({
    id: z.string(),
    workspace_id: z.string(),
    email: z.string(),
    role: Role,
    invited_by: z.string(),
    created_at: Time,
    expires_at: Time,
  })
  .meta({ id: 'Invitation' });

export const memberRoutes: readonly Route[] = [
  route({
    id: 'members.list',
    method: 'GET',
    path: '/v1/members',
    summary: 'Everybody with a role in the workspace, held here or above',
    tag,
    auth: 'member',
    can: 'member.read',
    query: Page,
    reply: pageOf(Member),
    handle: ({ actor, query }, { members }) => members.list(actor.workspaceId, query),
  }),
  route({
    id: 'members.invite',
    method: 'POST',
    path: '/v1/members',
    summary: 'Invite an e-mail address into the workspace, or one below it; whether it has an account or not',
    tag,
    auth: 'member',
    can: 'member.write',
    mfa: 'sensitive',
    audit: { entity: 'invitation' },
    body: z.object({ email: Email, role: Role, workspace_id: z.string().min(1).max(64).optional() }),
    reply: Invitation,
    status: 201,
    errors: {
      404: 'no such workspace here or below',
      409: 'a member already',
      429: 'the workspace sent 100 invitations within an hour',
      502: 'the mail server did not take the mail: invite again later',
      503: 'no mail can be sent',
    },
    handle: async ({ actor, body }, { invitations }) =>
      new Reply(await invitations.invite(actor, body), { status: 201 }),
  }),
  route({
    id: 'members.invitations',
    method: 'GET',
    path: '/v1/members/invitations',
    summary: 'Invitations nobody has accepted yet',
    tag,
    auth: 'member',
    can: 'member.write',
    query: Page,
    reply: pageOf(Invitation),
    handle: ({ actor, query }, { invitations }) => invitations.list(actor.workspaceId, query),
  }),
  route({
    id: 'members.revokeInvitation',
    method: 'DELETE',
    path: '/v1/members/invitations/:invitation_id',
    summary: 'Take an invitation back',
    tag,
    auth: 'member',
    can: 'member.write',
    audit: { entity: 'invitation' },
    reply: Empty,
    status: 204,
    errors: { 404: 'unknown, foreign, accepted or already taken back' },
    handle: async ({ actor, params }, { invitations }) => {
      await invitations.revoke(actor.workspaceId, params.invitation_id);
      return undefined;
    },
  }),
  route({
    id: 'members.change',
    method: 'PATCH',
    path: '/v1/members/:user_id',
    summary: "Change a member's role in the workspace",
    tag,
    auth: 'member',
    can: 'member.write',
    mfa: 'sensitive',
    audit: { entity: 'member' },
    body: z.object({ role: Role }),
    reply: z.object({ user_id: z.string(), role: Role }),
    errors: { 404: 'no member of this workspace itself', 409: 'the last owner stays one' },
    handle: ({ actor, params, body }, { members }) => members.change(actor, params.user_id, body.role),
  }),
  route({
    id: 'members.remove',
    method: 'DELETE',
    path: '/v1/members/:user_id',
    summary: 'Put a member out of the workspace and all below it; your own id leaves it',
    tag,
    auth: 'member',
    can: 'member.read',
    mfa: 'sensitive',
    audit: { entity: 'member' },
    reply: Empty,
    status: 204,
    errors: { 404: 'no member of this workspace itself', 409: 'the last owner stays' },
    handle: async ({ actor, params }, { members }) => {
      await members.remove(actor, params.user_id);
      return undefined;
    },
  }),
  route({
    id: 'auth.acceptInvitation',
    method: 'POST',
    path: '/v1/auth/accept-invitation',
    summary: 'Accept an invitation: makes the account where there is none, joins the workspace and signs in',
    tag: 'auth',
    auth: 'none',
    rate: 'auth',
    audit: false,
    accepts: ['application/x-www-form-urlencoded'],
    body: z.object({
      token: z.string().min(1).max(200),
      password: z.string().min(1).max(1_000).optional(),
      name: z.string().trim().min(1).max(200).optional(),
      totp_code: z.string().max(20).optional(),
    }),
    reply: Session,
    errors: {
      401: "wrong password of the address's account, or its second factor is missing or wrong",
      403: 'the account is disabled',
      404: 'the invitation is unknown, used, revoked or over',
      409: 'an account with this address was made meanwhile',
      423: 'five failures in 15 minutes lock the address',
    },
    handle: async (request, { invitations }) => {
      const signedIn = await invitations.accept(request.body, clientOf(request));
      return new Reply(withoutRefresh(signedIn), { headers, cookies: sessionCookies(signedIn) });
    },
  }),
];
