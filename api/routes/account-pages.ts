import { z } from 'zod';
import { escapeHtml, htmlHeaders, htmlPage, htmlType } from '../http/html.js';
import { Reply, route, type Route } from '../http/route.js';

const page = { method: 'GET', tag: 'sign-in', auth: 'none', rate: 'public', produces: htmlType } as const;
const query = z.object({ token: z.string().max(200).default('') });

const formOf = (action: string, token: string, fields: string): string =>
  `<form method="post" action="${action}">
<input type="hidden" name="token" value="${escapeHtml(token)}">
${fields}
</form>`;

const shown = (title: string, form: string): Reply<string> =>
  new Reply(htmlPage(title, form), { headers: htmlHeaders });

/**
 * Where the links of mails lead. To look at a page uses nothing up, since mail filters open links too: only its button does.
 */
export const accountPageRoutes: readonly Route[] = [
  route({
    ...page,
    id: 'accountPages.verifyEmail',
    path: '/account/verify-email',
    summary: 'The page behind the link that proves an e-mail address',
    query,
    reply: z.string(),
    handle: ({ query: { token } }) => {
      const button = '<button>This is my e-mail address</button>';
      return Promise.resolve(shown('Confirm your e-mail address', formOf('/api/v1/auth/email/verify', token, button)));
    },
  }),
  route({
    ...page,
    id: 'accountPages.resetPassword',
    path: '/account/reset-password',
    summary: 'The page behind the link that sets a new password',
    query,
    reply: z.string(),
    handle: ({ query: { token } }) => {
      const fields = `<label for="new_password">New password, at least 14 characters</label>
<input id="new_password" type="password" name="new_password" minlength="14" maxlength="200" autocomplete="new-password" required>
<button>Set it and end every session</button>`;
      return Promise.resolve(shown('Set a new password', formOf('/api/v1/auth/password/confirm', token, fields)));
    },
  }),
  route({
    ...page,
    id: 'accountPages.acceptInvitation',
    path: '/account/accept-invitation',
    summary: 'The page behind the link of an invitation',
    query,
    reply: z.string(),
    handle: ({ query: { token } }) => {
      const fields = `<label for="password">Your password or, for a new account, the one you want (at least 14 characters)</label>
<input id="password" type="password" name="password" maxlength="200" autocomplete="current-password" required>
<label for="totp_code">The code of your second factor, if your account has one</label>
<input id="totp_code" name="totp_code" maxlength="20" autocomplete="one-time-code" inputmode="numeric">
<button>Join the workspace</button>`;
      return Promise.resolve(shown('Accept the invitation', formOf('/v1/auth/accept-invitation', token, fields)));
    },
  }),
];
