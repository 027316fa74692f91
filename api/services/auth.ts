import type { Actor, Auth } from '../http/route.js';

/** What a request says of its caller. */
export interface Credentials {
  readonly auth: Auth;
  readonly authorization: string | undefined;
  readonly cookies: Readonly<Record<string, string>>;
  /** X-Workspace-Id. */
  readonly workspaceHeader: string | undefined;
  /** `:id` of a `workspace` route. */
  readonly pathWorkspaceId: string | undefined;
}

export interface AuthService {
  /** The actor, or 401 for a missing or bad credential, 403 for a workspace the user is no member of. */
  readonly authenticate: (credentials: Credentials) => Promise<Actor>;
}
