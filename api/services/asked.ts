import type { Database } from '../../db/client.js';
import type { Auth } from '../actor.js';
import type { TokenSigner } from './access-tokens.js';
import type { RequestOrigin } from './origin.js';

/** What a request says of its caller. */
export interface Credentials {
  readonly auth: Auth;
  readonly authorization: string | undefined;
  /** X-API-Key. */
  readonly apiKey?: string | undefined;
  readonly cookies: Readonly<Record<string, string>>;
  /** X-Workspace-Id. */
  readonly workspaceHeader: string | undefined;
  /** X-Tenant-Id. */
  readonly tenantHeader?: string | undefined;
  /** X-Tenant-Role. */
  readonly roleHeader?: string | undefined;
  /** `:id` of a `workspace` route. */
  readonly pathWorkspaceId: string | undefined;
  /** The page that sent it; without it no cookie is accepted. */
  readonly origin?: RequestOrigin;
  /** How much of a second factor the route asks for; default `normal`. */
  readonly mfa?: MfaNeed;
  /** The route is for people who proved their e-mail address. */
  readonly verified?: boolean;
  /** Told of a user whose signature is right, while it is looked up what they may; what it throws refuses the request. */
  readonly onUser?: (userId: string) => Promise<void>;
}

/** `none`: also before a required second factor is set up; `sensitive`: refused without one where the organisation says so. */
export type MfaNeed = 'none' | 'normal' | 'sensitive';

export interface AuthenticateDeps {
  readonly db: Database;
  readonly signer: TokenSigner;
  readonly adminToken: string | undefined;
  /** Origins besides our own whose pages may use the cookies. */
  readonly trustedOrigins: readonly string[];
  /** Told of work that failed behind a request, and of a database that cannot be reached. */
  readonly onError: (error: unknown) => void;
}

/** Credentials of a route that wants some. */
export type Asked = Credentials & { readonly auth: Exclude<Auth, 'none'> };
