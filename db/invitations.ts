import { sql } from 'kysely';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { Role } from './tables.js';

const INVITATION_DAYS = 7;

export interface InvitationRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly email: string;
  readonly role: Role;
  readonly invited_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
}

const columns = ['id', 'workspace_id', 'email', 'role', 'invited_by', 'created_at', 'expires_at'] as const;

export interface NewInvitation {
  readonly id: string;
  readonly workspaceId: string;
  /** In lower case. */
  readonly email: string;
  readonly role: Role;
  readonly hash: string;
  readonly invitedBy: string;
  /** The most invitations a workspace may send in an hour, this one included. */
  readonly hourly: number;
}

/** Takes the place of an open one to the same address. Twins are counted one after the other. */
export function insertInvitation(db: Database, given: NewInvitation): Promise<InvitationRow | 'full' | 'missing'> {
  return db.transaction().execute(async (trx) => {
    const workspace = await trx
      .selectFrom('workspaces')
      .select('id')
      .where('id', '=', given.workspaceId)
      .where('deleted_at', 'is', null)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (workspace === undefined) return 'missing';
    const { sent } = await scoped(trx, given.workspaceId)
      .select('member_invitations')
      .select(sql<number>`count(*)::int`.as('sent'))
      .where(sql<boolean>`created_at > now() - interval '1 hour'`)
      .executeTakeFirstOrThrow();
    if (sent >= given.hourly) return 'full';
    await trx
      .updateTable('member_invitations')
      .set({ revoked_at: sql<Date>`now()` })
      .where('workspace_id', '=', given.workspaceId)
      .where('email', '=', given.email)
      .where('accepted_at', 'is', null)
      .where('revoked_at', 'is', null)
      .execute();
    return trx
      .insertInto('member_invitations')
      .values({
        id: given.id,
        workspace_id: given.workspaceId,
        email: given.email,
        role: given.role,
        token_hash: given.hash,
        invited_by: given.invitedBy,
        expires_at: sql<Date>`now() + make_interval(days => ${INVITATION_DAYS})`,
      })
      .returning(columns)
      .executeTakeFirstOrThrow();
  });
}

/** Open ones, newest first. */
export async function listInvitations(
  db: Database,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: InvitationRow[]; readonly total: number }> {
  const open = () =>
    scoped(db, workspaceId)
      .select('member_invitations')
      .where('accepted_at', 'is', null)
      .where('revoked_at', 'is', null)
      .where(sql<boolean>`expires_at > now()`);
  const items = await open().select(columns).orderBy('id', 'desc').limit(page.limit).offset(page.offset).execute();
  const { total } = await open()
    .select(sql<number>`count(*)::int`.as('total'))
    .executeTakeFirstOrThrow();
  return { items, total };
}

/** False for an unknown, foreign, accepted or already revoked one. */
export async function revokeInvitation(db: Database, workspaceId: string, id: string): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .update('member_invitations', id)
    .set({ revoked_at: sql<Date>`now()` })
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

export interface OpenInvitation extends InvitationRow {
  readonly tenant_id: string;
}

/** One that can still be accepted. */
export const findOpenInvitation = (db: Database, tokenHash: string): Promise<OpenInvitation | undefined> =>
  db
    .selectFrom('member_invitations as i')
    .innerJoin('workspaces as w', 'w.id', 'i.workspace_id')
    .innerJoin('tenants as t', 't.id', 'w.tenant_id')
    .select(['i.id', 'i.workspace_id', 'i.email', 'i.role', 'i.invited_by', 'i.created_at', 'i.expires_at'])
    .select('w.tenant_id')
    .where('i.token_hash', '=', tokenHash)
    .where('i.accepted_at', 'is', null)
    .where('i.revoked_at', 'is', null)
    .where(sql<boolean>`i.expires_at > now()`)
    .where('w.deleted_at', 'is', null)
    .where('t.is_active', '=', true)
    .executeTakeFirst();

/** Of two callers exactly one gets true. */
export async function takeInvitation(db: Database, id: string): Promise<boolean> {
  const row = await db
    .updateTable('member_invitations')
    .set({ accepted_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .where(sql<boolean>`expires_at > now()`)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether somebody with this address is a member of the workspace itself. */
export async function isMemberByEmail(
  db: Database,
  { workspaceId, email }: { readonly workspaceId: string; readonly email: string },
): Promise<boolean> {
  const row = await db
    .selectFrom('memberships as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select('u.id')
    .where('m.workspace_id', '=', workspaceId)
    .where(sql`lower(u.email)`, '=', email)
    .executeTakeFirst();
  return row !== undefined;
}
