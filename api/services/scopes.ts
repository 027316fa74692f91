import type { Role } from '../../db/tables.js';
import type { Capability } from '../actor.js';

/** What an API key may be given. */
export const keyScopes = [
  'agents:read',
  'agents:write',
  'workflows:read',
  'workflows:write',
  'tools:read',
  'tools:write',
  'runs:read',
  'runs:write',
  'calls:read',
  'calls:initiate',
  'webhooks:write',
  'analytics:read',
] as const;

const conversationScopes = ['conversations:read', 'conversations:write', 'conversations:delete'] as const;
const billingScopes = ['billing:read', 'billing:manage'] as const;

/** Of those who run the installation: they reach over organisations. */
export const operatorScopes = [
  'auth:invites',
  'auth:signup_requests',
  'status:manage',
  'support:*',
  'platform:operator',
] as const;

export const scopes = [
  ...keyScopes,
  ...conversationScopes,
  ...billingScopes,
  'support:read',
  'auth:invites',
  'auth:signup_requests',
  'status:manage',
  'platform:operator',
] as const;
export type Scope = (typeof scopes)[number];

const readScopes = keyScopes.filter((scope) => scope.endsWith(':read'));

const adminScopes = new Set<string>([...keyScopes, ...conversationScopes, ...billingScopes, 'support:read']);
const memberScopes = new Set<string>([...keyScopes, 'conversations:read', 'conversations:write']);

export const roleScopes: Readonly<Record<Role, ReadonlySet<string>>> = {
  owner: adminScopes,
  admin: adminScopes,
  developer: memberScopes,
  editor: memberScopes,
  viewer: new Set<string>([...readScopes, 'conversations:read']),
};

export const allScopes: ReadonlySet<string> = new Set<string>([...scopes, ...operatorScopes]);

/** `ns:*` grants every scope of `ns`. */
export const hasScope = (held: ReadonlySet<string>, wanted: string): boolean =>
  held.has(wanted) || held.has(`${wanted.split(':')[0] ?? ''}:*`);

/** A scope that a route asks for, or several of which any will do. */
export type WantedScope = Scope | readonly [Scope, ...Scope[]];

export const wantedScopes = (wanted: WantedScope | undefined): readonly Scope[] =>
  wanted === undefined ? [] : [wanted].flat();

/** What a key with these scopes may on the surfaces that ask for capabilities. */
const capabilitiesOf: Readonly<Record<string, readonly Capability[]>> = {
  'agents:read': ['workflow.read'],
  'agents:write': ['workflow.read', 'workflow.write', 'workflow.publish'],
  'workflows:read': ['workflow.read'],
  'workflows:write': ['workflow.read', 'workflow.write', 'workflow.publish', 'schedule.read', 'schedule.write'],
  'tools:read': ['tool.read'],
  'tools:write': ['tool.read', 'tool.write'],
  'runs:read': ['run.read', 'approval.read', 'runtime.sessions.read_all'],
  'runs:write': ['run.read', 'run.write', 'runtime.simulate', 'approval.read', 'approval.write'],
  'calls:read': ['run.read'],
  'calls:initiate': ['run.write', 'runtime.simulate'],
  'analytics:read': ['usage.read'],
};

export const scopeCapabilities = (held: Iterable<string>): ReadonlySet<Capability> =>
  new Set([...held].flatMap((scope) => capabilitiesOf[scope] ?? []));

/** What somebody may put into a key: a scope they hold, and no capability beyond their own. */
export const grantableScopes = (held: {
  readonly scopes: ReadonlySet<string>;
  readonly capabilities: ReadonlySet<Capability>;
}): readonly string[] =>
  keyScopes.filter((scope) => {
    const gives = capabilitiesOf[scope] ?? [];
    return hasScope(held.scopes, scope) && gives.every((capability) => held.capabilities.has(capability));
  });
