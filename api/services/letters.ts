import { newId } from '../../db/ids.js';
import type { Letter } from './mail.js';

/** The letters people get about their account, in plain text: nothing in them comes from a stranger. */
export interface Letters {
  readonly verifyEmail: (to: string, token: string) => Letter;
  readonly resetPassword: (to: string, token: string) => Letter;
  readonly passwordChanged: (to: string) => Letter;
}

export const VERIFY_MINUTES = 60;
export const RESET_MINUTES = 30;

/** Links lead to our own address and never to the one a request names: a forged Host header would carry tokens away. */
export function createLetters(baseUrl: string): Letters {
  const letter = (to: string, subject: string, lines: readonly string[]): Letter => ({
    to,
    subject,
    text: `${lines.join('\n\n')}\n`,
    key: newId('mail'),
  });
  const link = (page: string, token: string): string => `${baseUrl}/account/${page}?token=${token}`;
  return {
    verifyEmail: (to, token) =>
      letter(to, 'Confirm your e-mail address', [
        'Somebody, most likely you, gave this e-mail address to Keelson. To confirm that it is yours, open',
        link('verify-email', token),
        `The link works once, for ${VERIFY_MINUTES} minutes. If it was not you, do nothing.`,
      ]),
    resetPassword: (to, token) =>
      letter(to, 'Set a new password', [
        'Somebody, most likely you, asked for a new password for your account. To choose one, open',
        link('reset-password', token),
        `The link works once, for ${RESET_MINUTES} minutes. If it was not you, do nothing: your password stays as it is.`,
      ]),
    passwordChanged: (to) =>
      letter(to, 'Your password was changed', [
        'The password of your account was changed, and every session was ended. If it was you, sign in again.',
        'If it was not you, ask for a new password at once and tell an administrator of your organisation.',
      ]),
  };
}
