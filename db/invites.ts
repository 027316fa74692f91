import { sql, type Insertable, type Selectable } from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

export const inviteStatuses = ['active', 'revoked', 'expired', 'exhausted'] as const;
export type InviteStatus = (typeof inviteStatuses)[number];

export interface InviteRow extends Omit<
  Selectable<Tables['signup_invites']>,
  'token_hash' | 'created_by' | 'revoked_at'
> {
  readonly status: InviteStatus;
}

/** What ends an invite first says what it is: taken back, used up, over. */
const status = sql<InviteStatus>`case when signup_invites.revoked_at is not null then 'revoked'
  when signup_invites.redeemed_count >= signup_invites.max_redemptions then 'exhausted'
  when signup_invites.expires_at <= now() then 'expired' else 'active' end`;

const columns = [
  'id',
  'token_hint',
  'invited_email',
  'max_redemptions',
  'redeemed_count',
  'expires_at',
  'note',
  'signup_request_id',
  'created_at',
] as const;

export type NewInvite = Omit<Insertable<Tables['signup_invites']>, 'expires_at'> & {
  /** null: it never expires. */
  readonly hours: number | null;
};

export const insertInvite = (db: Database, { hours, ...invite }: NewInvite): Promise<InviteRow> =>
  db
    .insertInto('signup_invites')
    .values({ ...invite, expires_at: hours === null ? null : sql<Date>`now() + make_interval(hours => ${hours})` })
    .returning(columns)
    .returning(status.as('status'))
    .executeTakeFirstOrThrow();

export const findInvite = (db: Database, tokenHash: string): Promise<InviteRow | undefined> =>
  db
    .selectFrom('signup_invites')
    .select(columns)
    .select(status.as('status'))
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst();

export interface InviteFilter {
  readonly status?: InviteStatus | undefined;
  readonly email?: string | undefined;
  readonly request_id?: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Newest first. */
export async function listInvites(
  db: Database,
  filter: InviteFilter,
): Promise<{ readonly invites: readonly InviteRow[]; readonly total: number }> {
  let found = db.selectFrom('signup_invites');
  if (filter.status !== undefined) found = found.where(status, '=', filter.status);
  if (filter.email !== undefined) found = found.where('invited_email', '=', filter.email);
  if (filter.request_id !== undefined) found = found.where('signup_request_id', '=', filter.request_id);
  const invites = await found
    .select(columns)
    .select(status.as('status'))
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .offset(filter.offset)
    .execute();
  const { total } = await found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow();
  return { invites, total };
}

/** Undefined for an unknown or already revoked one. */
export const revokeInvite = (db: Database, id: string): Promise<InviteRow | undefined> =>
  db
    .updateTable('signup_invites')
    .set({ revoked_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returning(columns)
    .returning(status.as('status'))
    .executeTakeFirst();

/** Holds a place while a registration runs; false when those who run already have all that are left. */
export const reserveInvite = (
  db: Database,
  { id, inviteId, minutes }: { readonly id: string; readonly inviteId: string; readonly minutes: number },
): Promise<boolean> =>
  db.transaction().execute(async (trx) => {
    const invite = await trx
      .selectFrom('signup_invites')
      .select(['max_redemptions', 'redeemed_count'])
      .where('id', '=', inviteId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const { held } = await trx
      .selectFrom('signup_invite_reservations')
      .select(sql<number>`count(*)::int`.as('held'))
      .where('invite_id', '=', inviteId)
      .where(sql<boolean>`expires_at > now()`)
      .executeTakeFirstOrThrow();
    if (invite.redeemed_count + held >= invite.max_redemptions) return false;
    await trx
      .insertInto('signup_invite_reservations')
      .values({ id, invite_id: inviteId, expires_at: sql<Date>`now() + make_interval(mins => ${minutes})` })
      .execute();
    return true;
  });

export async function releaseInvite(db: Database, reservationId: string): Promise<void> {
  await db.deleteFrom('signup_invite_reservations').where('id', '=', reservationId).execute();
}

/** Counts a use; false when the invite was revoked, used up or over meanwhile. For the transaction that makes the account. */
export async function redeemInvite(db: Database, inviteId: string): Promise<boolean> {
  const row = await db
    .updateTable('signup_invites')
    .set({ redeemed_count: sql<number>`redeemed_count + 1` })
    .where('id', '=', inviteId)
    .where(status, '=', 'active')
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
