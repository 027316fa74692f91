import type { Created } from './columns.js';
import type { Role } from './identity.js';

export interface KeyTables {
  /** Who was asked into a workspace. It is by address, whether or not that has an account. */
  member_invitations: {
    id: string;
    workspace_id: string;
    /** In lower case. */
    email: string;
    role: Role;
    token_hash: string;
    invited_by: string;
    created_at: Created;
    expires_at: Date;
    accepted_at: Date | null;
    revoked_at: Date | null;
  };
}
