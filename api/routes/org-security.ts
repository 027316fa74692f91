import { z } from 'zod';
import { route, type Route } from '../http/route.js';

const tag = 'members';
const Policy = z
  .object({ mfa_policy: z.enum(['off', 'sensitive', 'always']) })
  .meta({ id: 'MfaPolicy', description: 'When members must have proved a second factor' });

export const orgSecurityRoutes: readonly Route[] = [
  route({
    id: 'orgSecurity.get',
    method: 'GET',
    path: '/v1/workspaces/security',
    summary: "The organisation's rule for second factors",
    tag,
    auth: 'tenant',
    role: 'owner',
    reply: Policy,
    errors: { 404: 'no such organisation' },
    handle: ({ actor }, { orgSecurity }) => orgSecurity.get(actor.tenantId),
  }),
  route({
    id: 'orgSecurity.set',
    method: 'PUT',
    path: '/v1/workspaces/security',
    summary: 'Change the rule for second factors: off, for sensitive actions, or always',
    tag,
    auth: 'tenant',
    role: 'owner',
    mfa: 'sensitive',
    audit: { entity: 'organisation' },
    body: Policy,
    reply: Policy,
    errors: { 404: 'no such organisation' },
    handle: ({ actor, body }, { orgSecurity }) => orgSecurity.set(actor.tenantId, body.mfa_policy),
  }),
  route({
    id: 'auth.revokeAll',
    method: 'POST',
    path: '/v1/auth/revoke-all',
    summary: 'End every session of everybody in the organisation, your own too, or of one member',
    tag,
    auth: 'tenant',
    role: 'admin',
    mfa: 'sensitive',
    audit: { entity: 'organisation' },
    body: z.object({ user_id: z.string().min(1).max(64).optional() }).nullish(),
    reply: z.object({ revoked: z.number().int() }),
    errors: { 404: 'user_id is nobody of the organisation' },
    handle: ({ actor, body }, { orgSecurity }) => orgSecurity.revokeAll(actor, body?.user_id),
  }),
];
