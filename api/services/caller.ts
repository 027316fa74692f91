import { findPrincipal } from '../../db/identity.js';
import type { Database } from '../../db/client.js';
import type { Role } from '../../db/tables.js';
import type { Actor } from '../actor.js';
import { roles, strongestRole } from './roles.js';

/** Everything an actor is where audiences name people: id, e-mail address, and its role with all weaker ones. */
export async function identitiesOf(db: Database, actor: Actor): Promise<readonly string[]> {
  if (actor.type === 'workspace_token') return [actor.id, ...rolesFrom('developer')];
  if (actor.type === 'admin') return [actor.id, ...rolesFrom('owner')];
  if (actor.type !== 'user' || actor.sessionId === null) return [actor.id];
  const { id: userId, sessionId, workspaceId } = actor;
  const [principal, user] = await Promise.all([
    findPrincipal(db, { sessionId, userId, workspaceId }),
    db.selectFrom('users').select('email').where('id', '=', userId).executeTakeFirst(),
  ]);
  const role = strongestRole(principal?.roles ?? []);
  return [
    userId,
    ...(user === undefined ? [] : [...new Set([user.email, user.email.toLowerCase()])]),
    ...(role === undefined ? [] : rolesFrom(role)),
  ];
}

/** `roles` has the strongest first. */
const rolesFrom = (strongest: Role): readonly string[] =>
  roles.slice(roles.indexOf(strongest)).map((role) => `role:${role}`);
