import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAccount, type WithAccount } from '../../api/services/accounts.js';
import { admit } from '../../api/services/admission.js';
import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import { findInvite, insertInvite, revokeInvite, type InviteRow } from '../../db/invites.js';
import { testDatabase } from '../support/database.js';
import { PASSWORD } from './support.js';

let db: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
});
afterAll(() => drop());

const invite = (token: string): Promise<InviteRow> =>
  insertInvite(db, {
    id: `inv_${token}`,
    token_hash: sha256Hex(token),
    token_hint: token.slice(0, 8),
    max_redemptions: 1,
    hours: 1,
    created_by: 'admin',
  });

/** As a registration does it, with something that happens in the account's transaction. */
const comeIn = (
  token: string,
  and: { before?: () => Promise<unknown>; within?: WithAccount } = {},
): Promise<unknown> => {
  const email = `${token}@example.com`;
  return admit({ db, signup: 'invite_only' }, { email, token }, async (redeem) => {
    await and.before?.();
    return createAccount(db, { email, password: PASSWORD }, async (trx, account) => {
      await redeem(trx);
      await and.within?.(trx, account);
    });
  });
};

async function expectNothingLeft(token: string, redeemed: number): Promise<void> {
  const users = await db.selectFrom('users').select('id').where('email', '=', `${token}@example.com`).execute();
  expect(users).toEqual([]);
  expect(await db.selectFrom('signup_invite_reservations').selectAll().execute()).toEqual([]);
  expect(await findInvite(db, sha256Hex(token))).toMatchObject({ redeemed_count: redeemed });
}

test('an invite that is taken back while a registration runs makes no account', async () => {
  const { id } = await invite('revoked');
  await expect(comeIn('revoked', { before: () => revokeInvite(db, id) })).rejects.toMatchObject({ status: 403 });
  await expectNothingLeft('revoked', 0);
});

test('a place that was given away in spite of the reservation makes no account', async () => {
  const { id } = await invite('gone');
  const take = () => db.updateTable('signup_invites').set({ redeemed_count: 1 }).where('id', '=', id).execute();
  await expect(comeIn('gone', { before: take })).rejects.toMatchObject({ status: 403 });
  await expectNothingLeft('gone', 1);
});

test('an account that fails at the last moment uses up nothing', async () => {
  await invite('late');
  const within = (): Promise<never> => Promise.reject(new Error('the power went out'));
  await expect(comeIn('late', { within })).rejects.toThrow('the power went out');
  await expectNothingLeft('late', 0);
  await comeIn('late');
  expect(await findInvite(db, sha256Hex('late'))).toMatchObject({ redeemed_count: 1, status: 'exhausted' });
});
