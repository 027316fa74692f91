import type { Database } from '../../db/client.js';
import type { RunNews } from '../../db/listen.js';
import type { Logger } from '../../db/log.js';
import { createTenantLimits } from '../../db/tenant-egress.js';
import type { Vault } from '../../db/vault/vault.js';
import type { ApiConfig } from '../config.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { createAgentRuns } from './create-agent-runs.js';
import { createApprovalService } from './approvals.js';
import { createAuditService } from './audit.js';
import { createHooks } from './create-hooks.js';
import { createIdentity } from './create-identity.js';
import { createAuthoring } from './create-authoring.js';
import { createEmbed } from './create-embed.js';
import { createChainRunService } from './chain-runs.js';
import { createChainService } from './chains.js';
import { createEgressListService, createUrlRules } from './egress-lists.js';
import { createExplainService } from './explain.js';
import type { Services } from './index.js';
import { createRunCommands } from './create-run-commands.js';
import { createRunReadService } from './run-reads.js';
import { createRunService } from './runs.js';
import { createScheduleService } from './schedules.js';
import { createSecretService } from './secrets.js';
import { createStreamService } from './streams.js';
import { createTokenService } from './tokens.js';
import { createUsageService } from './usage.js';
import { createWorkspaceService } from './workspaces.js';

export interface ServiceDeps {
  readonly config: ApiConfig & { readonly masterKey: Buffer };
  readonly db: Database;
  readonly vault: Vault;
  readonly temporal: TemporalGateway;
  /** News of runs, one connection a process. */
  readonly news: RunNews;
  readonly log: Logger;
}

/** The composition root: every service with what it needs. */
export function createServices({ config, db, vault, temporal, news, log }: ServiceDeps): Services {
  const secrets = { db, vault };
  const limits = createTenantLimits(db);
  const urlRules = createUrlRules(limits, config.egressAllow);
  const audit = createAuditService({ db, masterKey: config.masterKey });
  const runs = createRunService({ db, temporal, log });
  const schedules = createScheduleService({ db, schedules: temporal.schedules, runs: temporal });
  const identity = createIdentity({ config, ...secrets, audit, log });
  const runCommands = createRunCommands({ db, temporal, log, news, runs, urlRules });
  const streams = createStreamService({ db, news });
  return {
    ...identity,
    workspaces: createWorkspaceService(secrets),
    tokens: createTokenService({ db }),
    secrets: createSecretService(secrets),
    audit,
    egressLists: createEgressListService({ db, limits }),
    runs,
    runReads: createRunReadService({ db }),
    explain: createExplainService({ db, temporal }),
    streams,
    chains: createChainService({ db, urlRules, secrets, schedules }),
    chainRuns: createChainRunService({ db, runs }),
    approvals: createApprovalService({ db, runs, audit }),
    schedules,
    ...createAuthoring({ db, secrets, schedules, temporal, runs, news, urlRules }),
    ...runCommands,
    ...createHooks({ config, ...secrets, urlRules, runs, events: runCommands.runEvents, behind: identity.behind, log }),
    usage: createUsageService({ db }),
    ...createAgentRuns({ config, db, news, streams, temporal, runs, runCommands, urlRules }),
    ...createEmbed({ db, sessions: runCommands.workflowSessions }),
  };
}
