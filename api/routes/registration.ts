import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { Email } from '../http/schemas.js';
import { clientOf } from './client.js';
import { SignupPolicy } from './signup-schemas.js';
import { UserSession } from './user-session-schemas.js';

const tag = 'sign-up';
const terms = 'must be true: read the terms and accept them';

const Registered = UserSession.extend({ tenant_slug: z.string() }).meta({ id: 'UserRegisterResponse' });

const Registration = z
  .object({
    email: Email,
    password: z.string().min(14).max(1_000),
    tenant_name: z.string().trim().min(2).max(128),
    display_name: z.string().trim().max(128).nullish(),
    plan_code: z.string().max(64).nullish(),
    trial_days: z.number().int().min(0).max(365).nullish(),
    accept_terms: z.boolean().default(false).refine(Boolean, terms),
    invite_token: z.string().max(200).nullish(),
  })
  .meta({ id: 'UserRegisterRequest' });

const AccessRequest = z
  .object({
    email: Email,
    organization: z.string().trim().min(2).max(128),
    full_name: z.string().trim().min(2).max(128),
    message: z.string().max(1_000).nullish(),
    accept_terms: z.boolean().refine(Boolean, terms),
    honeypot: z.string().max(1_000).nullish(),
  })
  .meta({ id: 'SignupRequestPublicRequest' });

export const registrationRoutes: readonly Route[] = [
  route({
    id: 'signup.policy',
    method: 'GET',
    path: '/api/v1/auth/signup-policy',
    summary: 'Who may sign up here',
    tag,
    auth: 'none',
    rate: 'public',
    reply: SignupPolicy,
    handle: (_, { signupRequests }) => Promise.resolve(signupRequests.policy()),
  }),
  route({
    id: 'signup.register',
    method: 'POST',
    path: '/api/v1/auth/register',
    summary: 'Make an account with an organisation of its own and sign in',
    tag,
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: Registration,
    reply: Registered,
    status: 201,
    errors: {
      403: 'sign-up is closed, or the invite is missing, wrong, used up or over',
      409: 'the e-mail address or the organisation exists',
    },
    handle: async (request, { registration }) => {
      const registered = await registration.register(request.body, clientOf(request));
      return new Reply(registered, { status: 201, headers: { 'cache-control': 'no-store' } });
    },
  }),
  route({
    id: 'signup.requestAccess',
    method: 'POST',
    path: '/api/v1/auth/request-access',
    summary: 'Ask to be let in; an operator decides',
    tag,
    auth: 'none',
    rate: 'auth',
    audit: false,
    body: AccessRequest,
    reply: SignupPolicy,
    status: 202,
    errors: { 403: 'sign-up is closed' },
    handle: ({ body, ip }, { signupRequests }) => signupRequests.ask(body, ip),
  }),
];
