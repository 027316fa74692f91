import type { AdmissionTables } from './tables/admission.js';
import type { AgentTables } from './tables/agents.js';
import type { CallTables } from './tables/calls.js';
import type { AuditTables } from './tables/audit.js';
import type { DefinitionTables } from './tables/definitions.js';
import type { IdentityTables } from './tables/identity.js';
import type { MailTables } from './tables/mail.js';
import type { KeyTables } from './tables/keys.js';
import type { RunTables } from './tables/runs.js';
import type { VaultTables } from './tables/vault.js';
import type { SsoTables } from './tables/sso.js';

export type { Location, MfaPolicy, Role } from './tables/identity.js';
export type { RunOrigin, RunTest } from './tables/runs.js';

/** The whole database, a row a table. */
export interface Tables
  extends
    IdentityTables,
    AuditTables,
    AgentTables,
    CallTables,
    AdmissionTables,
    KeyTables,
    SsoTables,
    DefinitionTables,
    MailTables,
    RunTables,
    VaultTables {}
