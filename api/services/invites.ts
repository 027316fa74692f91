import type { Database } from '../../db/client.js';
import { randomToken, sha256Hex } from '../../db/crypto.js';
import { newId } from '../../db/ids.js';
import {
  insertInvite,
  inviteStatuses,
  listInvites,
  revokeInvite,
  type InviteFilter,
  type InviteRow,
} from '../../db/invites.js';
import { findSignupRequest } from '../../db/signup-requests.js';
import { notFound } from '../http/errors.js';
import { normaliseEmail } from './accounts.js';
import { mailInvite, type MailDeps } from './invite-mail.js';

export { inviteStatuses };

const HINT_LENGTH = 8;

export interface InviteInput {
  readonly invited_email?: string | null | undefined;
  readonly max_redemptions: number;
  /** null: it never expires. */
  readonly expires_in_hours: number | null;
  readonly note?: string | null | undefined;
  readonly signup_request_id?: string | null | undefined;
}

/** The only time the token is seen. */
export type IssuedInvite = InviteRow & { readonly invite_token: string };

export interface InviteService {
  readonly issue: (input: InviteInput, by: string) => Promise<IssuedInvite>;
  readonly list: (filter: InviteFilter) => Promise<{ readonly invites: readonly InviteRow[]; readonly total: number }>;
  /** 404 for an unknown or already revoked one. */
  readonly revoke: (id: string) => Promise<InviteRow>;
}

export type InviteDeps = MailDeps & { readonly db: Database };

export const createInviteService = (deps: InviteDeps): InviteService => ({
  issue: async (input, by) => {
    const { signup_request_id: requestId } = input;
    if (requestId && (await findSignupRequest(deps.db, requestId)) === undefined) {
      throw notFound('sign-up request', requestId);
    }
    const issued = await writeInvite(deps.db, input, by);
    await sendInvite(deps, issued);
    return issued;
  },
  list: ({ email, ...filter }) =>
    listInvites(deps.db, { ...filter, email: email === undefined ? undefined : normaliseEmail(email) }),
  revoke: async (id) => {
    const revoked = await revokeInvite(deps.db, id);
    if (revoked === undefined) throw notFound('live invite', id);
    return revoked;
  },
});

/** `db` may be a transaction. */
export async function writeInvite(db: Database, input: InviteInput, by: string): Promise<IssuedInvite> {
  const token = randomToken();
  const { invited_email: email, note, signup_request_id: requestId } = input;
  const invite = await insertInvite(db, {
    id: newId('inv'),
    token_hash: sha256Hex(token),
    token_hint: token.slice(0, HINT_LENGTH),
    invited_email: email ? normaliseEmail(email) : null,
    max_redemptions: input.max_redemptions,
    hours: input.expires_in_hours,
    note: note ?? null,
    signup_request_id: requestId || null,
    created_by: by,
  });
  return { ...invite, invite_token: token };
}

/** To the address it is bound to; one for anybody is handed over by who issued it. */
export async function sendInvite(deps: MailDeps, invite: IssuedInvite): Promise<void> {
  const { id, invited_email: to, invite_token: token, expires_at: expiresAt } = invite;
  if (to !== null) await mailInvite(deps, { inviteId: id, to, token, expiresAt });
}
