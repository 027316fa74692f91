import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import { newId } from '../../db/ids.js';
import { findInvite, redeemInvite, releaseInvite, reserveInvite, type InviteRow } from '../../db/invites.js';
import { forbidden } from '../http/errors.js';
import { policyOf, type SignupMode } from './signup-policy.js';

/** How long a registration keeps its place, should it never come to an end. */
const RESERVED_MINUTES = 15;

export interface AdmissionDeps {
  readonly db: Database;
  readonly signup: SignupMode;
}

export interface Applicant {
  /** Normalised. */
  readonly email: string;
  readonly token: string | undefined;
}

/** For the transaction that makes the account: the invite is counted there, or there is no account. */
export type Redeem = (trx: Database) => Promise<void>;

/**
 * Lets an applicant in as the policy says, or 403. A place of the invite is held while `make` runs, so that of several
 * people with the last one only one hashes a password; what counts is the redemption inside the account's own transaction.
 */
export async function admit<T>(
  { db, signup }: AdmissionDeps,
  applicant: Applicant,
  make: (redeem: Redeem) => Promise<T>,
): Promise<T> {
  const invite = await inviteOf({ db, signup }, applicant);
  if (invite === undefined) return make(() => Promise.resolve());
  const id = newId('inv');
  if (!(await reserveInvite(db, { id, inviteId: invite.id, minutes: RESERVED_MINUTES }))) {
    throw forbidden('invite_token: the invite is being used by somebody else right now; ask for another one.');
  }
  try {
    return await make(async (trx) => {
      if (!(await redeemInvite(trx, invite.id))) throw forbidden(refusals.exhausted);
      await releaseInvite(trx, id);
    });
  } catch (error) {
    await releaseInvite(db, id);
    throw error;
  }
}

const refusals = {
  revoked: 'invite_token: the invite was taken back; ask for another one.',
  expired: 'invite_token: the invite is over; ask for another one.',
  exhausted: 'invite_token: the invite is used up; ask for another one.',
};

/** Undefined where none is needed and none was shown. */
async function inviteOf({ db, signup }: AdmissionDeps, applicant: Applicant): Promise<InviteRow | undefined> {
  if (signup === 'closed') {
    throw forbidden('Sign-up is closed on this installation: ask its administrator for an account.');
  }
  const { email, token } = applicant;
  if (token === undefined || token === '') {
    if (policyOf[signup].invite_required) throw forbidden('invite_token: sign-up here needs an invite.');
    return undefined;
  }
  const invite = await findInvite(db, sha256Hex(token));
  if (invite === undefined) throw forbidden('invite_token: there is no such invite; copy it anew from the mail.');
  if (invite.status !== 'active') throw forbidden(refusals[invite.status]);
  if (invite.invited_email !== null && invite.invited_email !== email) {
    throw forbidden('invite_token: the invite is for another e-mail address; use the one it was sent to.');
  }
  return invite;
}
