import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { headers, SignInBody, signInErrors } from './auth.js';
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
    body: SignInBody.extend({ tenant_id: z.string().max(64).optional() }),
    reply: UserSession,
    errors: {
      ...signInErrors,
      400: 'tenant_id names an organisation the account is no member of',
    },
    handle: async (request, { auth }) => new Reply(await auth.login(request.body, clientOf(request)), { headers }),
  }),
];
