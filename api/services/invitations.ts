import type { Database } from '../../db/client.js';
import { randomToken, sha256Hex } from '../../db/crypto.js';
import { findLogin, insertMembership, insertUser, verifyAddress, type Login } from '../../db/identity.js';
import { newId } from '../../db/ids.js';
import {
  findOpenInvitation,
  insertInvitation,
  isMemberByEmail,
  listInvitations,
  revokeInvitation,
  takeInvitation,
  type InvitationRow,
  type OpenInvitation,
} from '../../db/invitations.js';
import type { Role } from '../../db/tables.js';
import { findRoles, findWorkspace, isWithin } from '../../db/workspaces.js';
import type { Actor } from '../actor.js';
import { ApiError, conflict, forbidden, invalid, notFound, tooMany } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import { normaliseEmail } from './accounts.js';
import type { AuditService } from './audit.js';
import type { AuthService } from './auth.js';
import { ownRole } from './members.js';
import type { Mailer } from './mail.js';
import { hashPassword, passwordProblem } from './passwords.js';
import { atLeast, roleCapabilities, strongestRole } from './roles.js';
import { record, type Client, type SignedIn } from './sessions.js';

const HOURLY = 100;

export interface Invite {
  readonly email: string;
  readonly role: Role;
  /** Default: the workspace acted in; else one below it. */
  readonly workspace_id?: string | undefined;
}

export interface Acceptance {
  readonly token: string;
  /** The new account's, or the one the account has. */
  readonly password?: string | undefined;
  readonly name?: string | undefined;
  readonly totp_code?: string | undefined;
}

/** The way into a workspace: always by mail to the address, so that the answer never tells who has an account. */
export interface InvitationService {
  readonly invite: (actor: Actor, invite: Invite) => Promise<InvitationRow>;
  readonly list: (
    workspaceId: string,
    page: Page,
  ) => Promise<Page & { readonly items: readonly InvitationRow[]; readonly total: number }>;
  readonly revoke: (workspaceId: string, id: string) => Promise<void>;
  /** Makes the account where there is none, joins the workspace and signs in. */
  readonly accept: (given: Acceptance, client: Client) => Promise<SignedIn>;
}

export interface InvitationDeps {
  readonly db: Database;
  readonly auth: Pick<AuthService, 'prove' | 'openSession'>;
  readonly audit: AuditService;
  readonly mailer: Pick<Mailer, 'send'>;
  readonly publicUrl: string;
}

export const createInvitationService = (deps: InvitationDeps): InvitationService => ({
  invite: (actor, invite) => invitePerson(deps, actor, invite),
  list: async (workspaceId, page) => ({ ...(await listInvitations(deps.db, workspaceId, page)), ...page }),
  revoke: async (workspaceId, id) => {
    if (!(await revokeInvitation(deps.db, workspaceId, id))) throw notFound('open invitation', id);
  },
  accept: (given, client) => accept(deps, given, client),
});

async function invitePerson(deps: InvitationDeps, actor: Actor, { role, ...invite }: Invite): Promise<InvitationRow> {
  const { db, mailer } = deps;
  const email = normaliseEmail(invite.email);
  const own = await ownRole(db, actor);
  if (!atLeast(own, role)) throw forbidden(`role: yours is ${own}, so you cannot invite an ${role}.`);
  const workspace = await reachable(db, actor, invite.workspace_id);
  if (await isMemberByEmail(db, { workspaceId: workspace.id, email })) {
    throw conflict('email: they are a member of this workspace already; change their role with PATCH /v1/members.');
  }
  const token = randomToken();
  const made = await insertInvitation(db, {
    id: newId('inv'),
    workspaceId: workspace.id,
    email,
    role,
    hash: sha256Hex(token),
    invitedBy: actor.id,
    hourly: HOURLY,
  });
  if (made === 'missing') throw notFound('workspace', workspace.id);
  if (made === 'full') throw tooMany(`This workspace sent ${HOURLY} invitations within an hour: wait a while.`, 600);
  await mailer.send({
    to: email,
    key: `invitation/${made.id}`,
    ...letter(deps, made, { token, name: workspace.name }),
  });
  return made;
}

/** The workspace acted in, or one below it, where its roles count too. */
async function reachable(
  db: Database,
  actor: Actor,
  asked: string = actor.workspaceId,
): Promise<{ readonly id: string; readonly name: string }> {
  const row = await findWorkspace(db, asked);
  const isOurs = await isWithin(db, { workspaceId: asked, ancestorId: actor.workspaceId });
  if (row === undefined || !isOurs) throw notFound('workspace', asked);
  return row;
}

function letter(
  { publicUrl }: InvitationDeps,
  { role, expires_at }: InvitationRow,
  { token, name }: { readonly token: string; readonly name: string },
): { readonly subject: string; readonly text: string } {
  const workspace = name.replaceAll(/\s+/g, ' ');
  return {
    subject: `You are invited to the workspace ${workspace}`,
    text: [
      `You are invited to the workspace ${workspace} on ${publicUrl}, as ${role}.`,
      'To accept, open',
      `${publicUrl}/account/accept-invitation?token=${token}`,
      `The link works once, until ${expires_at.toUTCString()}.`,
      'If you expected no invitation, do nothing.',
    ].join('\n\n'),
  };
}

const over = () => new ApiError(404, 'The invitation is unknown, used, revoked or over: ask for a new one.');

async function accept(deps: InvitationDeps, given: Acceptance, client: Client): Promise<SignedIn> {
  const { db, auth } = deps;
  const invitation = await findOpenInvitation(db, sha256Hex(given.token));
  if (invitation === undefined || !(await mayStill(db, invitation))) throw over();
  const { email, tenant_id: tenantId, workspace_id: workspaceId } = invitation;
  const { password, totp_code } = given;
  if (password === undefined)
    throw invalid([{ field: 'password', message: 'choose one, or give that of your account' }]);
  const known = await findLogin(db, email);
  const { hasMfa } = known === undefined ? { hasMfa: false } : await auth.prove({ email, password, totp_code }, client);
  const userId = await join(db, { invitation, known, password, name: given.name });
  await record(deps, client, { action: 'auth.accept_invitation', userId, workspaceId });
  return auth.openSession(email, client, { hasMfa, tenantId });
}

/** Whoever invited must still be able to. */
async function mayStill(db: Database, { invited_by, workspace_id, role }: OpenInvitation): Promise<boolean> {
  const own = strongestRole(await findRoles(db, { userId: invited_by, workspaceId: workspace_id }));
  return own !== undefined && roleCapabilities[own].has('member.write') && atLeast(own, role);
}

interface Joining {
  readonly invitation: OpenInvitation;
  readonly known: Login | undefined;
  readonly password: string;
  readonly name: string | undefined;
}

async function join(db: Database, { invitation, known, password, name }: Joining): Promise<string> {
  const { email, role, tenant_id: tenantId, workspace_id: workspaceId } = invitation;
  const problem = known === undefined ? await passwordProblem(password, email, 'strict') : null;
  if (problem !== null) throw invalid([{ field: 'password', message: problem }]);
  const passwordHash = known === undefined ? await hashPassword(password) : '';
  const userId = known?.id ?? newId('usr');
  await db.transaction().execute(async (trx) => {
    if (!(await takeInvitation(trx, invitation.id))) throw over();
    const fresh = { id: userId, tenantId, email, name: name ?? email.split('@')[0] ?? email };
    if (known === undefined && !(await insertUser(trx, { ...fresh, passwordHash, isPlatformAdmin: false }))) {
      throw conflict('email: an account with this address was made meanwhile: accept again with its password.');
    }
    await verifyAddress(trx, userId);
    await insertMembership(trx, { userId, workspaceId, role });
  });
  return userId;
}
