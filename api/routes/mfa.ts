import { z } from 'zod';
import { Reply, route, type Request, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';
import type { CodeGiven } from '../services/mfa.js';
import { headers } from './auth.js';
import { clientOf } from './client.js';

const tag = 'auth';

const CodeBody = z.object({
  code: z
    .string()
    .min(1)
    .max(40)
    .meta({ description: 'Six digits of the authenticator, or a recovery code', example: '123456' }),
});
const NewCodes = z
  .object({ mfa_enabled: z.literal(true), recovery_codes: z.array(z.string()) })
  .meta({ id: 'RecoveryCodes' });

const given = (request: Request<string, unknown, z.output<typeof CodeBody>>): CodeGiven => ({
  actor: request.actor,
  code: request.body.code,
  client: clientOf(request),
});

const wrong = { 422: 'the code is wrong, or was used before', 423: 'too many wrong codes lock the address' };
const off = '403 for a token: second factors belong to people';

/** Open before a required second factor is set up: they are how it is. */
const own = { tag, auth: 'user', mfa: 'none', rate: 'auth' } as const;

export const mfaRoutes: readonly Route[] = [
  route({
    ...own,
    rate: 'api',
    id: 'mfa.status',
    method: 'GET',
    path: '/v1/auth/mfa',
    summary: 'Whether you have a second factor, must have one, and proved it in this session',
    reply: z.object({
      mfa_enabled: z.boolean(),
      mfa_required: z.boolean(),
      proved: z.boolean(),
      recovery_codes_left: z.number().int(),
    }),
    errors: { 403: off },
    handle: ({ actor }, { mfa }) => mfa.status(actor),
  }),
  route({
    ...own,
    id: 'mfa.enroll',
    method: 'POST',
    path: '/v1/auth/mfa/enroll',
    summary: 'Begin with a second factor: a TOTP secret, to be verified with its first code',
    audit: { entity: 'user' },
    reply: z.object({ secret: z.string(), otpauth_url: z.string() }),
    errors: { 403: off, 409: 'a second factor is on' },
    handle: async ({ actor }, { mfa }) => new Reply(await mfa.enroll(actor), { headers }),
  }),
  route({
    ...own,
    id: 'mfa.verify',
    method: 'POST',
    path: '/v1/auth/mfa/verify',
    summary: 'Turn the second factor on with its first code; the recovery codes are shown this once',
    audit: { entity: 'user' },
    body: CodeBody,
    reply: NewCodes,
    errors: { ...wrong, 403: off, 409: 'none is enrolled, or it is on already' },
    handle: async (request, { mfa }) => new Reply(await mfa.verify(given(request)), { headers }),
  }),
  route({
    ...own,
    id: 'mfa.stepUp',
    method: 'POST',
    path: '/v1/auth/mfa/step-up',
    summary: 'Prove the second factor in this session',
    audit: { entity: 'user' },
    body: CodeBody,
    reply: z.object({ mfa_enabled: z.literal(true), mfa_at: Time }),
    errors: { ...wrong, 403: off, 409: 'you have no second factor' },
    handle: (request, { mfa }) => mfa.stepUp(given(request)),
  }),
  route({
    ...own,
    id: 'mfa.renewCodes',
    method: 'POST',
    path: '/v1/auth/mfa/recovery-codes',
    summary: 'Ten new recovery codes; the earlier ones stop working',
    audit: { entity: 'user' },
    body: CodeBody,
    reply: NewCodes,
    errors: { ...wrong, 403: off, 409: 'you have no second factor' },
    handle: async (request, { mfa }) => new Reply(await mfa.renewCodes(given(request)), { headers }),
  }),
  route({
    ...own,
    id: 'mfa.disable',
    method: 'DELETE',
    path: '/v1/auth/mfa',
    summary: 'Turn the second factor off',
    audit: { entity: 'user' },
    body: CodeBody,
    reply: z.object({ mfa_enabled: z.literal(false) }),
    errors: { ...wrong, 403: off, 409: 'you have none, or your organisation requires one' },
    handle: (request, { mfa }) => mfa.disable(given(request)),
  }),
];
