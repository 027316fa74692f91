import type { Role } from '../db/tables.js';

/**
 * Who may call:
 * `none` anybody; `user` a signed-in user or a token, no workspace needed;
 * `member` somebody acting in one workspace: a user with X-Workspace-Id or the session's workspace, a workspace token or an API key;
 * `workspace` the same, and the workspace is the one named `:id` in the path (ADMIN_TOKEN and the organisation's tokens pass too);
 * `tenant` somebody acting for an organisation: a user, an API key or a service account, with X-Tenant-Id and X-Tenant-Role;
 * `embed` a page that holds a deployment's token;
 * `admin` ADMIN_TOKEN, a platform administrator or, within its organisation, an organisation's token.
 */
export type Auth = 'none' | 'user' | 'member' | 'workspace' | 'tenant' | 'embed' | 'admin';

export const capabilities = [
  'workflow.read',
  'workflow.write',
  'workflow.publish',
  'runtime.simulate',
  'runtime.sessions.read_all',
  'run.read',
  'run.write',
  'run.admin',
  'tool.read',
  'tool.write',
  'schedule.read',
  'schedule.write',
  'approval.read',
  'approval.write',
  'secret.read',
  'secret.write',
  'token.read',
  'token.write',
  'audit.read',
  'usage.read',
  'member.read',
  'member.write',
  'deployment.read',
  'deployment.write',
  'webhook.read',
  'webhook.write',
  'ingress.read',
  'ingress.write',
  'workspace.read',
  'workspace.write',
] as const;
export type Capability = (typeof capabilities)[number];

export type ActorType =
  'user' | 'workspace_token' | 'org_token' | 'api_key' | 'service_account' | 'embed_token' | 'admin' | 'anonymous';

export interface Actor {
  readonly type: ActorType;
  /** Id of the user, key or token; a service account's name; `admin`; `anonymous`. */
  readonly id: string;
  /** The workspace acted in; empty where the route needs none. */
  readonly workspaceId: string;
  /** The organisation acted for; empty where there is none. */
  readonly tenantId: string;
  readonly sessionId: string | null;
  readonly capabilities: ReadonlySet<Capability>;
  /** What it may on routes that ask for a scope; `ns:*` grants a whole namespace. */
  readonly scopes: ReadonlySet<string>;
  /** In the organisation, after X-Tenant-Role; null for who has none. */
  readonly role: Role | null;
  /** Its own limit of requests a minute; absent: the installation's. */
  readonly ratePerMinute?: number;
  /** False: what it starts is marked as a test. */
  readonly isLive: boolean;
  /** The definition a deployment's token opens. */
  readonly definitionId?: string;
  /** The one call that a token to join it lets into. */
  readonly callId?: string;
}

/** Nobody in particular. */
export const anonymous: Actor = {
  type: 'anonymous',
  id: 'anonymous',
  workspaceId: '',
  tenantId: '',
  sessionId: null,
  capabilities: new Set(),
  scopes: new Set(),
  role: null,
  isLive: true,
};
