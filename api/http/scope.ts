import { unscoped, withScope, type Scope } from '../../db/scope.js';
import type { Actor, Auth } from '../actor.js';

/** Rows whose work is held to where their caller acts; on the others nobody acts in one workspace. */
const held: ReadonlySet<Auth> = new Set<Auth>(['member', 'workspace', 'embed', 'tenant']);

export const scopeOf = (auth: Auth, { workspaceId, tenantId }: Actor): Scope | undefined =>
  held.has(auth) ? { workspaceId, tenantId } : undefined;

export const inScope = <T>(scope: Scope | undefined, work: () => T): T =>
  scope === undefined ? unscoped(work) : withScope(scope, work);
