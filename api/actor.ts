/**
 * Who may call:
 * `none` anybody; `user` a signed-in user, a workspace token or ADMIN_TOKEN, no workspace needed;
 * `member` somebody acting in one workspace: a user with X-Workspace-Id or the session's workspace, or a workspace token;
 * `workspace` the same, and the workspace is the one named `:id` in the path (ADMIN_TOKEN passes too);
 * `admin` ADMIN_TOKEN or a platform administrator.
 */
export type Auth = 'none' | 'user' | 'member' | 'workspace' | 'admin';

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
  'workspace.read',
  'workspace.write',
] as const;
export type Capability = (typeof capabilities)[number];

export interface Actor {
  readonly type: 'user' | 'workspace_token' | 'admin' | 'anonymous';
  /** Id of the user or token; `admin`; `anonymous`. */
  readonly id: string;
  /** The workspace acted in; empty where the route needs none. */
  readonly workspaceId: string;
  readonly sessionId: string | null;
  readonly capabilities: ReadonlySet<Capability>;
}
