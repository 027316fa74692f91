import { sql, type Insertable, type Selectable } from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

export const requestStatuses = ['pending', 'approved', 'rejected'] as const;
export type RequestStatus = (typeof requestStatuses)[number];

export interface SignupRequestRow extends Pick<
  Selectable<Tables['signup_requests']>,
  'id' | 'email' | 'organization' | 'full_name' | 'message' | 'created_at' | 'decision_reason'
> {
  readonly status: RequestStatus;
  readonly invite_token_hint: string | null;
}

const columns = [
  'id',
  'email',
  'organization',
  'full_name',
  'message',
  'status',
  'created_at',
  'decision_reason',
] as const;
const hint = sql<string | null>`(select i.token_hint from signup_invites i
  where i.signup_request_id = signup_requests.id order by i.id desc limit 1)`;

/**
 * `full` when the network has as many undecided requests as it may have. An address that waits already is not written down
 * twice. Callers of one network are counted one after the other.
 */
export const insertSignupRequest = (
  db: Database,
  request: Insertable<Tables['signup_requests']>,
  atMost: number,
): Promise<'kept' | 'full'> =>
  db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`signup-request ${request.network}`}, 0))`.execute(trx);
    const { pending } = await trx
      .selectFrom('signup_requests')
      .select(sql<number>`count(*)::int`.as('pending'))
      .where('network', '=', request.network)
      .where('status', '=', 'pending')
      .executeTakeFirstOrThrow();
    if (pending >= atMost) return 'full';
    await trx
      .insertInto('signup_requests')
      .values(request)
      .onConflict((conflict) => conflict.column('email').where('status', '=', sql.lit('pending')).doNothing())
      .execute();
    return 'kept';
  });

export const findSignupRequest = (db: Database, id: string): Promise<SignupRequestRow | undefined> =>
  db
    .selectFrom('signup_requests')
    .select(columns)
    .select(hint.as('invite_token_hint'))
    .where('id', '=', id)
    .executeTakeFirst();

/** Newest first. */
export async function listSignupRequests(
  db: Database,
  filter: { readonly status?: RequestStatus | undefined; readonly limit: number; readonly offset: number },
): Promise<{ readonly requests: readonly SignupRequestRow[]; readonly total: number }> {
  let found = db.selectFrom('signup_requests');
  if (filter.status !== undefined) found = found.where('status', '=', filter.status);
  const requests = await found
    .select(columns)
    .select(hint.as('invite_token_hint'))
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .offset(filter.offset)
    .execute();
  const { total } = await found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow();
  return { requests, total };
}

/** False when it is unknown or was decided before. */
export async function decideSignupRequest(
  db: Database,
  decision: {
    readonly id: string;
    readonly status: 'approved' | 'rejected';
    readonly by: string;
    readonly reason: string | null;
  },
): Promise<boolean> {
  const row = await db
    .updateTable('signup_requests')
    .set({
      status: decision.status,
      decided_by: decision.by,
      decision_reason: decision.reason,
      decided_at: sql<Date>`now()`,
    })
    .where('id', '=', decision.id)
    .where('status', '=', 'pending')
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
