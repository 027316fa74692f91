import type { Mailer } from './mail.js';

export interface MailDeps {
  /** Absent: no mail is sent; who issues an invite hands it over themselves. */
  readonly mailer?: Mailer | undefined;
  /** Where people register. */
  readonly publicUrl?: string | undefined;
  /** Told of mail that could not be sent: the invite stands all the same. */
  readonly onError: (error: unknown) => void;
}

export interface InviteMail {
  readonly inviteId: string;
  readonly to: string;
  readonly token: string;
  readonly expiresAt: Date | null;
}

export async function mailInvite(deps: MailDeps, { inviteId, to, token, expiresAt }: InviteMail): Promise<void> {
  const where = deps.publicUrl === undefined ? '' : ` at ${deps.publicUrl}`;
  const end = expiresAt === null ? '' : ` It works until ${expiresAt.toUTCString()}.`;
  const lines = [
    `You are invited to make an account${where}.`,
    '',
    'Your invite token:',
    token,
    '',
    `Give it as invite_token when you register with this e-mail address.${end}`,
    'If you did not expect this, you need not do anything.',
  ];
  try {
    await deps.mailer?.send({
      to,
      subject: 'Your invitation to Keelson',
      text: lines.join('\n'),
      key: `invite/${inviteId}`,
    });
  } catch (error) {
    deps.onError(error);
  }
}
