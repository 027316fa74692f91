import { findPrincipal } from '../../db/principals.js';
import type { Database } from '../../db/client.js';
import { unscoped } from '../../db/scope.js';
import type { Role } from '../../db/tables.js';
import type { Actor, ActorType } from '../actor.js';
import { roles, strongestRole } from './roles.js';

/** Everything an actor is where audiences name people: id, e-mail address, and its role with all weaker ones. */
export async function identitiesOf(db: Database, actor: Actor): Promise<readonly string[]> {
  const standing = roleOf[actor.type];
  if (standing !== undefined) return [actor.id, ...rolesFrom(standing)];
  if (actor.type !== 'user' || actor.sessionId === null) return [actor.id];
  const { id: userId, sessionId, workspaceId } = actor;
  // the caller's own session and account, which a guest of this workspace has in another organisation
  const [principal, user] = await unscoped(() =>
    Promise.all([
      findPrincipal(db, { sessionId, userId, workspaceId }),
      db.selectFrom('users').select('email').where('id', '=', userId).executeTakeFirst(),
    ]),
  );
  const role = strongestRole(principal?.roles ?? []);
  return [
    userId,
    ...(user === undefined ? [] : [...new Set([user.email, user.email.toLowerCase()])]),
    ...(role === undefined ? [] : rolesFrom(role)),
  ];
}

/** What a program counts as where people are named by role. */
const roleOf: Partial<Record<ActorType, Role>> = {
  workspace_token: 'developer',
  org_token: 'admin',
  api_key: 'editor',
  admin: 'owner',
};

/** `roles` has the strongest first. */
const rolesFrom = (strongest: Role): readonly string[] =>
  roles.slice(roles.indexOf(strongest)).map((role) => `role:${role}`);

/** Marks what a test key starts. */
const TEST_TAG = 'test';

/** The tags of a run somebody starts. */
export const runTags = ({ isLive }: Actor, tags: readonly string[] = []): readonly string[] => [
  ...new Set([...tags, ...(isLive ? [] : [TEST_TAG])]),
];
