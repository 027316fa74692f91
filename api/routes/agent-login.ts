import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { headers } from './auth.js';
import { clientOf } from './client.js';
import { UserSession } from './user-session-schemas.js';

export const agentLoginRoutes: readonly Route[] = [
  route({
    id: 'agentAuth.login',
    method: 'POST',
    path: '/api/v1/auth/login',
    summary: 'Sign in; both tokens are in the body',
    tag: 'auth',
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: z.object({
      email: z.string().min(1).max(320),
      password: z.string().min(1).max(1_000),
      totp_code: z.string().max(20).optional(),
      tenant_id: z.string().max(64).optional(),
    }),
    reply: UserSession,
    errors: {
      400: 'tenant_id names an organisation the account is no member of',
      401: 'wrong e-mail address or password, or a second factor is missing or wrong',
      403: 'the account is disabled, or a member of no workspace',
      423: 'five failures in 15 minutes lock the address',
    },
    handle: async (request, { auth }) => new Reply(await auth.login(request.body, clientOf(request)), { headers }),
  }),
];
