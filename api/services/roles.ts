import type { Role } from '../../db/tables.js';
import { capabilities, type Capability } from '../actor.js';

/** Strongest first. */
export const roles = ['owner', 'admin', 'developer', 'editor', 'viewer'] as const satisfies readonly Role[];

/** The least role that may. */
const leastRole: Record<Capability, Role> = {
  'workflow.read': 'viewer',
  'workflow.write': 'editor',
  'workflow.publish': 'developer',
  'runtime.simulate': 'editor',
  'runtime.sessions.read_all': 'developer',
  'run.read': 'viewer',
  'run.write': 'editor',
  'run.admin': 'developer',
  'tool.read': 'viewer',
  'tool.write': 'editor',
  'schedule.read': 'viewer',
  'schedule.write': 'editor',
  'approval.read': 'viewer',
  'approval.write': 'editor',
  'secret.read': 'editor',
  'secret.write': 'developer',
  'token.read': 'admin',
  'token.write': 'admin',
  'audit.read': 'admin',
  'usage.read': 'viewer',
  'member.read': 'viewer',
  'member.write': 'admin',
  'deployment.read': 'viewer',
  'deployment.write': 'developer',
  'webhook.read': 'viewer',
  'webhook.write': 'developer',
  'ingress.read': 'viewer',
  'ingress.write': 'developer',
  'workspace.read': 'viewer',
  'workspace.write': 'admin',
};

export const lowestRole = (capability: Capability): Role => leastRole[capability];

export const atLeast = (role: Role, least: Role): boolean => roles.indexOf(role) <= roles.indexOf(least);

const capabilitiesOf = (role: Role): ReadonlySet<Capability> =>
  new Set(capabilities.filter((capability) => atLeast(role, leastRole[capability])));

export const roleCapabilities: Record<Role, ReadonlySet<Capability>> = {
  owner: capabilitiesOf('owner'),
  admin: capabilitiesOf('admin'),
  developer: capabilitiesOf('developer'),
  editor: capabilitiesOf('editor'),
  viewer: capabilitiesOf('viewer'),
};

/**
 * A workspace token stands for a program, not a person: it builds and runs like a developer. Beyond that it may list, mint and
 * revoke the tokens of its own workspace, so that a program can rotate its own credential (the token routes of the Integrations
 * surface are open to it), but it neither reads the audit log nor changes the workspace.
 */
export const tokenCapabilities: ReadonlySet<Capability> = new Set([
  ...roleCapabilities.developer,
  'token.read',
  'token.write',
  'workspace.read',
]);

export const allCapabilities: ReadonlySet<Capability> = new Set(capabilities);

/** Of the roles a user holds in a workspace and its ancestors the strongest counts: a right given above is not lost below. */
export const strongestRole = (held: readonly Role[]): Role | undefined => roles.find((role) => held.includes(role));
