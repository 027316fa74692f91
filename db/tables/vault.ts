import type { Created } from './columns.js';

export interface VaultTables {
  /** What secrets are sealed with; the newest of its scope seals. */
  data_keys: {
    id: string;
    /** Of a workspace or an organisation, or `platform`, or `root`. */
    scope: string;
    version: number;
    wrapped: string;
    /** Which key it is wrapped under. */
    wrapped_by: string;
    created_at: Created;
    /** When the last secret under it was sealed anew. */
    retired_at: Date | null;
  };
  key_rotations: { id: string; started_at: Created; finished_at: Date | null };
}
