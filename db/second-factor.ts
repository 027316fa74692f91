import { sql } from 'kysely';
import type { Database } from './client.js';

export interface Factor {
  readonly email: string;
  /** null: never enrolled. */
  readonly sealed: string | null;
  readonly isEnabled: boolean;
}

export const findFactor = (db: Database, userId: string): Promise<Factor | undefined> =>
  db
    .selectFrom('users')
    .select(['email', 'totp_sealed as sealed', sql<boolean>`totp_enabled_at is not null`.as('isEnabled')])
    .where('id', '=', userId)
    .executeTakeFirst();

/** Takes the place of an enrolment that was not proved; false when a factor is on. */
export async function keepEnrolment(
  db: Database,
  { userId, sealed }: { readonly userId: string; readonly sealed: string },
): Promise<boolean> {
  const row = await db
    .updateTable('users')
    .set({ totp_sealed: sealed, totp_step: null })
    .where('id', '=', userId)
    .where('totp_enabled_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Turns on the very secret whose code was right; false when another came between, or it is on already. */
export async function enableFactor(
  db: Database,
  { userId, sealed, step }: { readonly userId: string; readonly sealed: string; readonly step: number },
): Promise<boolean> {
  const row = await db
    .updateTable('users')
    .set({ totp_enabled_at: sql<Date>`now()`, totp_step: String(step) })
    .where('id', '=', userId)
    .where('totp_sealed', '=', sealed)
    .where('totp_enabled_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** A 30-second step counts once, and none before it afterwards: of two callers with one code exactly one gets true. */
export async function takeStep(
  db: Database,
  { userId, step }: { readonly userId: string; readonly step: number },
): Promise<boolean> {
  const row = await db
    .updateTable('users')
    .set({ totp_step: String(step) })
    .where('id', '=', userId)
    .where('totp_enabled_at', 'is not', null)
    .where(sql<boolean>`coalesce(totp_step, -1) < ${step}`)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Of two callers with one code exactly one gets true. */
export async function takeRecoveryCode(
  db: Database,
  { userId, hash }: { readonly userId: string; readonly hash: string },
): Promise<boolean> {
  const row = await db
    .updateTable('recovery_codes')
    .set({ used_at: sql<Date>`now()` })
    .where('user_id', '=', userId)
    .where('code_hash', '=', hash)
    .where('used_at', 'is', null)
    .returning('code_hash')
    .executeTakeFirst();
  return row !== undefined;
}

/** The earlier ones stop working. */
export async function replaceRecoveryCodes(
  trx: Database,
  { userId, hashes }: { readonly userId: string; readonly hashes: readonly string[] },
): Promise<void> {
  await trx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
  await trx
    .insertInto('recovery_codes')
    .values(hashes.map((hash) => ({ user_id: userId, code_hash: hash })))
    .execute();
}

export async function countRecoveryCodes(db: Database, userId: string): Promise<number> {
  const { left } = await db
    .selectFrom('recovery_codes')
    .select(sql<number>`count(*)::int`.as('left'))
    .where('user_id', '=', userId)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow();
  return left;
}

/** When the session's user proved a second factor in it. */
export const markSession = (
  db: Database,
  { sessionId, userId }: { readonly sessionId: string; readonly userId: string },
): Promise<{ readonly mfa_at: Date | null } | undefined> =>
  db
    .updateTable('sessions')
    .set({ mfa_at: sql<Date>`now()` })
    .where('id', '=', sessionId)
    .where('user_id', '=', userId)
    .returning('mfa_at')
    .executeTakeFirst();

export async function hasProvedIn(db: Database, sessionId: string): Promise<boolean> {
  const row = await db.selectFrom('sessions').select('mfa_at').where('id', '=', sessionId).executeTakeFirst();
  return row !== undefined && row.mfa_at !== null;
}

/** No session counts as proved by a factor that is gone. */
export async function disableFactor(trx: Database, userId: string): Promise<void> {
  await trx
    .updateTable('users')
    .set({ totp_sealed: null, totp_enabled_at: null, totp_step: null })
    .where('id', '=', userId)
    .execute();
  await trx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
  await trx.updateTable('sessions').set({ mfa_at: null }).where('user_id', '=', userId).execute();
}

/** Whether any organisation the user is in asks for a second factor always. */
export async function isFactorRequired(db: Database, userId: string): Promise<boolean> {
  const { rows } = await sql<{ required: boolean }>`
    select exists (
      select from tenants t where t.mfa_policy = 'always' and (
        exists (select from tenant_members m where m.tenant_id = t.id and m.user_id = ${userId})
        or exists (select from memberships m join workspaces w on w.id = m.workspace_id
          where w.tenant_id = t.id and w.deleted_at is null and m.user_id = ${userId})
      )
    ) as required`.execute(db);
  return rows[0]?.required ?? false;
}
