import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Email } from '../http/schemas.js';
import { userOf } from '../services/user-sessions.js';
import { clientOf } from './client.js';
import { Success, successOf } from './user-session-schemas.js';

const tag = 'sign-in';
const open = { tag, auth: 'none', rate: 'auth', audit: false } as const;
/** The page behind the mailed link sends a form. */
const accepts = ['application/x-www-form-urlencoded'] as const;

const OneTimeToken = z.string().min(1).max(200);
const NewPassword = z.string().min(14).max(200).meta({ example: 'nine blue kettles sing' });
const policy = 'too easy to guess, or one of the last five';

export const passwordRoutes: readonly Route[] = [
  route({
    id: 'emailVerification.send',
    method: 'POST',
    path: '/api/v1/auth/email/send',
    summary: 'Mail yourself a link that proves your e-mail address',
    tag,
    auth: 'user',
    mfa: 'none',
    audit: false,
    reply: successOf(z.object({ email_verified: z.boolean() })),
    status: 202,
    errors: {
      403: 'the caller is no signed-in user',
      429: 'more than 3 mails an hour for a user, or 10 for an address',
      502: 'the mail server did not take the mail',
    },
    handle: async (request, { emailVerification }) => {
      const isVerified = await emailVerification.send(userOf(request.actor), clientOf(request));
      const message = isVerified ? 'Your e-mail address is proved already.' : 'The mail is on its way.';
      return { success: true, message, data: { email_verified: isVerified } };
    },
  }),
  route({
    ...open,
    id: 'emailVerification.verify',
    method: 'POST',
    path: '/api/v1/auth/email/verify',
    summary: 'Prove an e-mail address with the token of a mail',
    accepts,
    body: z.object({ token: OneTimeToken }),
    reply: Success,
    errors: { 400: 'the token was used, is too old or is not ours' },
    handle: async (request, { emailVerification }) => {
      await emailVerification.verify(request.body.token, clientOf(request));
      return { success: true, message: 'Your e-mail address is proved.', data: { email_verified: true } };
    },
  }),
  route({
    ...open,
    id: 'password.forgot',
    method: 'POST',
    path: '/api/v1/auth/password/forgot',
    summary: 'Ask for a mail to set a new password; says the same whether or not there is an account',
    body: z.object({ email: Email }),
    reply: Success,
    status: 202,
    errors: {
      429: 'more than 5 an hour for an e-mail address, or 20 for the caller’s',
      502: 'the mail server takes no mail at present',
    },
    handle: async (request, { passwords }) => {
      await passwords.forgot(request.body.email, clientOf(request));
      return { success: true, message: 'If the address has an account, a mail is on its way.', data: null };
    },
  }),
  route({
    ...open,
    id: 'password.confirm',
    method: 'POST',
    path: '/api/v1/auth/password/confirm',
    summary: 'Set a new password with the token of a mail; ends every session',
    accepts,
    body: z.object({ token: OneTimeToken, new_password: NewPassword }),
    reply: Success,
    errors: { 400: `the token was used, is too old or is not ours; or the password is ${policy}` },
    handle: async (request, { passwords }) => {
      await passwords.confirm(request.body, clientOf(request));
      return { success: true, message: 'The password is set: sign in with it.', data: null };
    },
  }),
  route({
    id: 'password.change',
    method: 'POST',
    path: '/api/v1/auth/password/change',
    summary: 'Change your password; ends every session, this one included',
    tag,
    auth: 'user',
    mfa: 'sensitive',
    rate: 'auth',
    audit: false,
    body: z.object({ current_password: z.string().min(8).max(1_000), new_password: NewPassword }),
    reply: Success,
    errors: {
      400: `the new password is ${policy}`,
      401: 'the current password is wrong',
      403: 'the caller is no signed-in user, or a second factor is asked for',
      429: 'more than 10 an hour for a user',
    },
    handle: async (request, { passwords }) => {
      await passwords.change(userOf(request.actor), request.body, clientOf(request));
      return { success: true, message: 'The password is changed: sign in with it.', data: null };
    },
  }),
  route({
    id: 'password.reset',
    method: 'POST',
    path: '/api/v1/auth/password/reset',
    summary: 'Set the password of a member of your organisation; ends their sessions',
    tag,
    auth: 'tenant',
    scope: 'support:read',
    mfa: 'sensitive',
    audit: false,
    body: z.object({ user_id: z.string().min(1).max(100), new_password: NewPassword }),
    reply: Success,
    errors: {
      400: `the credential belongs to no organisation; or the password is ${policy}`,
      404: 'no member of the organisation',
    },
    handle: async (request, { passwords }) => {
      await passwords.reset(request.actor, request.body, clientOf(request));
      return { success: true, message: 'The password is set.', data: { user_id: request.body.user_id } };
    },
  }),
];
