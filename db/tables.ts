import type { AuditTables } from './tables/audit.js';
import type { DefinitionTables } from './tables/definitions.js';
import type { IdentityTables } from './tables/identity.js';
import type { RunTables } from './tables/runs.js';

export type { MfaPolicy, Role } from './tables/identity.js';
export type { RunOrigin, RunTest } from './tables/runs.js';

/** The whole database, a row a table. */
export interface Tables extends IdentityTables, AuditTables, DefinitionTables, RunTables {}
