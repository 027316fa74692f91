import type { DefinitionTables } from './tables/definitions.js';
import type { IdentityTables } from './tables/identity.js';
import type { KeyTables } from './tables/keys.js';
import type { RunTables } from './tables/runs.js';

export type { MfaPolicy, Role } from './tables/identity.js';
export type { RunOrigin, RunTest } from './tables/runs.js';

/** The whole database, a row a table. */
export interface Tables extends IdentityTables, KeyTables, DefinitionTables, RunTables {}
